;;; Binary trees of many sizes, built from the top and from the bottom, beside a tree and an array that
;;; stay: the shape of Boehm's GCBench. The size is the depth of the largest temporary trees.

(import (scheme base) (scheme write) (scheme process-context) (scheme time) (scheme inexact))
(include "include/measure.scm")

(define-record-type node
  (make-node left right i j)
  node?
  (left node-left set-node-left!)
  (right node-right set-node-right!)
  (i node-i)
  (j node-j))

(define least-depth 4)

(define (leaf) (make-node #f #f 0 0))

(define (tree-size depth) (- (expt 2 (+ depth 1)) 1))

;; As many trees of a depth as come to the same amount of memory for every depth.
(define (rounds depth deepest)
  (quotient (* 2 (tree-size deepest)) (tree-size depth)))

(define (bottom-up depth)
  (if (= depth 0)
      (leaf)
      (let* ((left (bottom-up (- depth 1)))
             (right (bottom-up (- depth 1))))
        (make-node left right depth 0))))

(define (populate! depth node)
  (if (> depth 0)
      (begin
        (set-node-left! node (leaf))
        (set-node-right! node (leaf))
        (populate! (- depth 1) (node-left node))
        (populate! (- depth 1) (node-right node)))))

(define (count-nodes node)
  (if node
      (+ 1 (count-nodes (node-left node)) (count-nodes (node-right node)))
      0))

(define (work-at depth deepest)
  (do ((round (rounds depth deepest) (- round 1))
       (total 0 (+ total (let ((top-down (leaf)))
                           (populate! depth top-down)
                           (+ (if (node-left top-down) 1 0)
                              (node-i (bottom-up depth)))))))
      ((= round 0) total)))

(define (gcbench deepest)
  (let ((kept (leaf))
        (array (make-vector (* 16 (tree-size (- deepest 5))) 0.0)))
    (populate! deepest kept)
    (do ((i 0 (+ i 1)))
        ((= i (quotient (vector-length array) 2)))
      (vector-set! array i (/ 1.0 (+ i 1.0))))
    (do ((depth least-depth (+ depth 2))
         (totals '() (cons (work-at depth deepest) totals)))
        ((> depth deepest)
         (list (count-nodes kept)
               (exact (round (* 1000000 (vector-ref array 99))))
               (reverse totals))))))

(measure 8 gcbench)
