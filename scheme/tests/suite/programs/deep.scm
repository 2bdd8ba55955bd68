; Recursion as deep as the heap is large, through calls, map, append and apply.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 20000 (string->number (cadr (command-line)))))

(define (count n) (if (= n 0) 0 (+ 1 (count (- n 1)))))
(define (build n) (if (= n 0) '() (cons n (build (- n 1)))))
(define (nested n) (if (= n 0) '() (list (nested (- n 1)))))
(define (depth x) (if (null? x) 0 (+ 1 (depth (car x)))))

(write (list (count n) (apply + (build n)) (apply + (map (lambda (x) (* 2 x)) (build n)))
             (length (append (build n) (build 10))) (depth (nested n)) (equal? (build n) (build n))
             (equal? (nested n) (nested n))))
(newline)
