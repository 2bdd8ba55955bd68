; Quicksort of a vector of pseudo-random numbers, in place, and a merge sort of the list of them.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 1000 (string->number (cadr (command-line)))))

(define seed 1)
(define (random)
  (set! seed (modulo (* 16807 seed) 2147483647))
  seed)
(define numbers (make-vector n 0))
(do ((i 0 (+ i 1))) ((= i n)) (vector-set! numbers i (random)))
(define originals (vector->list numbers))

(define (swap! v i j)
  (let ((x (vector-ref v i))) (vector-set! v i (vector-ref v j)) (vector-set! v j x)))

(define (quicksort! v low high)
  (if (< low high)
      (let ((pivot (vector-ref v (quotient (+ low high) 2))))
        (let loop ((i low) (j high))
          (let* ((i (do ((i i (+ i 1))) ((>= (vector-ref v i) pivot) i)))
                 (j (do ((j j (- j 1))) ((<= (vector-ref v j) pivot) j))))
            (cond ((< i j) (swap! v i j) (loop (+ i 1) (- j 1)))
                  (else
                   (quicksort! v low (if (= i j) (- j 1) j))
                   (quicksort! v (if (= i j) (+ i 1) i) high))))))))

(define (merge a b)
  (cond ((null? a) b) ((null? b) a)
        ((< (car b) (car a)) (cons (car b) (merge a (cdr b))))
        (else (cons (car a) (merge (cdr a) b)))))
(define (merge-sort list)
  (if (or (null? list) (null? (cdr list)))
      list
      (let split ((list list) (a '()) (b '()))
        (if (null? list)
            (merge (merge-sort a) (merge-sort b))
            (split (cdr list) (cons (car list) b) a)))))

(quicksort! numbers 0 (- n 1))
(write (list (apply <= (vector->list numbers)) (equal? (vector->list numbers) (merge-sort originals))
             (vector-ref numbers 0) (vector-ref numbers (- n 1))))
(newline)
