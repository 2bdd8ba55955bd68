; A search in space: a chain is folded link by link, each in one of a few ways, and only shapes are
; kept whose joints keep their distance and whose ends come near each other.
(import (scheme base) (scheme write) (scheme inexact) (scheme process-context))

(define links (if (null? (cdr (command-line))) 4 (string->number (cadr (command-line)))))

; A frame: a rotation by rows and a place, twelve flonums in all.
(define (frame-multiply a b)
  (let ((result (make-vector 12 0.0)))
    (do ((row 0 (+ row 1))) ((= row 3) result)
      (do ((column 0 (+ column 1))) ((= column 4))
        (let loop ((k 0) (sum (if (= column 3) (vector-ref a (+ (* 4 row) 3)) 0.0)))
          (if (= k 3)
              (vector-set! result (+ (* 4 row) column) sum)
              (loop (+ k 1)
                    (+ sum (* (vector-ref a (+ (* 4 row) k)) (vector-ref b (+ (* 4 k) column)))))))))))

(define (about-x angle)
  (let ((c (cos angle)) (s (sin angle))) (vector 1.0 0.0 0.0 0.0  0.0 c (- s) 0.0  0.0 s c 0.0)))
(define (about-z angle)
  (let ((c (cos angle)) (s (sin angle))) (vector c (- s) 0.0 0.0  s c 0.0 0.0  0.0 0.0 1.0 0.0)))
(define forward (vector 1.0 0.0 0.0 1.5  0.0 1.0 0.0 0.0  0.0 0.0 1.0 0.0))
(define identity (about-x 0.0))

(define pi 3.141592653589793)
(define moves
  (map (lambda (twist)
         (frame-multiply (about-x twist) (frame-multiply (about-z (/ (* 70.5 pi) 180.0)) forward)))
       (list 0.0 (/ (* 2.0 pi) 3.0) (/ (* -2.0 pi) 3.0) pi)))

(define (place frame) (vector (vector-ref frame 3) (vector-ref frame 7) (vector-ref frame 11)))
(define (distance a b)
  (let ((sum 0.0))
    (vector-for-each (lambda (x y) (set! sum (+ sum (square (- x y))))) a b)
    (sqrt sum)))

(define (apart? place places)
  (or (null? places) (and (> (distance place (car places)) 1.2) (apart? place (cdr places)))))

; All shapes, as lists of places.
(define (search frame places left)
  (if (= left 0)
      (if (< (distance (car places) '#(0.0 0.0 0.0)) 3.0) (list places) '())
      (apply append
             (map (lambda (move)
                    (let* ((next (frame-multiply frame move)) (where (place next)))
                      (if (apart? where places) (search next (cons where places) (- left 1)) '())))
                  moves))))

(let* ((shapes (search identity (list (place identity)) links))
       (widths (map (lambda (shape)
                      (apply max (map (lambda (place) (distance place (car shape))) shape)))
                    shapes)))
  (write (length shapes))
  (newline)
  (write (map (lambda (x) (/ (round (* x 1000)) 1000)) (list (apply min widths) (apply max widths))))
  (newline))
