;;; The prover, with terms that rewriting does not change shared.

(import (scheme base) (scheme write) (scheme process-context) (scheme time) (scheme cxr))
(include "include/measure.scm")

(define (same-elements? a b)
  (or (null? a)
      (and (eq? (car a) (car b)) (same-elements? (cdr a) (cdr b)))))

(define (rebuild term operator arguments)
  (if (same-elements? arguments (cdr term))
      term
      (cons operator arguments)))

(include "include/boyer.scm")

(measure 0 prove)
