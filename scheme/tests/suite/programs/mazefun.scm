; A maze made by functions alone: a grid of cells as lists, and walls that fall one by one.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 7 (string->number (cadr (command-line)))))

(define (iota n) (let loop ((i (- n 1)) (list '())) (if (< i 0) list (loop (- i 1) (cons i list)))))
(define (next seed) (modulo (+ (* 1664525 seed) 1013904223) 4294967296))

; Fisher and Yates without a vector: draws from what is left.
(define (shuffle list seed)
  (if (null? list)
      '()
      (let* ((seed (next seed)) (at (modulo (quotient seed 65536) (length list))))
        (let split ((i at) (before '()) (after list))
          (if (= i 0)
              (cons (car after) (shuffle (append (reverse before) (cdr after)) seed))
              (split (- i 1) (cons (car after) before) (cdr after)))))))

(define cells (* n n))
(define walls
  (apply append
         (map (lambda (cell)
                (append (if (< (modulo cell n) (- n 1)) (list (cons cell (+ cell 1))) '())
                        (if (< (+ cell n) cells) (list (cons cell (+ cell n))) '())))
              (iota cells))))

; The groups of connected cells, as a list of lists.
(define (group-of cell groups) (if (memv cell (car groups)) (car groups) (group-of cell (cdr groups))))
(define (remove group groups)
  (cond ((null? groups) '())
        ((eq? group (car groups)) (cdr groups))
        (else (cons (car groups) (remove group (cdr groups))))))

(define (carve walls groups standing)
  (if (null? walls)
      standing
      (let ((a (group-of (caar walls) groups)) (b (group-of (cdar walls) groups)))
        (if (eq? a b)
            (carve (cdr walls) groups (cons (car walls) standing))
            (carve (cdr walls) (cons (append a b) (remove a (remove b groups))) standing)))))

(define standing (carve (shuffle walls 42) (map list (iota cells)) '()))

(for-each
 (lambda (row)
   (for-each
    (lambda (column)
      (let ((cell (+ column (* row n))))
        (display (if (or (= row (- n 1)) (member (cons cell (+ cell n)) standing)) "_" " "))
        (display (if (or (= column (- n 1)) (member (cons cell (+ cell 1)) standing)) "|" "."))))
    (iota n))
   (newline))
 (iota n))
(write (length standing))
(newline)
