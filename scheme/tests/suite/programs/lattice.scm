;;; Counts the monotone maps between lattices. A lattice is a list of elements and a comparison that
;;; says less, more, equal or none. The maps into a lattice are one again, so they can be mapped into
;;; each other. The size is a number of two digits: how many bits the source and the target have.

(import (scheme base) (scheme write) (scheme process-context) (scheme time))
(include "include/measure.scm")

(define (make-lattice elements compare) (cons elements compare))
(define (elements lattice) (car lattice))
(define (comparison lattice) (cdr lattice))

(define two
  (make-lattice '(low high)
                (lambda (a b)
                  (cond ((eq? a b) 'equal)
                        ((eq? a 'low) 'less)
                        (else 'more)))))

;; What is known of two sequences after one more place.
(define (both one other)
  (cond ((eq? one 'equal) other)
        ((eq? other 'equal) one)
        ((eq? one other) one)
        (else 'none)))

;; Lists are compared place by place.
(define (pointwise compare)
  (lambda (a b)
    (let loop ((a a) (b b) (result 'equal))
      (if (or (null? a) (eq? result 'none))
          result
          (loop (cdr a) (cdr b) (both result (compare (car a) (car b))))))))

;; The monotone maps: lists of images, in the order of the source's elements. An image must be above
;; the images of what is below, and below those of what is above.
(define (maps source target)
  (let ((source-compare (comparison source))
        (target-compare (comparison target)))

    (define (fits? relation image-relation)
      (or (eq? relation 'none)
          (eq? image-relation 'equal)
          (eq? relation image-relation)))

    (define (allowed? element image done)
      (or (null? done)
          (and (fits? (source-compare element (caar done))
                      (target-compare image (cdar done)))
               (allowed? element image (cdr done)))))

    (define (candidates element done)
      (let filter ((images (elements target)))
        (cond ((null? images) '())
              ((allowed? element (car images) done)
               (cons (car images) (filter (cdr images))))
              (else (filter (cdr images))))))

    (define (extend todo done all)
      (if (null? todo)
          (cons (map cdr done) all)
          (let each ((images (candidates (car todo) done)) (all all))
            (if (null? images)
                all
                (each (cdr images)
                      (extend (cdr todo) (cons (cons (car todo) (car images)) done) all))))))

    (make-lattice (extend (elements source) '() '())
                  (pointwise target-compare))))

(define (power lattice count)
  (let ((compare (comparison lattice)))
    (let grow ((count count) (tuples '(())))
      (if (= count 0)
          (make-lattice tuples (pointwise compare))
          (grow (- count 1)
                (let each ((tuples tuples))
                  (if (null? tuples)
                      '()
                      (append (map (lambda (element) (cons element (car tuples)))
                                   (elements lattice))
                              (each (cdr tuples))))))))))

(define (lattice size)
  (let ((result (maps (power two (quotient size 10)) (power two (remainder size 10)))))
    (length (elements result))))

(measure 22 lattice)
