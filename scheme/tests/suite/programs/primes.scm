; Primes up to n by sieving a list.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 500 (string->number (cadr (command-line)))))

(define (range from to) (if (> from to) '() (cons from (range (+ from 1) to))))

(define (without-multiples p list)
  (cond ((null? list) '())
        ((= 0 (remainder (car list) p)) (without-multiples p (cdr list)))
        (else (cons (car list) (without-multiples p (cdr list))))))

(define (sieve list)
  (if (null? list)
      '()
      (cons (car list) (sieve (without-multiples (car list) (cdr list))))))

(let ((primes (sieve (range 2 n))))
  (write (list (length primes) (apply + primes) (apply max primes))))
(newline)
