; Peg solitaire on a triangle of n rows: the games that end with one peg.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 4 (string->number (cadr (command-line)))))

(define (hole row column) (+ column (quotient (* row (+ row 1)) 2)))
(define holes (hole n 0))
(define board (make-vector holes #t))

; Every jump: from, over, to.
(define jumps
  (let ((all '()))
    (define (add! row column down right)
      (let ((r (+ row (* 2 down))) (c (+ column (* 2 right))))
        (if (and (< -1 r n) (<= 0 c r))
            (set! all (cons (vector (hole row column) (hole (+ row down) (+ column right)) (hole r c))
                            all)))))
    (do ((row 0 (+ row 1))) ((= row n) (list->vector all))
      (do ((column 0 (+ column 1))) ((> column row))
        (for-each (lambda (step) (add! row column (car step) (cdr step)))
                  '((0 . 1) (0 . -1) (1 . 0) (-1 . 0) (1 . 1) (-1 . -1)))))))

(define (possible? jump)
  (and (vector-ref board (vector-ref jump 0))
       (vector-ref board (vector-ref jump 1))
       (not (vector-ref board (vector-ref jump 2)))))

(define (turn! jump before)
  (vector-set! board (vector-ref jump 0) (not before))
  (vector-set! board (vector-ref jump 1) (not before))
  (vector-set! board (vector-ref jump 2) before))

(define (play pegs)
  (if (= pegs 1)
      1
      (let loop ((i 0) (count 0))
        (if (= i (vector-length jumps))
            count
            (let ((jump (vector-ref jumps i)))
              (if (possible? jump)
                  (begin
                    (turn! jump #t)
                    (let ((found (play (- pegs 1))))
                      (turn! jump #f)
                      (loop (+ i 1) (+ count found))))
                  (loop (+ i 1) count)))))))

(vector-set! board (hole 2 1) #f)
(write (play (- holes 1)))
(newline)
(vector-set! board (hole 2 1) #t)
(vector-set! board (hole 1 0) #f)
(write (play (- holes 1)))
(newline)
