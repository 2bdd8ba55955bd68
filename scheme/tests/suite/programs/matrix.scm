; Matrices of zeros and ones of n by n that remain when those count once that become the same by
; permuting rows and columns: each is brought into its largest form.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 3 (string->number (cadr (command-line)))))

(define (permutations list)
  (if (null? list)
      '(())
      (apply append
             (map (lambda (first)
                    (map (lambda (rest) (cons first rest)) (permutations (without first list))))
                  list))))
(define (without item list)
  (cond ((null? list) '()) ((eqv? item (car list)) (cdr list))
        (else (cons (car list) (without item (cdr list))))))

(define (iota n) (do ((i (- n 1) (- i 1)) (list '() (cons i list))) ((< i 0) list)))
(define columns (permutations (iota n)))

(define (number->rows number)
  (map (lambda (row)
         (list->vector
          (map (lambda (column) (modulo (quotient number (expt 2 (+ column (* row n)))) 2)) (iota n))))
       (iota n)))

(define (row->number row permutation)
  (let loop ((permutation permutation) (number 0))
    (if (null? permutation)
        number
        (loop (cdr permutation) (+ (* 2 number) (vector-ref row (car permutation)))))))

(define (insert x sorted)
  (if (or (null? sorted) (>= x (car sorted))) (cons x sorted) (cons (car sorted) (insert x (cdr sorted)))))
(define (sort list) (if (null? list) '() (insert (car list) (sort (cdr list)))))

(define (rows->number rows)
  (let loop ((rows rows) (number 0))
    (if (null? rows) number (loop (cdr rows) (+ (* number (expt 2 n)) (car rows))))))

; Rows are sorted, so only columns need be tried.
(define (largest rows)
  (apply max
         (map (lambda (permutation)
                (rows->number (sort (map (lambda (row) (row->number row permutation)) rows))))
              columns)))

(define (maximal? number)
  (let ((rows (number->rows number)))
    (= (largest rows) (rows->number (map (lambda (row) (row->number row (iota n))) rows)))))

(let loop ((number 0) (count 0))
  (if (= number (expt 2 (* n n)))
      (begin (write count) (newline))
      (loop (+ number 1) (if (maximal? number) (+ count 1) count))))
