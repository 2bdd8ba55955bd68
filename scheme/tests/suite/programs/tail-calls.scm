; Loops that call in tail position in every form that has one: no stack may grow.
(import (scheme base) (scheme write) (scheme case-lambda) (scheme process-context))

(define n (if (null? (cdr (command-line))) 100000 (string->number (cadr (command-line)))))

(define (even n) (if (= n 0) #t (odd (- n 1))))
(define (odd n) (if (= n 0) #f (even (- n 1))))
(define (by-cond n) (cond ((= n 0) 'cond) (else (by-and n))))
(define (by-and n) (and #t (by-or (- n 1))))
(define (by-or n) (or #f (by-case n)))
(define (by-case n) (case 1 ((1) (by-when n)) (else #f)))
(define (by-when n) (when #t (by-let n)))
(define (by-let n) (let* ((m n)) (letrec ((k m)) (by-do k))))
(define (by-do n) (do () (#t (by-apply n))))
(define (by-apply n) (apply by-values (list n)))
(define (by-values n) (call-with-values (lambda () (values n 1)) (lambda (n one) (by-cc n))))
(define (by-cc n) (call/cc (lambda (k) (by-lambda n))))
(define by-lambda (case-lambda ((n) (by-lambda n 1)) ((n one) (if (<= n 0) 'end (by-cond n)))))
(define (by-arrow n) (cond ((and (> n 0) (- n 1)) => by-arrow) (else 'arrow)))

(write (list (even n) (by-lambda (quotient n 10)) (by-arrow n)))
(newline)
