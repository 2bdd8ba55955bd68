; The simplex method in exact fractions: maximize c.x where A.x <= b and x >= 0, with Bland's rule.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 6 (string->number (cadr (command-line)))))

; A tableau: rows of the constraints with slack variables, and the goal in the last row.
(define (tableau a b c)
  (let ((m (length a)))
    (define (slack i) (let ((v (make-vector m 0))) (if (< i m) (vector-set! v i 1)) v))
    (let loop ((i 0) (a a) (b b) (rows '()))
      (if (null? a)
          (list->vector
           (reverse (cons (vector-append (vector-map - (list->vector c)) (slack m) (vector 0)) rows)))
          (loop (+ i 1) (cdr a) (cdr b)
                (cons (vector-append (list->vector (car a)) (slack i) (vector (car b))) rows))))))

(define (last v) (vector-ref v (- (vector-length v) 1)))

(define (entering t)
  (let ((goal (last t)))
    (let loop ((j 0))
      (cond ((= j (- (vector-length goal) 1)) #f)
            ((negative? (vector-ref goal j)) j)
            (else (loop (+ j 1)))))))

(define (leaving t j)
  (let loop ((i 0) (best #f) (least #f))
    (if (= i (- (vector-length t) 1))
        best
        (let* ((row (vector-ref t i)) (x (vector-ref row j)))
          (if (positive? x)
              (let ((ratio (/ (last row) x)))
                (if (or (not best) (< ratio least)) (loop (+ i 1) i ratio) (loop (+ i 1) best least)))
              (loop (+ i 1) best least))))))

(define (pivot! t i j)
  (let* ((row (vector-ref t i)) (x (vector-ref row j)) (row (vector-map (lambda (y) (/ y x)) row)))
    (vector-set! t i row)
    (do ((k 0 (+ k 1))) ((= k (vector-length t)))
      (if (not (= k i))
          (let* ((other (vector-ref t k)) (factor (vector-ref other j)))
            (vector-set! t k (vector-map (lambda (y z) (- y (* factor z))) other row)))))))

(define (solve t pivots)
  (let ((j (entering t)))
    (if (not j)
        (list pivots (last (last t)))
        (let ((i (leaving t j)))
          (if (not i) 'unbounded (begin (pivot! t i j) (solve t (+ pivots 1))))))))

(define (range n f) (let loop ((i n) (list '())) (if (= i 0) list (loop (- i 1) (cons (f i) list)))))
(define (problem n)
  (tableau (range n (lambda (i) (range n (lambda (j) (+ 1 (modulo (* (+ i 3) (+ j 1) j) 7))))))
           (range n (lambda (i) (+ 10 (* i i))))
           (range n (lambda (j) (+ 2 (modulo (* 5 j) 9))))))

(write (solve (tableau '((1 0) (0 2) (3 2)) '(4 12 18) '(3 5)) 0))
(newline)
(write (solve (tableau '((1 -1)) '(1) '(1 1)) 0))
(newline)
(write (map (lambda (k) (solve (problem k) 0)) (range n (lambda (i) i))))
(newline)
