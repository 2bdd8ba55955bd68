; The lines of a file, last one first.
(import (scheme base) (scheme write) (scheme file) (scheme process-context))

(define n (if (null? (cdr (command-line))) 200 (string->number (cadr (command-line)))))

(call-with-output-file "tail.in"
  (lambda (port)
    (do ((i 0 (+ i 1))) ((= i n))
      (write-string (make-string (modulo (* i 7) 40) #\x) port)
      (write i port)
      (newline port))))

(define (lines port)
  (let loop ((all '()))
    (let ((line (read-line port)))
      (if (eof-object? line) all (loop (cons line all))))))

(call-with-output-file "tail.reversed"
  (lambda (out)
    (for-each (lambda (line) (write-string line out) (newline out))
              (call-with-input-file "tail.in" lines))))

(let* ((in (open-input-file "tail.reversed")) (first (read-line in)) (second (read-line in)))
  (close-port in)
  (write (list first second (length (call-with-input-file "tail.reversed" lines)))))
(newline)
(delete-file "tail.in")
(delete-file "tail.reversed")
