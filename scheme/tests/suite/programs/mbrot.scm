; The Mandelbrot set on a grid of n by n.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 24 (string->number (cadr (command-line)))))
(define limit 64)

(define (steps cr ci)
  (let loop ((zr cr) (zi ci) (count 0))
    (if (= count limit)
        count
        (let ((rr (* zr zr)) (ii (* zi zi)))
          (if (> (+ rr ii) 16.0)
              count
              (loop (+ (- rr ii) cr) (+ (* 2.0 zr zi) ci) (+ count 1)))))))

(let ((total 0) (inside 0))
  (do ((row 0 (+ row 1))) ((= row n))
    (do ((column 0 (+ column 1))) ((= column n))
      (let ((count (steps (- (/ (* 2.5 column) n) 1.9) (- (/ (* 2.4 row) n) 1.2))))
        (set! total (+ total count))
        (if (= count limit) (set! inside (+ inside 1))))))
  (write (list inside total))
  (newline))
