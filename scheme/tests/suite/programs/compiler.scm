; A compiler from a small language to code for a stack machine, and the machine: both run n times.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 10 (string->number (cadr (command-line)))))

; Expressions: numbers, names, (if a b c), (let x a b), (fun (x ...) b), (op a b), (call f a ...).
; Code is a list of instructions; a variable is known by its depth in the environment.
(define (place name scope)
  (cond ((null? scope) (error "unbound" name))
        ((eq? name (car scope)) 0)
        (else (+ 1 (place name (cdr scope))))))

(define (compile e scope next)
  (cond ((number? e) (cons (list 'push e) next))
        ((symbol? e) (cons (list 'local (place e scope)) next))
        (else
         (case (car e)
           ((if)
            (compile (cadr e) scope
                     (list (list 'branch (compile (caddr e) scope next)
                                 (compile (list-ref e 3) scope next)))))
           ((let)
            (compile (caddr e) scope
                     (cons '(bind) (compile (list-ref e 3) (cons (cadr e) scope) (cons '(unbind) next)))))
           ((fun)
            (cons (list 'closure (length (cadr e))
                        (compile (caddr e) (append (reverse (cadr e)) scope) '((return))))
                  next))
           ((call)
            (let loop ((parts (cdr e)) (next (cons (list 'call (- (length e) 2)) next)))
              (if (null? parts)
                  next
                  (compile (car parts) scope (loop (cdr parts) next)))))
           ((+ - * <)
            (compile (cadr e) scope (compile (caddr e) scope (cons (list (car e)) next))))
           (else (error "no such form" e))))))

(define (binary operation stack) (cons (operation (cadr stack) (car stack)) (cddr stack)))

; Stack, environment and dump are lists.
(define (run code stack env dump)
  (if (null? code)
      (car stack)
      (let ((i (car code)) (next (cdr code)))
        (case (car i)
          ((push) (run next (cons (cadr i) stack) env dump))
          ((local) (run next (cons (list-ref env (cadr i)) stack) env dump))
          ((bind) (run next (cdr stack) (cons (car stack) env) dump))
          ((unbind) (run next stack (cdr env) dump))
          ((closure) (run next (cons (vector (cadr i) (caddr i) env) stack) env dump))
          ((branch) (run (if (car stack) (cadr i) (caddr i)) (cdr stack) env dump))
          ((call)
           (let take ((k (cadr i)) (stack stack) (arguments '()))
             (if (> k 0)
                 (take (- k 1) (cdr stack) (cons (car stack) arguments))
                 (let ((f (car stack)))
                   (run (vector-ref f 1) '() (append (reverse arguments) (vector-ref f 2))
                        (cons (list next (cdr stack) env) dump))))))
          ((return)
           (let ((frame (car dump)))
             (run (car frame) (cons (car stack) (cadr frame)) (caddr frame) (cdr dump))))
          ((+) (run next (binary + stack) env dump))
          ((-) (run next (binary - stack) env dump))
          ((*) (run next (binary * stack) env dump))
          ((<) (run next (binary < stack) env dump))))))

(define programs
  '((+ 1 (* 2 3))
    (let square (fun (x) (* x x)) (- (call square 12) (call square 5)))
    (let fact (fun (self n) (if (< n 2) 1 (* n (call self self (- n 1))))) (call fact fact 20))
    (let fib (fun (self n) (if (< n 2) n (+ (call self self (- n 1)) (call self self (- n 2)))))
      (call fib fib 12))
    (let add (fun (a) (fun (b) (+ a b))) (call (call add 3) 4))))

(define (size code) (if (pair? code) (+ (size (car code)) (size (cdr code))) (if (null? code) 0 1)))

(do ((i 1 (+ i 1))) ((= i n))
  (for-each (lambda (program) (run (compile program '() '()) '() '() '())) programs))
(write (map (lambda (program)
              (let ((code (compile program '() '()))) (list (size code) (run code '() '() '()))))
            programs))
(newline)
