;;; Counts directed graphs up to isomorphism: those on `size` vertices whose first vertex reaches all
;;; others and in which no vertex has more than two arrows out. Every graph is made; one that some
;;; renumbering of the vertices, with the root first, makes smaller is left out.

(import (scheme base) (scheme write) (scheme process-context) (scheme time))
(include "include/measure.scm")

(define (iota-between from to)
  (if (= from to) '() (cons from (iota-between (+ from 1) to))))

;; All sublists with at most `most` elements.
(define (sublists list most)
  (if (or (null? list) (= most 0))
      '(())
      (append (sublists (cdr list) most)
              (map (lambda (rest) (cons (car list) rest))
                   (sublists (cdr list) (- most 1))))))

(define (permutations list)
  (if (null? list)
      '(())
      (append-map (lambda (first)
                    (map (lambda (rest) (cons first rest))
                         (permutations (remove first list))))
                  list)))

(define (append-map procedure list)
  (if (null? list)
      '()
      (append (procedure (car list)) (append-map procedure (cdr list)))))

(define (remove element list)
  (cond ((null? list) '())
        ((= element (car list)) (cdr list))
        (else (cons (car list) (remove element (cdr list))))))

;; Folds over every way to give each vertex its arrows: a graph is a list of lists.
(define (fold-graphs size procedure state)
  (let ((choices (sublists (iota-between 0 size) 2)))
    (let extend ((left size) (graph '()) (state state))
      (if (= left 0)
          (procedure graph state)
          (let each ((choices choices) (state state))
            (if (null? choices)
                state
                (each (cdr choices)
                      (extend (- left 1) (cons (car choices) graph) state))))))))

(define (reaches-all? graph size)
  (let ((graph (list->vector graph)))
    (let visit ((todo '(0)) (seen '()))
      (cond ((null? todo) (= (length seen) size))
            ((memv (car todo) seen) (visit (cdr todo) seen))
            (else (visit (append (vector-ref graph (car todo)) (cdr todo))
                         (cons (car todo) seen)))))))

;; A vertex's arrows as a number, so that graphs can be compared.
(define (weight arrows)
  (do ((arrows arrows (cdr arrows))
       (sum 0 (+ sum (expt 2 (car arrows)))))
      ((null? arrows) sum)))

(define (renumber graph permutation)
  (let ((new (make-vector (length graph) 0)))
    (for-each (lambda (to arrows)
                (vector-set! new to
                             (weight (map (lambda (arrow) (list-ref permutation arrow)) arrows))))
              permutation
              graph)
    (vector->list new)))

;; Whether one list of numbers is before another in the order of dictionaries.
(define (before? a b)
  (and (pair? a)
       (or (< (car a) (car b))
           (and (= (car a) (car b)) (before? (cdr a) (cdr b))))))

(define (smallest? graph permutations)
  (let ((own (map weight graph)))
    (let each ((permutations permutations))
      (or (null? permutations)
          (and (not (before? (renumber graph (car permutations)) own))
               (each (cdr permutations)))))))

(define (graphs size)
  (let ((permutations (map (lambda (rest) (cons 0 rest))
                           (permutations (iota-between 1 size)))))
    (fold-graphs size
                 (lambda (graph count)
                   (if (and (reaches-all? graph size) (smallest? graph permutations))
                       (+ count 1)
                       count))
                 0)))

(measure 3 graphs)
