; Strings that grow by being cut, turned and put together.
(import (scheme base) (scheme write) (scheme char) (scheme process-context))

(define n (if (null? (cdr (command-line))) 20000 (string->number (cadr (command-line)))))

(define (grow s)
  (let* ((s (string-append s "<" (string-upcase s) "|" s ">"))
         (middle (quotient (string-length s) 2)))
    (string-append (substring s middle (string-length s)) (string-copy s 0 (+ 1 middle)))))

(define (sum s)
  (let ((total 0))
    (string-for-each
     (lambda (c) (set! total (modulo (+ (* 31 total) (char->integer c)) 1000003)))
     s)
    total))

(let loop ((s "ab\x3bb;"))
  (write (list (string-length s) (sum s)))
  (newline)
  (if (< (string-length s) n) (loop (grow s))))
