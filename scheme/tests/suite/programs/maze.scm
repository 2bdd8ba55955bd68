; A maze in vectors: walls fall in random order if they part two sets (union by rank), then the way
; through it is found breadth first.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 16 (string->number (cadr (command-line)))))

(define seed 1)
(define (random limit)
  (set! seed (modulo (+ (* seed 69069) 1) 4294967296))
  (modulo (quotient seed 1024) limit))

(define cells (* n n))
(define parent (make-vector cells 0))
(define rank (make-vector cells 0))
(do ((i 0 (+ i 1))) ((= i cells)) (vector-set! parent i i))

(define (find cell)
  (let ((above (vector-ref parent cell)))
    (if (= above cell)
        cell
        (let ((root (find above))) (vector-set! parent cell root) root))))

(define (join! a b)
  (cond ((< (vector-ref rank a) (vector-ref rank b)) (vector-set! parent a b))
        (else
         (vector-set! parent b a)
         (if (= (vector-ref rank a) (vector-ref rank b))
             (vector-set! rank a (+ 1 (vector-ref rank a)))))))

(define walls
  (let ((all '()))
    (do ((i 0 (+ i 1))) ((= i cells) (list->vector all))
      (if (< (modulo i n) (- n 1)) (set! all (cons (cons i (+ i 1)) all)))
      (if (< (+ i n) cells) (set! all (cons (cons i (+ i n)) all))))))

(do ((i (- (vector-length walls) 1) (- i 1))) ((= i 0))
  (let* ((j (random (+ i 1))) (wall (vector-ref walls i)))
    (vector-set! walls i (vector-ref walls j))
    (vector-set! walls j wall)))

(define doors (make-vector cells '()))
(define (open! a b) (vector-set! doors a (cons b (vector-ref doors a))))
(vector-for-each
 (lambda (wall)
   (let ((a (find (car wall))) (b (find (cdr wall))))
     (if (not (= a b))
         (begin
           (join! a b)
           (open! (car wall) (cdr wall))
           (open! (cdr wall) (car wall))))))
 walls)

(define distance (make-vector cells #f))
(vector-set! distance 0 0)
(let walk ((front '(0)))
  (if (pair? front)
      (let ((next '()))
        (for-each
         (lambda (cell)
           (for-each
            (lambda (other)
              (if (not (vector-ref distance other))
                  (begin
                    (vector-set! distance other (+ 1 (vector-ref distance cell)))
                    (set! next (cons other next)))))
            (vector-ref doors cell)))
         front)
        (walk next))))

(write (list (vector-ref distance (- cells 1)) (apply max (vector->list distance))))
(newline)
