; Lists of lists that are cut up and spliced together again in place.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 60 (string->number (cadr (command-line)))))

(define (append-to-tail! list tail)
  (if (null? list)
      tail
      (let loop ((pair list))
        (if (null? (cdr pair))
            (begin (set-cdr! pair tail) list)
            (loop (cdr pair))))))

(define (reverse-in-place! list)
  (let loop ((list list) (done '()))
    (if (null? list)
        done
        (let ((rest (cdr list))) (set-cdr! list done) (loop rest list)))))

; Cuts the list before element `count`; returns the rest.
(define (cut! list count)
  (if (= count 1)
      (let ((rest (cdr list))) (set-cdr! list '()) rest)
      (cut! (cdr list) (- count 1))))

(define (fresh-rows rows width)
  (do ((i 0 (+ i 1)) (result '() (cons (make-list width i) result))) ((= i rows) result)))

(define rows (fresh-rows 10 12))

(define (splice-round! i)
  (let ((rest (cdr rows)))
    (set-cdr! rows '())
    (set! rows (append-to-tail! (reverse-in-place! rest) rows))
    (for-each (lambda (row) (set-car! row (modulo (+ i (* 3 (car row))) 101))) rows)))

(do ((i 0 (+ i 1))) ((= i n))
  (for-each
   (lambda (row)
     (let ((rest (cut! row (+ 1 (modulo i 11)))))
       (set-car! row (modulo (+ i (car row)) 97))
       (append-to-tail! row (reverse-in-place! rest))))
   rows)
  (splice-round! i))
(write (map (lambda (row) (apply + row)) rows))
(newline)
(write (list (apply + (map length rows)) (car rows)))
(newline)
