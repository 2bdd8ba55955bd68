;;; Counts the paraffins (alkanes) up to a size by making them all: first the radicals of every size up
;;; to half of it, then molecules around a bond or around an atom in the middle.

(import (scheme base) (scheme write) (scheme process-context) (scheme time))
(include "include/measure.scm")

;; A radical is hydrogen or a vector of three radicals.

;; Calls procedure with every way to write total as a sum of three or four numbers, in order of size,
;; none above most.
(define (three-parts total most procedure)
  (do ((c (quotient (+ total 2) 3) (+ c 1)))
      ((> c (min total most)))
    (do ((b (quotient (+ (- total c) 1) 2) (+ b 1)))
        ((> b (min c (- total c))))
      (procedure (- total c b) b c))))

(define (four-parts total most procedure)
  (do ((d (quotient (+ total 3) 4) (+ d 1)))
      ((> d (min total most)))
    (three-parts (- total d) d (lambda (a b c) (procedure a b c d)))))

(define (all-radicals half)
  (let ((radicals (make-vector (+ half 1) '())))
    (vector-set! radicals 0 '(hydrogen))
    (do ((size 1 (+ size 1)))
        ((> size half) radicals)
      (three-parts
       (- size 1) (- size 1)
       (lambda (a b c)
         (let first ((as (vector-ref radicals a)))
           (if (pair? as)
               (let second ((bs (if (= a b) as (vector-ref radicals b))))
                 (if (pair? bs)
                     (let third ((cs (if (= b c) bs (vector-ref radicals c))))
                       (if (pair? cs)
                           (begin
                             (vector-set! radicals size
                                          (cons (vector (car as) (car bs) (car cs))
                                                (vector-ref radicals size)))
                             (third (cdr cs)))
                           (second (cdr bs))))
                     (first (cdr as)))))))))))

;; Molecules of two halves around a bond.
(define (bond-centred size radicals)
  (if (odd? size)
      '()
      (let first ((as (vector-ref radicals (quotient size 2))) (all '()))
        (if (null? as)
            all
            (let second ((bs as) (all all))
              (if (null? bs)
                  (first (cdr as) all)
                  (second (cdr bs) (cons (vector (car as) (car bs)) all))))))))

;; Molecules of four radicals around an atom, none of them half of it or more.
(define (atom-centred size radicals)
  (let ((all '()))
    (four-parts
     (- size 1) (quotient (- size 1) 2)
     (lambda (a b c d)
       (let first ((as (vector-ref radicals a)))
         (if (pair? as)
             (let second ((bs (if (= a b) as (vector-ref radicals b))))
               (if (pair? bs)
                   (let third ((cs (if (= b c) bs (vector-ref radicals c))))
                     (if (pair? cs)
                         (let fourth ((ds (if (= c d) cs (vector-ref radicals d))))
                           (if (pair? ds)
                               (begin
                                 (set! all (cons (vector (car as) (car bs) (car cs) (car ds)) all))
                                 (fourth (cdr ds)))
                               (third (cdr cs))))
                         (second (cdr bs))))
                   (first (cdr as))))))))
    all))

(define (paraffins size)
  (let ((radicals (all-radicals (quotient size 2))))
    (let loop ((n 1) (counts '()))
      (if (> n size)
          (reverse counts)
          (loop (+ n 1)
                (cons (+ (length (bond-centred n radicals)) (length (atom-centred n radicals)))
                      counts))))))

(measure 8 paraffins)
