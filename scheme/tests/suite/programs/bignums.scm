; Large integers and fractions: factorials, digits of pi, powers by a modulus, and harmonic sums.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 60 (string->number (cadr (command-line)))))

(define (factorial n) (if (= n 0) 1 (* n (factorial (- n 1)))))
(define (harmonic n) (if (= n 0) 0 (+ (/ 1 n) (harmonic (- n 1)))))
(define (power-mod base exponent modulus)
  (cond ((= exponent 0) 1)
        ((odd? exponent) (modulo (* base (power-mod base (- exponent 1) modulus)) modulus))
        (else (modulo (square (power-mod base (quotient exponent 2) modulus)) modulus))))

; Machin's formula in integers with ten digits to spare.
(define (arctan-inverse x unit)
  (let loop ((term (quotient unit x)) (k 1) (sum 0) (sign 1))
    (if (= term 0)
        sum
        (loop (quotient term (* x x)) (+ k 2) (+ sum (* sign (quotient term k))) (- sign)))))
(define (pi-digits n)
  (let ((unit (expt 10 (+ n 10))))
    (quotient (* 4 (- (* 4 (arctan-inverse 5 unit)) (arctan-inverse 239 unit))) (expt 10 10))))

(write (factorial n)) (newline)
(write (harmonic (quotient n 2))) (newline)
(write (pi-digits n)) (newline)
(write (power-mod 3 (expt 10 n) (+ (expt 2 127) -1))) (newline)
(write (let-values (((s r) (exact-integer-sqrt (factorial n)))) (list s r))) (newline)
(write (list (gcd (factorial n) (expt 6 n)) (quotient (- (factorial n)) (expt 7 30))
             (modulo (- (factorial n)) (expt 11 20)) (inexact (/ (factorial n) (factorial (- n 1))))))
(newline)
