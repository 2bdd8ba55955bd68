; Procedures on ports that call procedures.

(define (call-with-port port procedure)
  (let ((result (procedure port)))
    (close-port port)
    result))

(define (call-with-input-file file procedure)
  (call-with-port (open-input-file file) procedure))

(define (call-with-output-file file procedure)
  (call-with-port (open-output-file file) procedure))

(define (with-input-from-file file thunk)
  (let* ((port (open-input-file file))
         (result (parameterize ((current-input-port port)) (thunk))))
    (close-port port)
    result))

(define (with-output-to-file file thunk)
  (let* ((port (open-output-file file))
         (result (parameterize ((current-output-port port)) (thunk))))
    (close-port port)
    result))

(define (call-with-output-string procedure)
  (let ((port (open-output-string)))
    (procedure port)
    (get-output-string port)))

(define (with-output-to-string thunk)
  (let ((port (open-output-string)))
    (parameterize ((current-output-port port)) (thunk))
    (get-output-string port)))
