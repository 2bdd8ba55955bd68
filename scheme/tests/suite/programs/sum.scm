; Sums of integers and of flonums in a loop, of a list, and of bignums.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 10000 (string->number (cadr (command-line)))))

(define (sum i total) (if (< i 0) total (sum (- i 1) (+ i total))))
(define (sumfp x total) (if (< x 0.0) total (sumfp (- x 1.0) (+ x total))))
(define (sum-list list) (if (null? list) 0 (+ (car list) (sum-list (cdr list)))))

(write (list (sum n 0) (sumfp (inexact n) 0.0) (sum-list (vector->list (make-vector n 3)))
             (sum n (expt 10 30))))
(newline)
