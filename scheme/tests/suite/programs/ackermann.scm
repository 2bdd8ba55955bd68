; Ackermann's function: deep recursion with small numbers.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 5 (string->number (cadr (command-line)))))

(define (ack m n)
  (cond ((= m 0) (+ n 1))
        ((= n 0) (ack (- m 1) 1))
        (else (ack (- m 1) (ack m (- n 1))))))

(write (list (ack 2 n) (ack 3 n)))
(newline)
