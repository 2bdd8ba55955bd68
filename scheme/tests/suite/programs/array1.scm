; Vectors of n elements: made, filled, copied, reversed and added up, several times over.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 2000 (string->number (cadr (command-line)))))

(define (make n)
  (let ((v (make-vector n 0)))
    (do ((i 0 (+ i 1))) ((= i n) v) (vector-set! v i i))))

(define (reversed v)
  (let* ((n (vector-length v)) (w (make-vector n)))
    (do ((i 0 (+ i 1))) ((= i n) w) (vector-set! w i (vector-ref v (- n i 1))))))

(define (total v)
  (do ((i 0 (+ i 1)) (sum 0 (+ sum (* i (vector-ref v i))))) ((= i (vector-length v)) sum)))

(do ((i 0 (+ i 1)) (v (make n) (vector-append (vector-copy (reversed v) 1) (vector i)))) ((= i 10)
  (write (list (vector-length v) (total v)))
  (newline)))
