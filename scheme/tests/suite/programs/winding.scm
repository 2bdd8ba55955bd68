; dynamic-wind with exits, re-entries, exceptions and parameters; the order of all is written down.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 50 (string->number (cadr (command-line)))))

(define trace '())
(define (note what) (set! trace (cons what trace)))
(define (traced thunk) (set! trace '()) (let ((result (thunk))) (list result (reverse trace))))
(define (wind name thunk)
  (dynamic-wind (lambda () (note (list 'in name))) thunk (lambda () (note (list 'out name)))))

(define (show x) (write x) (newline))
(show (traced (lambda () (wind 'a (lambda () (wind 'b (lambda () 1)))))))
(show (traced (lambda () (call/cc (lambda (k) (wind 'a (lambda () (wind 'b (lambda () (k 2))))))))))
(show (traced
       (lambda ()
         (let ((k #f) (times 0))
           (wind 'a (lambda () (call/cc (lambda (c) (set! k c))) (note 'body)))
           (set! times (+ times 1))
           (if (< times 3) (k #f))
           times))))
(show (traced
       (lambda () (guard (e (#t (list 'caught e))) (wind 'a (lambda () (wind 'b (lambda () (raise 'oops)))))))))
(show (traced
       (lambda ()
         (with-exception-handler
          (lambda (e) (note (list 'handler e)) 10)
          (lambda () (wind 'a (lambda () (+ 1 (raise-continuable 'c)))))))))

(define p (make-parameter 1 (lambda (x) (* 2 x))))
(show (traced
       (lambda ()
         (parameterize ((p 5))
           (wind (p) (lambda () (call/cc (lambda (k) (parameterize ((p 6)) (note (p)) (k 1)))) (p)))))))

; From one winding straight into another: what they share is not left.
(show (traced
       (lambda ()
         (let ((into #f) (state 'first))
           (wind 'outer
             (lambda ()
               (wind 'left (lambda () (call/cc (lambda (k) (set! into k))) (note state)))
               (if (eq? state 'first)
                   (wind 'right (lambda () (set! state 'second) (into #f)))))))
         'end)))

(define (many n)
  (if (= n 0)
      0
      (+ 1 (dynamic-wind (lambda () #f)
                         (lambda () (call/cc (lambda (k) (if (odd? n) (k (many (- n 1))) (many (- n 1))))))
                         (lambda () #f)))))
(show (many n))
