; Halving of numbers that are written as lists, by iteration and by recursion.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 300 (string->number (cadr (command-line)))))

(define (unary n) (do ((n n (- n 1)) (list '() (cons '() list))) ((= n 0) list)))

(define (half-by-iteration list)
  (do ((list list (cddr list)) (half '() (cons (car list) half))) ((null? list) half)))

(define (half-by-recursion list)
  (if (null? list) '() (cons (car list) (half-by-recursion (cddr list)))))

(define (repeat half)
  (let ((list (unary 200)))
    (let loop ((i 0) (total 0))
      (if (= i n) total (loop (+ i 1) (+ total (length (half list))))))))

(write (list (repeat half-by-iteration) (repeat half-by-recursion)))
(newline)
