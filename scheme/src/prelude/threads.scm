; Threads (SRFI 18).

(define (%optional arguments default) (if (pair? arguments) (car arguments) default))

(define (make-thread thunk . name) (%make-thread (lambda () (thunk)) (%optional name #f)))
(define (make-mutex . name) (%make-mutex (%optional name #f)))
(define (make-condition-variable . name) (%make-condition-variable (%optional name #f)))

(define thread-name %name)
(define thread-specific %specific)
(define thread-specific-set! %set-specific!)
(define mutex-name %name)
(define mutex-specific %specific)
(define mutex-specific-set! %set-specific!)
(define condition-variable-name %name)
(define condition-variable-specific %specific)
(define condition-variable-specific-set! %set-specific!)

(define-record-type time (seconds->time seconds) time? (seconds time->seconds))
(define (current-time) (seconds->time (current-second)))

; A timeout is a time, a number of seconds from now, or #f; what remains of it.
(define (%seconds timeout)
  (if (time? timeout) (max 0 (- (time->seconds timeout) (current-second))) timeout))

(define (thread-sleep! timeout) (%thread-sleep! (%seconds timeout)))

(define %join-timeout (%make-error 3 "thread-join!: not in time" '()))
(define (join-timeout-exception? object) (eq? object %join-timeout))
(define (%thread-error? object message)
  (and (error-object? object) (eqv? (%error-kind object) 3)
       (equal? (error-object-message object) message)))
(define (abandoned-mutex-exception? object) (%thread-error? object %abandoned))
(define %abandoned "mutex-lock!: the thread that had it locked has ended")
(define (terminated-thread-exception? object) (%thread-error? object "thread terminated"))
(define (uncaught-exception? object) (%thread-error? object "uncaught exception in thread"))
(define (uncaught-exception-reason object) (car (error-object-irritants object)))

(define (thread-join! thread . options)
  (cond ((not (%thread-wait thread (%seconds (%optional options #f))))
         (if (and (pair? options) (pair? (cdr options)))
             (cadr options)
             (raise %join-timeout)))
        ((not (%thread-failed? thread)) (%thread-result thread))
        ((terminated-thread-exception? (%thread-result thread)) (raise (%thread-result thread)))
        ((not (%thread-result thread)) (raise (%make-error 3 "thread terminated" '())))
        (else
         (raise (%make-error 3 "uncaught exception in thread"
                             (list (%thread-result thread)))))))

(define (mutex-lock! mutex . options)
  (let ((locked (%mutex-lock! mutex (%seconds (%optional options #f))
                              (if (and (pair? options) (pair? (cdr options)))
                                  (cadr options)
                                  (current-thread)))))
    (if (eqv? locked 0) (raise (%make-error 3 %abandoned '())) locked)))

(define (mutex-unlock! mutex . options)
  (if (pair? options)
      (%mutex-unlock-and-wait! mutex (car options) (%seconds (%optional (cdr options) #f)))
      (begin (%mutex-unlock! mutex) #t)))

(define (mutex-state mutex)
  (let ((state (%mutex-state mutex)))
    (cond ((eqv? state 0) 'abandoned)
          ((eq? state #t) 'not-owned)
          (else (or state 'not-abandoned)))))
