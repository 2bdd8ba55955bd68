; A data base of nested lists, and patterns with wildcards that are looked for in it.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 30 (string->number (cadr (command-line)))))

; `?` matches anything, `?x` the same thing each time, `*` any number of elements.
(define (match pattern datum bindings)
  (cond ((eq? pattern '?) bindings)
        ((memq pattern '(?1 ?2))
         (let ((bound (assq pattern bindings)))
           (cond ((not bound) (cons (cons pattern datum) bindings))
                 ((equal? (cdr bound) datum) bindings)
                 (else #f))))
        ((and (pair? pattern) (eq? (car pattern) '*))
         (or (match (cdr pattern) datum bindings)
             (and (pair? datum) (match pattern (cdr datum) bindings))))
        ((pair? pattern)
         (and (pair? datum)
              (let ((bindings (match (car pattern) (car datum) bindings)))
                (and bindings (match (cdr pattern) (cdr datum) bindings)))))
        (else (and (eqv? pattern datum) bindings))))

(define seed 21)
(define (random limit)
  (set! seed (modulo (+ (* seed 1103) 12345) 65536))
  (modulo seed limit))

(define leaves '#(a b c))
(define (entry depth)
  (let loop ((i (random 6)) (list '()))
    (if (= i 0)
        list
        (loop (- i 1)
              (cons (if (and (> depth 0) (= 0 (random 3)))
                        (entry (- depth 1))
                        (vector-ref leaves (random 3)))
                    list)))))

(define base (do ((i 0 (+ i 1)) (all '() (cons (entry 3) all))) ((= i n) all)))

(define patterns
  '((* a * b *) (?1 * ?1) (* ?1 ?1 *) (? ?1 ?2 * ?1 *) (* (* a *) * (* b *) *)
    (* ?1 * ?2 * ?1 * ?2 *) (a b *) (* c) (* (* ?1 *) * ?1 *)))

(define (count pattern)
  (let loop ((base base) (found 0))
    (if (null? base)
        found
        (loop (cdr base) (if (match pattern (car base) '()) (+ found 1) found)))))

(write (map count patterns))
(newline)
