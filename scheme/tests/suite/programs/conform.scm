; Which types conform to which: types are cyclic graphs of operations, conformance the largest
; relation that is consistent with them, found by assuming and taking back.
(import (scheme base) (scheme write) (scheme process-context))

(define n (if (null? (cdr (command-line))) 24 (string->number (cadr (command-line)))))

(define-record-type <type>
  (make-type name operations known)
  type?
  (name type-name)
  (operations type-operations set-type-operations!)
  (known type-known set-type-known!))

(define seed 7)
(define (random limit)
  (set! seed (modulo (+ (* seed 16807) 11) 2147483647))
  (modulo (quotient seed 8) limit))

(define types
  (let ((types (make-vector n #f)))
    (do ((i 0 (+ i 1))) ((= i n) types)
      (vector-set! types i (make-type i '() '())))))

; An operation: name, type of the argument, type of the result.
(vector-for-each
 (lambda (type)
   (set-type-operations!
    type
    (let loop ((i 0) (operations '()))
      (cond ((= i 3) operations)
            ((= 0 (random 3)) (loop (+ i 1) operations))
            (else
             (loop (+ i 1)
                   (cons (list (vector-ref '#(get put next) i)
                               (vector-ref types (random n))
                               (vector-ref types (random n)))
                         operations)))))))
 types)

; A type conforms to another that has no more operations, with arguments the other way round.
(define (consistent? a b holds?)
  (let loop ((wanted (type-operations b)))
    (or (null? wanted)
        (let ((mine (assq (car (car wanted)) (type-operations a))))
          (and mine
               (holds? (cadr (car wanted)) (cadr mine))
               (holds? (caddr mine) (caddr (car wanted)))
               (loop (cdr wanted)))))))

(define (knows? a b) (and (memq b (type-known a)) #t))
(vector-for-each (lambda (type) (set-type-known! type (vector->list types))) types)

(define (remove item list)
  (if (eq? item (car list)) (cdr list) (cons (car list) (remove item (cdr list)))))

(define (refine rounds)
  (let ((changed #f))
    (vector-for-each
     (lambda (a)
       (for-each
        (lambda (b)
          (if (not (consistent? a b knows?))
              (begin (set-type-known! a (remove b (type-known a))) (set! changed #t))))
        (type-known a)))
     types)
    (if changed (refine (+ rounds 1)) rounds)))

(let ((rounds (refine 1)))
  (write (list rounds (vector->list (vector-map (lambda (type) (length (type-known type))) types)))))
(newline)
