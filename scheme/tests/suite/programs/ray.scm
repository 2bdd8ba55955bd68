; Ray casting: spheres above a floor, lit from one side, as digits of brightness.
(import (scheme base) (scheme write) (scheme inexact) (scheme process-context))

(define n (if (null? (cdr (command-line))) 14 (string->number (cadr (command-line)))))

(define-record-type <point> (point x y z) point? (x x) (y y) (z z))
(define-record-type <sphere> (sphere centre radius shine) sphere? (centre centre) (radius radius) (shine shine))

(define (minus a b) (point (- (x a) (x b)) (- (y a) (y b)) (- (z a) (z b))))
(define (along a direction t)
  (point (+ (x a) (* t (x direction))) (+ (y a) (* t (y direction))) (+ (z a) (* t (z direction)))))
(define (dot a b) (+ (* (x a) (x b)) (* (y a) (y b)) (* (z a) (z b))))
(define (unit a) (along (point 0.0 0.0 0.0) a (/ 1.0 (sqrt (dot a a)))))

(define eye (point 0.0 0.0 -5.0))
(define light (unit (point -1.0 1.5 -1.0)))
(define world
  (list (sphere (point 0.0 0.0 1.0) 1.0 1.0) (sphere (point 1.2 -0.4 -0.3) 0.5 0.8)
        (sphere (point -1.1 0.6 0.4) 0.4 0.9) (sphere (point 0.0 -101.2 0.0) 100.0 0.5)))

; The smallest positive root of the quadratic equation, or #f.
(define (hit sphere from direction)
  (let* ((to (minus from (centre sphere)))
         (b (dot to direction))
         (c (- (dot to to) (square (radius sphere))))
         (d (- (* b b) c)))
    (and (> d 0.0)
         (let ((near (- (- b) (sqrt d))) (far (+ (- b) (sqrt d))))
           (cond ((> near 1e-6) near) ((> far 1e-6) far) (else #f))))))

(define (first-hit from direction)
  (let loop ((world world) (best #f) (at #f))
    (if (null? world)
        (values best at)
        (let ((t (hit (car world) from direction)))
          (if (and t (or (not at) (< t at)))
              (loop (cdr world) (car world) t)
              (loop (cdr world) best at))))))

(define (brightness from direction)
  (let-values (((sphere t) (first-hit from direction)))
    (if (not sphere)
        0
        (let* ((where (along from direction t)) (normal (unit (minus where (centre sphere)))))
          (let-values (((shadow far) (first-hit where light)))
            (let ((lit (if shadow 0.0 (max 0.0 (dot normal light)))))
              (exact (floor (+ 1.0 (* 8.0 (shine sphere) lit))))))))))

(do ((row 0 (+ row 1))) ((= row n))
  (do ((column 0 (+ column 1))) ((= column (* 2 n)))
    (let ((right (- (/ (+ column 0.5) n) 1.0)) (up (- 1.0 (/ (* 2.0 (+ row 0.5)) n))))
      (display (brightness eye (unit (point right up 3.0))))))
  (newline))
