; Data written to a file and read back.
(import (scheme base) (scheme read) (scheme write) (scheme file) (scheme process-context))

(define n (if (null? (cdr (command-line))) 60 (string->number (cadr (command-line)))))

(define (datum i)
  (list i (string-append "s\"\\" (number->string i)) (vector i (/ i 7) (* 1.5 i) (list 'a 'B (cons i '())))
        (integer->char (+ 33 i)) (bytevector (modulo i 256)) (string->symbol "odd symbol") #t #f '() ''q))

(define data (do ((i 0 (+ i 1)) (all '() (cons (datum i) all))) ((= i n) all)))

(call-with-output-file "read1.in"
  (lambda (port) (for-each (lambda (datum) (write datum port) (newline port)) data)))

(define (read-all port)
  (let loop ((all '()))
    (let ((datum (read port))) (if (eof-object? datum) (reverse all) (loop (cons datum all))))))

(let ((back (call-with-input-file "read1.in" read-all)))
  (write (list (length back) (equal? back data)))
  (newline)
  (write (list (cadr (car back)) (vector-ref (caddr (car back)) 3) (list-ref (car back) 3)))
  (newline))
(delete-file "read1.in")
