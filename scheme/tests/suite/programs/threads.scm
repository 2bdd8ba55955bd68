; Threads on one heap: each makes a tree of its own and stores into a shared table under a mutex.
(import (scheme base) (scheme write) (scheme process-context) (srfi 18) (srfi 69))

(define n (if (null? (cdr (command-line))) 200 (string->number (cadr (command-line)))))

(define mutex (make-mutex))
(define table (make-hash-table equal?))
(define shared (make-vector 16 '()))
(define (locked thunk)
  (mutex-lock! mutex)
  (let ((result (thunk))) (mutex-unlock! mutex) result))

(define (tree depth) (if (= depth 0) '() (cons (tree (- depth 1)) (tree (- depth 1)))))
(define (count tree) (if (null? tree) 1 (+ (count (car tree)) (count (cdr tree)))))

(define (work id)
  (let loop ((i 0) (nodes 0))
    (if (= i n)
        nodes
        (let ((mine (tree 5)) (key (list (modulo i 10) 'key)))
          (locked
           (lambda ()
             (vector-set! shared (modulo i 16) (cons id (vector-ref shared (modulo i 16))))
             (hash-table-update!/default table key (lambda (old) (+ old 1)) 0)))
          (loop (+ i 1) (+ nodes (count mine)))))))

(define threads (map (lambda (id) (make-thread (lambda () (work id)) id)) '(1 2 3 4)))
(for-each thread-start! threads)
(define results (map thread-join! threads))

(write (list results (hash-table-size table) (apply + (hash-table-values table))
             (apply + (map length (vector->list shared)))
             (apply + (map (lambda (list) (apply + list)) (vector->list shared)))))
(newline)

; Hand over through a condition variable.
(define full (make-condition-variable))
(define box '())
(define consumer
  (make-thread
   (lambda ()
     (let loop ((sum 0))
       (mutex-lock! mutex)
       (cond ((null? box) (mutex-unlock! mutex full) (loop sum))
             ((eq? (car box) 'end) (mutex-unlock! mutex) sum)
             (else
              (let ((items box))
                (set! box '())
                (mutex-unlock! mutex)
                (loop (+ sum (apply + items))))))))))
(thread-start! consumer)
(do ((i 1 (+ i 1))) ((> i n))
  (locked (lambda () (set! box (cons i box))))
  (condition-variable-signal! full))
(let wait ()
  (if (locked (lambda () (if (null? box) (begin (set! box '(end)) #t) #f)))
      (condition-variable-broadcast! full)
      (begin (thread-yield!) (wait))))
(write (thread-join! consumer))
(newline)
