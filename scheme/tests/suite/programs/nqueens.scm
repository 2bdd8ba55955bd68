; How many ways there are to place n queens so that none attacks another.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 7 (string->number (cadr (command-line)))))

(define (safe? row distance placed)
  (or (null? placed)
      (and (not (= (car placed) row))
           (not (= (abs (- (car placed) row)) distance))
           (safe? row (+ distance 1) (cdr placed)))))

(define (solutions placed left)
  (if (= left 0)
      1
      (let try ((row 1) (count 0))
        (cond ((> row n) count)
              ((safe? row 1 placed)
               (try (+ row 1) (+ count (solutions (cons row placed) (- left 1)))))
              (else (try (+ row 1) count))))))

(write (solutions '() n))
(newline)
