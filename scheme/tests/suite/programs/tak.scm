; Takeuchi's function: calls and comparisons of small integers, nothing else.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 4 (string->number (cadr (command-line)))))

(define (tak x y z)
  (if (not (< y x))
      z
      (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))

(write (tak (* 3 n) (* 2 n) n))
(newline)
