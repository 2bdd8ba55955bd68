; Errors raised, caught, passed on and turned into values, in loops and from within primitives.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 300 (string->number (cadr (command-line)))))

(define (attempt i)
  (guard (e ((symbol? e) (list 'symbol e))
            ((string? e) (list 'string (string-length e)))
            ((error-object? e) (length (error-object-irritants e))))
    (case (modulo i 5)
      ((0) (raise 'here))
      ((1) (raise (make-string 3 #\a)))
      ((2) (error "with irritants" i i))
      ((3) (+ 1 (raise-continuable 'there)))
      (else i))))

(define (nested i)
  (guard (e ((number? e) (* 2 e)))
    (guard (e ((string? e) 'never))
      (with-exception-handler
       (lambda (e) (raise (+ e 1)))
       (lambda () (raise i))))))

(define (primitive thunk) (guard (e ((error-object? e) 'error)) (thunk)))

(let loop ((i 0) (sum 0) (symbols 0))
  (if (< i n)
      (let ((result (attempt i)))
        (loop (+ i 1) (+ sum (nested i)) (if (pair? result) (+ symbols 1) symbols)))
      (begin (write (list sum symbols)) (newline))))
(write (map attempt '(0 1 2 3 4)))
(newline)
(write (map primitive
            (list (lambda () (vector-ref (vector 1 2) 2)) (lambda () (car 1)) (lambda () (+ 'a 1))
                  (lambda () (undefined-variable)) (lambda () ((lambda (x) x))) (lambda () (error "e")))))
(newline)
