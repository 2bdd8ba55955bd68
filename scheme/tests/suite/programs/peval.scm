; A partial evaluator: given some arguments of a program, what is left of it.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 20 (string->number (cadr (command-line)))))

(define program
  '((power (x n)
      (if (= n 0) 1 (if (= 0 (remainder n 2)) (square (power x (quotient n 2)))
                        (* x (power x (- n 1))))))
    (square (x) (let ((y x)) (* y y)))
    (lookup (key table)
      (if (null? table) (const none)
          (if (= key (car (car table))) (cdr (car table)) (lookup key (cdr table)))))
    (append (a b) (if (null? a) b (cons (car a) (append (cdr a) b))))
    (main (x) (lookup (power x 3) (append (const ((8 . eight) (27 . cube))) (const ((1 . one))))))))

(define operations
  (list (cons '= =) (cons '* *) (cons '- -) (cons '+ +) (cons 'remainder remainder)
        (cons 'quotient quotient) (cons 'null? null?) (cons 'car car) (cons 'cdr cdr)
        (cons 'cons cons)))

(define (constant? e) (or (number? e) (boolean? e) (and (pair? e) (eq? (car e) 'const))))
(define (value e) (if (pair? e) (cadr e) e))
(define (constant v) (if (or (number? v) (boolean? v)) v (list 'const v)))

(define counter 0)
(define (fresh name)
  (set! counter (+ counter 1))
  (string->symbol (string-append (symbol->string name) (number->string counter))))

; `env` binds variables to what is known of them, which is an expression.
(define (specialize e env depth)
  (cond ((symbol? e) (cdr (assq e env)))
        ((constant? e) e)
        ((eq? (car e) 'if)
         (let ((test (specialize (cadr e) env depth)))
           (if (constant? test)
               (specialize (if (value test) (caddr e) (cadddr e)) env depth)
               (list 'if test (specialize (caddr e) env depth) (specialize (cadddr e) env depth)))))
        ((eq? (car e) 'let)
         (let* ((binding (car (cadr e))) (bound (specialize (cadr binding) env depth)))
           (if (or (constant? bound) (symbol? bound))
               (specialize (caddr e) (cons (cons (car binding) bound) env) depth)
               (let ((name (fresh (car binding))))
                 (list 'let (list (list name bound))
                       (specialize (caddr e) (cons (cons (car binding) name) env) depth))))))
        (else
         (let ((arguments (map (lambda (part) (specialize part env depth)) (cdr e))))
           (call (car e) arguments depth)))))

(define (cadddr l) (car (cdr (cdr (cdr l)))))

(define (every? ok? list) (or (null? list) (and (ok? (car list)) (every? ok? (cdr list)))))
(define (any? ok? list) (and (pair? list) (or (ok? (car list)) (any? ok? (cdr list)))))

(define (call name arguments depth)
  (let ((definition (assq name program)))
    (cond ((and (not definition) (every? constant? arguments))
           (constant (apply (cdr (assq name operations)) (map value arguments))))
          ((and definition (< depth 40)
                (or (any? constant? arguments) (eq? name 'square) (eq? name 'main)))
           (bind (cadr definition) arguments '() (caddr definition) (+ depth 1)))
          (else (cons name arguments)))))

; Arguments that are more than a name are bound first, so that they are evaluated once.
(define (bind names arguments env body depth)
  (cond ((null? names) (specialize body env depth))
        ((or (constant? (car arguments)) (symbol? (car arguments)))
         (bind (cdr names) (cdr arguments) (cons (cons (car names) (car arguments)) env) body depth))
        (else
         (let ((name (fresh (car names))))
           (list 'let (list (list name (car arguments)))
                 (bind (cdr names) (cdr arguments) (cons (cons (car names) name) env) body depth))))))

(define (residue name arguments) (set! counter 0) (call name arguments 0))

(do ((i 1 (+ i 1))) ((= i n))
  (residue 'power (list 'x i))
  (residue 'main '(x)))
(for-each (lambda (result) (write result) (newline))
          (list (residue 'power '(x 5)) (residue 'power '(3 5)) (residue 'main '(x))
                (residue 'main '(2)) (residue 'append '((const (1 2)) b))))
