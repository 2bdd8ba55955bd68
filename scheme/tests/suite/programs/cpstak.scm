; Takeuchi's function in continuation-passing style: a closure for every call.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 4 (string->number (cadr (command-line)))))

(define (tak x y z k)
  (if (not (< y x))
      (k z)
      (tak (- x 1) y z
           (lambda (a)
             (tak (- y 1) z x
                  (lambda (b)
                    (tak (- z 1) x y
                         (lambda (c) (tak a b c k)))))))))

(tak (* 3 n) (* 2 n) n (lambda (result) (write result) (newline)))
