; Takeuchi's function where every call captures a continuation to return through.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 3 (string->number (cadr (command-line)))))

(define (ctak x y z)
  (call-with-current-continuation (lambda (return) (through return x y z))))

(define (through return x y z)
  (define (sub a b c)
    (call-with-current-continuation (lambda (return) (through return a b c))))
  (if (< y x)
      (call-with-current-continuation
       (lambda (again)
         (through return (sub (- x 1) y z) (sub (- y 1) z x) (sub (- z 1) x y))))
      (return z)))

(write (ctak (* 3 n) (* 2 n) n))
(newline)
