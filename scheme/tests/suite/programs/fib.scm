; Fibonacci numbers by double recursion, in integers, flonums and by doubling (bignums).
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 16 (string->number (cadr (command-line)))))

(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(define (fibfp x) (if (< x 2.0) x (+ (fibfp (- x 1.0)) (fibfp (- x 2.0)))))

; F(2k) and F(2k+1) from F(k) and F(k+1).
(define (fib-pair n)
  (if (= n 0)
      (values 0 1)
      (let-values (((a b) (fib-pair (quotient n 2))))
        (let ((c (* a (- (* 2 b) a))) (d (+ (* a a) (* b b))))
          (if (even? n) (values c d) (values d (+ c d)))))))

(write (list (fib n) (fibfp (inexact n)) (call-with-values (lambda () (fib-pair (* 20 n))) list)))
(newline)
