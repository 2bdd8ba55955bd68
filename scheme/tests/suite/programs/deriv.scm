; Symbolic derivatives of polynomials, many times over.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 100 (string->number (cadr (command-line)))))

(define (deriv e x)
  (cond ((symbol? e) (if (eq? e x) 1 0))
        ((number? e) 0)
        (else
         (case (car e)
           ((+ -) (cons (car e) (map (lambda (part) (deriv part x)) (cdr e))))
           ((*) (list '* e (cons '+ (map (lambda (part) (list '/ (deriv part x) part)) (cdr e)))))
           ((/) (list '- (list '/ (deriv (cadr e) x) (caddr e))
                      (list '/ (cadr e) (list '* (caddr e) (caddr e) (deriv (caddr e) x)))))
           (else (error "no rule for" (car e)))))))

(define (leaves e) (if (pair? e) (apply + (map leaves (cdr e))) 1))

(define polynomial '(+ (* 3 x x) (* a x x) (/ (* b x) (+ x y)) 5))

(let loop ((i 0) (total 0))
  (if (< i n)
      (loop (+ i 1) (+ total (leaves (deriv (deriv polynomial 'x) 'y))))
      (begin (write (deriv polynomial 'x)) (newline) (write total) (newline))))
