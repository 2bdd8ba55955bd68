; Text to UTF-8 and back, and the bytes counted on the way.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 500 (string->number (cadr (command-line)))))

; Characters of one to four bytes.
(define (character i)
  (integer->char
   (case (modulo i 4)
     ((0) (+ 32 (modulo i 90)))
     ((1) (+ #xa1 (modulo (* i 7) 1500)))
     ((2) (+ #x3041 (modulo (* i 31) 20000)))
     (else (+ #x10000 (modulo (* i 1009) 900000))))))

(define (text n)
  (let ((s (make-string n)))
    (do ((i 0 (+ i 1))) ((= i n) s) (string-set! s i (character i)))))

(define (sum bytes)
  (let loop ((i 0) (sum 0))
    (if (= i (bytevector-length bytes))
        sum
        (loop (+ i 1) (modulo (+ (* 7 sum) (bytevector-u8-ref bytes i)) 65521)))))

(let loop ((k 0) (total 0))
  (if (< k 10)
      (let* ((s (text (+ n k))) (bytes (string->utf8 s)))
        (if (not (string=? s (utf8->string bytes))) (error "not the same text" k))
        (if (not (string=? (string-copy s 1 5) (utf8->string (string->utf8 s 1 5)))) (error "part" k))
        (loop (+ k 1) (+ total (sum bytes))))
      (begin (write (list (bytevector-length (string->utf8 (text n))) total)) (newline))))
