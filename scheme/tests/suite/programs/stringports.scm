; String and bytevector ports: written in pieces, read back in pieces of other sizes.
(import (scheme base) (scheme read) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 200 (string->number (cadr (command-line)))))

(define text
  (let ((port (open-output-string)))
    (do ((i 0 (+ i 1))) ((= i n) (get-output-string port))
      (write (list i (make-string (modulo i 5) #\x3bb) (inexact (/ i 4))) port)
      (newline port))))

(define (pieces size)
  (let ((in (open-input-string text)) (out (open-output-string)))
    (let loop ((count 0))
      (let ((piece (read-string size in)))
        (if (eof-object? piece)
            (list count (string=? text (get-output-string out)))
            (begin (write-string piece out) (loop (+ count 1))))))))

(define (data)
  (let ((in (open-input-string text)))
    (let loop ((count 0) (sum 0))
      (let ((datum (read in)))
        (if (eof-object? datum)
            (list count sum)
            (loop (+ count 1) (+ sum (car datum) (string-length (cadr datum)) (caddr datum))))))))

(define (bytes)
  (let ((in (open-input-bytevector (string->utf8 text))) (out (open-output-bytevector)))
    (let loop ((sum 0))
      (let ((byte (read-u8 in)))
        (if (eof-object? byte)
            (list sum (string=? text (utf8->string (get-output-bytevector out))))
            (begin (write-u8 byte out) (loop (+ sum byte))))))))

(define (lines)
  (let ((in (open-input-string text)))
    (let loop ((count 0) (longest 0))
      (let ((line (read-line in)))
        (if (eof-object? line)
            (list count longest)
            (loop (+ count 1) (max longest (string-length line))))))))

(write (list (pieces 1) (pieces 7) (pieces 1000) (data) (bytes) (lines)))
(newline)
