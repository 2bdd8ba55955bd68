; Control: continuations with dynamic-wind, exceptions, parameters, promises.
; What is defined here is compiled when the interpreter starts. A procedure that
; returns several values returns one object that holds them, so passing on the
; value of a thunk passes on all of them.

(define (call-with-values producer consumer)
  (%apply-values consumer (producer)))

; A winder: before, after, and the handlers and parameters that they run with.
(define (dynamic-wind before thunk after)
  (before)
  (%set-winders! (cons (vector before after (%handlers) (%parameters)) (%winders)))
  (let ((result (thunk)))
    (%set-winders! (cdr (%winders)))
    (after)
    result))

(define (%run-winder winder index)
  (%set-handlers! (vector-ref winder 2))
  (%set-parameters! (vector-ref winder 3))
  ((vector-ref winder index)))

(define (%travel from to)
  (define (common a a-length b b-length)
    (cond ((> a-length b-length) (common (cdr a) (- a-length 1) b b-length))
          ((> b-length a-length) (common a a-length (cdr b) (- b-length 1)))
          ((eq? a b) a)
          (else (common (cdr a) (- a-length 1) (cdr b) (- b-length 1)))))
  (let ((shared (common from (length from) to (length to))))
    (let leave ((winders from))
      (if (not (eq? winders shared))
          (begin
            (%set-winders! (cdr winders))
            (%run-winder (car winders) 1)
            (leave (cdr winders)))))
    (let enter ((winders to))
      (if (not (eq? winders shared))
          (begin
            (enter (cdr winders))
            (%run-winder (car winders) 0)
            (%set-winders! winders))))))

(define (%rewind continuation value)
  (%travel (%winders) (%continuation-winders continuation))
  (%throw continuation value))

