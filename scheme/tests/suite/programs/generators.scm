; Generators by continuations that are entered again and again: the fringe of trees compared, and
; one continuation entered many times.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 200 (string->number (cadr (command-line)))))

(define (generator walk)
  (define return #f)
  (define (resume)
    (walk (lambda (value)
            (call/cc (lambda (next)
                       (set! resume (lambda () (next #f)))
                       (return value)))))
    (return 'done))
  (lambda () (call/cc (lambda (k) (set! return k) (resume)))))

(define (tree-walker tree)
  (lambda (yield)
    (let walk ((tree tree))
      (cond ((pair? tree) (walk (car tree)) (walk (cdr tree)))
            ((null? tree) #f)
            (else (yield tree))))))

(define (same-fringe? a b)
  (let ((a (generator (tree-walker a))) (b (generator (tree-walker b))))
    (let loop ()
      (let ((x (a)) (y (b)))
        (cond ((not (eqv? x y)) #f) ((eq? x 'done) #t) (else (loop)))))))

(define (left n) (do ((i 0 (+ i 1)) (tree '() (cons tree i))) ((= i n) tree)))
(define (right n) (let loop ((i 0)) (if (= i n) '() (cons i (loop (+ i 1))))))

(write (list (same-fringe? (left n) (right n)) (same-fringe? (left n) (right (+ n 1)))))
(newline)

; Enters the middle of a sum once for each choice: every combination of digits.
(define choices '())
(define (choose . options)
  (call/cc
   (lambda (k)
     (for-each (lambda (option) (set! choices (cons (lambda () (k option)) choices))) (cdr options))
     (car options))))
(define results '())
(define (search)
  (let* ((a (choose 1 2 3)) (b (choose 10 20)) (c (choose 100 200 300)))
    (set! results (cons (+ a b c) results))
    (if (pair? choices)
        (let ((next (car choices))) (set! choices (cdr choices)) (next))
        (list (length results) (apply + results)))))
(write (search))
(newline)

; A loop whose only jump is a continuation.
(define (count-to n)
  (let* ((i 0) (again (call/cc (lambda (k) k))))
    (set! i (+ i 1))
    (if (< i n) (again again) i)))
(write (count-to (* 10 n)))
(newline)
