; What the files of the suite are written with. Cases that fail are printed with the section that they
; are in; (finish) prints how many there were.
;
;   (test expected expression)          equal?, and for flonums the same number
;   (test-approximate expected expression)    flonums that differ by rounding only
;   (test-values (expected ...) expression)
;   (test-error expression)             an error object is raised
;   (test-syntax-error 'form)           eval raises an error
;   (test-output "text" expression ...) what is written to the current output port

(define %section "")
(define %cases 0)
(define (section name) (set! %section name))

(define (%one-line text)
  (let ((port (open-output-string)))
    (string-for-each (lambda (c) (write-char (if (char=? c #\newline) #\space c) port)) text)
    (get-output-string port)))

(define (%written value)
  (let ((port (open-output-string)))
    (write value port)
    (%one-line (get-output-string port))))

(define (%fail form . what)
  (write-string "FAIL ")
  (write-string %section)
  (write-string " ")
  (write-string (%written form))
  (write-string " => ")
  (for-each (lambda (part) (write-string (if (string? part) part (%written (car part))))) what)
  (newline))

(define (%same? a b)
  (or (equal? a b)
      (and (real? a) (real? b) (inexact? a) (inexact? b) (not (= a a)) (not (= b b)))))

(define (%close? a b)
  (and (number? a) (number? b) (eq? (exact? a) (exact? b))
       (<= (abs (- a b)) (* 1e-12 (max 1 (abs a))))))

(define (%check form same? expected thunk)
  (set! %cases (+ %cases 1))
  (let ((result (guard (e (#t (if (error-object? e)
                                  (%fail form "error: " (error-object-message e)
                                         (list (error-object-irritants e)))
                                  (%fail form "raised: " (list e)))
                              %case-failed))
                  (thunk))))
    (if (not (or (eq? result %case-failed) (same? expected result)))
        (%fail form "expected " (list expected) ", got " (list result)))))
(define %case-failed (list 'failed))

(define-syntax test
  (syntax-rules ()
    ((_ expected expression) (%check 'expression %same? expected (lambda () expression)))))

(define-syntax test-approximate
  (syntax-rules ()
    ((_ expected expression) (%check 'expression %close? expected (lambda () expression)))))

(define-syntax test-values
  (syntax-rules ()
    ((_ (expected ...) expression)
     (%check 'expression %same? (list expected ...)
             (lambda () (call-with-values (lambda () expression) list))))))

(define (%raises? thunk accepts?)
  (call/cc
   (lambda (return)
     (with-exception-handler
      (lambda (e) (return (if (accepts? e) 'raised (list 'raised e))))
      (lambda () (thunk) 'no-error)))))

(define-syntax test-error
  (syntax-rules ()
    ((_ expression)
     (%check 'expression eq? 'raised
             (lambda () (%raises? (lambda () expression) error-object?))))))

(define (test-syntax-error form)
  (%check form eq? 'raised
          (lambda () (%raises? (lambda () (eval form (interaction-environment))) error-object?))))

(define-syntax test-output
  (syntax-rules ()
    ((_ expected expression ...)
     (%check '(begin expression ...) %same? expected
             (lambda ()
               (let ((port (open-output-string)))
                 (parameterize ((current-output-port port)) expression ...)
                 (get-output-string port)))))))

(define (finish)
  (write-string "CASES ")
  (write %cases)
  (newline))
