; Guardians (Dybvig, Bruggeman, Eby): a guardian is a procedure. With an argument it
; watches that; without, it returns an object that it watched and that nothing else
; refers to any more, or #f.

(define (make-guardian)
  (let ((guardian (%make-guardian)))
    (case-lambda
      (() (%guardian-take guardian))
      ((object) (%guardian-register! guardian object)))))
