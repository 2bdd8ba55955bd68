; Hash tables with every kind of key, filled, changed, emptied and walked.
(import (scheme base) (scheme write) (scheme process-context) (srfi 69))

(define n (if (null? (cdr (command-line))) 300 (string->number (cadr (command-line)))))

(define (fill table key)
  (do ((i 0 (+ i 1))) ((= i n) table)
    (hash-table-set! table (key i) i)))

(define (check table key)
  (do ((i 0 (+ i 2))) ((>= i n)) (hash-table-delete! table (key i)))
  (do ((i 0 (+ i 1))) ((= i n))
    (hash-table-update!/default table (key i) (lambda (old) (+ old 1000)) i))
  (list (hash-table-size table)
        (hash-table-fold table (lambda (key value sum) (+ value sum)) 0)
        (hash-table-ref/default table (key 1) 'none)
        (hash-table-ref table (key -1) (lambda () 'none))
        (hash-table-exists? table (key 2))))

(define keys (make-vector n #f))
(do ((i 0 (+ i 1))) ((= i n)) (vector-set! keys i (list i)))
(define (identity-key i) (if (< i 0) (list i) (vector-ref keys i)))

(write (list (check (fill (make-hash-table equal?) (lambda (i) (list i "k"))) (lambda (i) (list i "k")))
             (check (fill (make-hash-table eqv?) (lambda (i) (* i 1.5))) (lambda (i) (* i 1.5)))
             (check (fill (make-hash-table eq?) identity-key) identity-key)
             (check (fill (make-hash-table string=? string-hash) number->string) number->string)))
(newline)
