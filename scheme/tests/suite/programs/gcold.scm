; Old trees whose branches are replaced by new ones, and exchanged among themselves, again and again.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 400 (string->number (cadr (command-line)))))
(define depth 7)

(define seed 3)
(define (random limit)
  (set! seed (modulo (+ (* seed 1103515245) 12345) 2147483648))
  (modulo (quotient seed 65536) limit))

; A node: left, right, value.
(define (tree depth value)
  (if (= depth 0)
      #f
      (vector (tree (- depth 1) value) (tree (- depth 1) value) value)))

(define trees (make-vector 8 #f))
(do ((i 0 (+ i 1))) ((= i 8)) (vector-set! trees i (tree depth i)))

(define (walk node steps) (if (= steps 0) node (walk (vector-ref node (random 2)) (- steps 1))))
(define (any-tree) (vector-ref trees (random 8)))

(define (replace! i)
  (let ((level (random (- depth 1))))
    (vector-set! (walk (any-tree) level) (random 2) (tree (- depth level 1) i))))

(define (exchange!)
  (let* ((level (random (- depth 1))) (a (walk (any-tree) level)) (b (walk (any-tree) level))
         (side (random 2)) (branch (vector-ref a side)))
    (vector-set! a side (vector-ref b side))
    (vector-set! b side branch)))

(define (count node) (if node (+ 1 (count (vector-ref node 0)) (count (vector-ref node 1))) 0))
(define (total node)
  (if node (+ (vector-ref node 2) (total (vector-ref node 0)) (total (vector-ref node 1))) 0))

(do ((i 0 (+ i 1))) ((= i n))
  (replace! i)
  (exchange!))
(write (list (apply + (map count (vector->list trees))) (apply + (map total (vector->list trees)))))
(newline)
