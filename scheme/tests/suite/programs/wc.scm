; Counts lines, words and characters of a file, and its bytes.
(import (scheme base) (scheme char) (scheme write) (scheme file) (scheme process-context))

(define n (if (null? (cdr (command-line))) 100 (string->number (cadr (command-line)))))

(call-with-output-file "wc.in"
  (lambda (port)
    (do ((i 0 (+ i 1))) ((= i n))
      (write-string "the \x3bb; calculus,\tand  some words " port)
      (write (* i i) port)
      (if (= 0 (modulo i 3)) (newline port)))))

(define (count port)
  (let loop ((lines 0) (words 0) (characters 0) (inside #f))
    (let ((c (read-char port)))
      (cond ((eof-object? c) (list lines words characters))
            ((char=? c #\newline) (loop (+ lines 1) words (+ characters 1) #f))
            ((char-whitespace? c) (loop lines words (+ characters 1) #f))
            (else (loop lines (if inside words (+ words 1)) (+ characters 1) #t))))))

(define (bytes port)
  (let loop ((total 0))
    (let ((part (read-bytevector 100 port)))
      (if (eof-object? part) total (loop (+ total (bytevector-length part)))))))

(write (call-with-input-file "wc.in" count))
(newline)
(write (call-with-port (open-binary-input-file "wc.in") bytes))
(newline)
(delete-file "wc.in")
