; Copies a file of n lines, character by character.
(import (scheme base) (scheme write) (scheme file) (scheme process-context))

(define n (if (null? (cdr (command-line))) 100 (string->number (cadr (command-line)))))

(define (make-file name)
  (call-with-output-file name
    (lambda (port)
      (do ((i 0 (+ i 1))) ((= i n))
        (write-string "line " port)
        (write i port)
        (write-string (if (even? i) " \x3b1;\x20ac;\n" " plain\n") port)))))

(define (copy from to)
  (call-with-input-file from
    (lambda (in)
      (call-with-output-file to
        (lambda (out)
          (let loop ((count 0))
            (let ((c (read-char in)))
              (if (eof-object? c)
                  count
                  (begin (write-char c out) (loop (+ count 1)))))))))))

(define (same? a b)
  (let ((a (open-input-file a)) (b (open-input-file b)))
    (let loop ()
      (let ((x (read-line a)) (y (read-line b)))
        (cond ((and (eof-object? x) (eof-object? y)) #t)
              ((equal? x y) (loop))
              (else #f))))))

(make-file "cat.in")
(write (list (copy "cat.in" "cat.copy") (same? "cat.in" "cat.copy")))
(newline)
(delete-file "cat.in")
(delete-file "cat.copy")
