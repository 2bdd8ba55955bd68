; equal? on long lists, deep trees, vectors and strings.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 300 (string->number (cadr (command-line)))))

(define (tree depth leaf)
  (if (= depth 0) (leaf) (cons (tree (- depth 1) leaf) (vector depth (tree (- depth 1) leaf)))))
(define (long n leaf) (do ((i 0 (+ i 1)) (list '() (cons (leaf) list))) ((= i n) list)))
(define (deep n leaf) (do ((i 0 (+ i 1)) (list (leaf) (cons list 'x))) ((= i n) list)))
(define (leaf) (list 1.5 (string #\a #\b) 12345678901234567890 #\c (bytevector 1 2)))
(define (other-leaf) (list 1.5 (string #\a #\b) 12345678901234567891 #\c (bytevector 1 2)))

(define makers
  (list (lambda (leaf) (tree 6 leaf)) (lambda (leaf) (long n leaf)) (lambda (leaf) (deep n leaf))
        (lambda (leaf) (make-vector n (long 3 leaf)))))

(write (map (lambda (make) (list (equal? (make leaf) (make leaf)) (equal? (make leaf) (make other-leaf))))
            makers))
(newline)
(let ((a (list 1 2)) (b (list 1 2)))
  (set-cdr! (cdr a) a)
  (set-cdr! (cdr b) b)
  (write (list (equal? a b) (equal? a (cdr b)))))
(newline)