(define (exit . status)
  (%travel (%winders) '())
  (%exit (if (pair? status) (car status) #t)))

; Exceptions

(define (%raise object)
  (let ((handlers (%handlers)))
    (if (null? handlers)
        (%uncaught object)
        (begin
          (%set-handlers! (cdr handlers))
          ((car handlers) object)
          (%set-handlers! (cdr handlers))
          (%raise (%make-error 0 "the handler of this returned" (list object)))))))

(define (raise-continuable object)
  (let ((handlers (%handlers)))
    (if (null? handlers)
        (%uncaught object)
        (begin
          (%set-handlers! (cdr handlers))
          (let ((result ((car handlers) object)))
            (%set-handlers! handlers)
            result)))))

(define (with-exception-handler handler thunk)
  (if (not (procedure? handler))
      (error "with-exception-handler: not a procedure" handler))
  (let ((outer (%handlers)))
    (%set-handlers! (cons handler outer))
    (let ((result (thunk)))
      (%set-handlers! outer)
      result)))

(define (current-exception-handler)
  (let ((handlers (%handlers)))
    (if (null? handlers) %raise (car handlers))))

(define (read-error? object) (if (memv (%error-kind object) '(2 4)) #t #f))
(define (file-error? object) (eqv? (%error-kind object) 1))
(define (error-message object) (error-object-message object))

(define-syntax guard
  (syntax-rules ()
    ((_ (variable clause ...) body ...)
     ((call-with-current-continuation
       (lambda (guard-k)
         (with-exception-handler
          (lambda (condition)
            ((call-with-current-continuation
              (lambda (handler-k)
                (guard-k
                 (lambda ()
                   (let ((variable condition))
                     (%guard-clauses
                      (handler-k (lambda () (raise-continuable condition)))
                      clause ...))))))))
          (lambda ()
            (let ((result (let () body ...)))
              (lambda () result))))))))))

(define-syntax %guard-clauses
  (syntax-rules (else =>)
    ((_ reraise (else result ...)) (begin result ...))
    ((_ reraise (test => receiver))
     (let ((temporary test)) (if temporary (receiver temporary) reraise)))
    ((_ reraise (test => receiver) clause ...)
     (let ((temporary test))
       (if temporary (receiver temporary) (%guard-clauses reraise clause ...))))
    ((_ reraise (test)) (or test reraise))
    ((_ reraise (test) clause ...) (or test (%guard-clauses reraise clause ...)))
    ((_ reraise (test result ...)) (if test (begin result ...) reraise))
    ((_ reraise (test result ...) clause ...)
     (if test (begin result ...) (%guard-clauses reraise clause ...)))))

(define-syntax assert
  (syntax-rules ()
    ((_ test) (if test #t (error "assertion failed" 'test)))))

; Parameters

(define (make-parameter value . converter)
  (if (pair? converter)
      (%parameter ((car converter) value) (car converter))
      (%parameter value #f)))

(define (%parameterize bindings thunk)
  (define (converted binding)
    (if (not (%parameter? (car binding))) (error "parameterize: not a parameter" (car binding)))
    (let ((converter (%parameter-converter (car binding))))
      (if converter (cons (car binding) (converter (cdr binding))) binding)))
  (let* ((outer (%parameters)) (bindings (map converted bindings)))
    (%set-parameters! (append bindings outer))
    (let ((result (thunk)))
      (%set-parameters! outer)
      result)))

(define-syntax parameterize
  (syntax-rules ()
    ((_ ((parameter value) ...) body ...)
     (%parameterize (list (cons parameter value) ...) (lambda () body ...)))))

; Promises: a promise holds a pair of a state and a value or procedure. The state
; is #t for a value, 1 for a procedure that returns one, 0 for one that returns a
; promise.

(define (force promise)
  (if (promise? promise)
      (let loop ()
        (let ((content (%promise-content promise)))
          (if (eq? (car content) #t)
              (cdr content)
              (let ((result ((cdr content))))
                (cond ((eq? (car content) #t) (cdr content))
                      ((eqv? (car content) 1)
                       (set-car! content #t)
                       (set-cdr! content result)
                       result)
                      (else
                       (let ((next (%promise-content (if (promise? result) result (make-promise result)))))
                         (set-car! content (car next))
                         (set-cdr! content (cdr next))
                         (if (promise? result) (%set-promise-content! result content))
                         (loop))))))))
      promise))

(define-syntax make-delayed
  (syntax-rules () ((_ expression) (delay expression))))

(define-syntax cons-stream
  (syntax-rules () ((_ a b) (cons a (delay b)))))

; Several values

(define-syntax let-values
  (syntax-rules ()
    ((_ ((formals expression) ...) body ...)
     (%distinct (formals ...) (%let-values () ((formals expression) ...) body ...)))))

; Evaluates all expressions, then binds all variables.
(define-syntax %let-values
  (syntax-rules ()
    ((_ (done ...) () body ...) (%bind-values (done ...) body ...))
    ((_ (done ...) ((formals expression) rest ...) body ...)
     (let ((temporary (call-with-values (lambda () expression) list)))
       (%let-values (done ... (formals temporary)) (rest ...) body ...)))))

(define-syntax %bind-values
  (syntax-rules ()
    ((_ () body ...) (let () body ...))
    ((_ ((formals list) rest ...) body ...)
     (apply (lambda formals (%bind-values (rest ...) body ...)) list))))

(define-syntax let*-values
  (syntax-rules ()
    ((_ () body ...) (let () body ...))
    ((_ ((formals expression) rest ...) body ...)
     (call-with-values (lambda () expression)
       (lambda formals (let*-values (rest ...) body ...))))))

(define-syntax receive
  (syntax-rules ()
    ((_ formals expression body ...)
     (call-with-values (lambda () expression) (lambda formals body ...)))))

; Evaluation

(define (%evaluate form environment positions file)
  ((%compile form environment positions file)))

(define (eval form . environment)
  (%evaluate form (if (pair? environment) (car environment) (interaction-environment)) #f #f))

(define (%check-version who version)
  (if (not (memv version '(5 7))) (error (string-append who ": not a version of the report") version)))
(define (scheme-report-environment version)
  (%check-version "scheme-report-environment" version)
  (environment '(scheme r5rs)))
(define (null-environment version)
  (%check-version "null-environment" version)
  (environment
   '(only (scheme r5rs) ... => and begin case cond define define-syntax delay do else if lambda let
          let* let-syntax letrec letrec-syntax or quasiquote quote set! syntax-rules unquote
          unquote-splicing)))

(define (%read-all port positions)
  (let loop ((forms '()))
    (let ((form (%read-noting port positions)))
      (if (eof-object? form) (reverse forms) (loop (cons form forms))))))

(define (%run-forms forms environment positions file)
  (let loop ((forms forms) (declared #f))
    (cond ((null? forms) (void))
          ((or declared
               (and (pair? (car forms)) (memq (caar forms) '(import define-library))))
           (if (null? (cdr forms))
               (%evaluate (car forms) environment positions file)
               (begin
                 (%evaluate (car forms) environment positions file)
                 (loop (cdr forms) declared))))
          (else
           (%declare forms environment positions file)
           (loop forms #t)))))

(define (load file . environment)
  (let* ((port (open-input-file file))
         (positions (%make-table 0 #f #f))
         (forms (%read-all port positions)))
    (close-port port)
    (%run-forms forms
                (if (pair? environment) (car environment) (interaction-environment))
                positions file)))

(define (%load-library name)
  (define (part->string part)
    (if (symbol? part) (symbol->string part) (number->string part)))
  (let* ((path (let loop ((parts (cdr name)) (path (part->string (car name))))
                 (if (null? parts)
                     path
                     (loop (cdr parts) (string-append path "/" (part->string (car parts)))))))
         (file (string-append path ".sld")))
    (if (not (file-exists? file))
        (error "no such library, and no such file" name file))
    (load file)
    (if (not (%library? name))
        (error "the file does not define the library" file name))))
