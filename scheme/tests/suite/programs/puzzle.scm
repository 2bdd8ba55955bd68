; How many ways there are to fill a box of 2 by 2 by n with bricks of 1 by 1 by 2.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 5 (string->number (cadr (command-line)))))

(define cells (* 4 n))
(define full (make-vector cells #f))
(define (cell x y z) (+ x (* 2 y) (* 4 z)))

; The other cell of a brick that begins at `at`, in each of the three directions, or #f.
(define others
  (let ((result (make-vector (* 3 cells) #f)))
    (do ((z 0 (+ z 1))) ((= z n) result)
      (do ((y 0 (+ y 1))) ((= y 2))
        (do ((x 0 (+ x 1))) ((= x 2))
          (let ((at (* 3 (cell x y z))))
            (if (= x 0) (vector-set! result at (cell 1 y z)))
            (if (= y 0) (vector-set! result (+ at 1) (cell x 1 z)))
            (if (< (+ z 1) n) (vector-set! result (+ at 2) (cell x y (+ z 1))))))))))

(define (first-free from)
  (cond ((= from cells) #f) ((vector-ref full from) (first-free (+ from 1))) (else from)))

(define placed 0)
(define (fill from)
  (let ((at (first-free from)))
    (if (not at)
        1
        (let try ((direction 0) (count 0))
          (if (= direction 3)
              count
              (let ((other (vector-ref others (+ (* 3 at) direction))))
                (if (and other (not (vector-ref full other)))
                    (begin
                      (set! placed (+ placed 1))
                      (vector-set! full at #t)
                      (vector-set! full other #t)
                      (let ((found (fill (+ at 1))))
                        (vector-set! full at #f)
                        (vector-set! full other #f)
                        (try (+ direction 1) (+ count found))))
                    (try (+ direction 1) count))))))))

(let ((ways (fill 0)))
  (write (list ways placed)))
(newline)
