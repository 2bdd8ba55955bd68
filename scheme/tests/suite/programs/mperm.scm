;;; Permutations of a list by reversing prefixes, in Zaks's order, so that long tails are shared. A queue
;;; keeps the last few sets of permutations alive while new ones are made. The size is the length.

(import (scheme base) (scheme write) (scheme process-context) (scheme time))
(include "include/measure.scm")

;; The first count elements of list, reversed, before the rest.
(define (reverse-prefix count list)
  (let loop ((count count) (list list) (front '()))
    (if (= count 0)
        (join front list)
        (loop (- count 1) (cdr list) (cons (car list) front)))))

;; front, whose order stays, before rest.
(define (join front rest)
  (if (null? front)
      rest
      (cons (car front) (join (cdr front) rest))))

;; All permutations, the last one first.
(define (permutations list)
  (let ((current list) (all (cons list '())))
    (define (emit! count)
      (set! current (reverse-prefix count current))
      (set! all (cons current all)))
    (define (permute! count)
      (if (> count 1)
          (begin
            (permute! (- count 1))
            (do ((i 1 (+ i 1)))
                ((= i count))
              (emit! count)
              (permute! (- count 1))))))
    (permute! (length list))
    all))

(define (sum-of-firsts permutations)
  (do ((rest permutations (cdr rest))
       (sum 0 (+ sum (caar rest))))
      ((null? rest) sum)))

(define (iota-from count)
  (do ((i count (- i 1)) (list '() (cons i list))) ((= i 0) list)))

(define (drop-last! queue length)
  (if (= length 1)
      (set-cdr! queue '())
      (drop-last! (cdr queue) (- length 1))))

(define (mperm size)
  (let ((queue (list '())) (kept 4))
    (do ((round 0 (+ round 1))
         (total 0 (+ total (sum-of-firsts (car queue)))))
        ((= round 12) (list total (length (car queue)) (length queue)))
      (set! queue (cons (permutations (iota-from size)) queue))
      (if (> (length queue) kept)
          (drop-last! queue kept)))))

(measure 5 mperm)
