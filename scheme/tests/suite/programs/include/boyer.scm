;;; A prover of tautologies that rewrites terms with lemmas, in the manner of Boyer and Moore: rewrite the
;;; innermost terms first, then decide nested ifs by cases. The program around it defines `rebuild`, which
;;; makes the rewritten term: (rebuild term operator arguments).
;;;
;;; A term is a symbol, a number, or a list of an operator and terms. An operator is a record that has
;;; the lemmas whose left sides begin with it.

(define-record-type operator-type
  (make-operator name lemmas)
  operator?
  (name operator-name)
  (lemmas operator-lemmas set-operator-lemmas!))

(define operators '())

(define (operator name)
  (let ((known (assq name operators)))
    (if known
        (cdr known)
        (let ((new (make-operator name '())))
          (set! operators (cons (cons name new) operators))
          new))))

(define (term form)
  (if (pair? form)
      (cons (operator (car form)) (map term (cdr form)))
      form))

;; (= left right)
(define (add-lemma! form)
  (let* ((left (term (cadr form)))
         (right (term (car (cddr form))))
         (op (car left)))
    (set-operator-lemmas! op (append (operator-lemmas op) (list (cons left right))))))

(define lemmas
  '((= (and p q) (if p (if q (true) (false)) (false)))
    (= (or p q) (if p (true) (if q (true) (false))))
    (= (not p) (if p (false) (true)))
    (= (implies p q) (if p (if q (true) (false)) (true)))
    (= (iff p q) (and (implies p q) (implies q p)))
    (= (if (if a b c) d e) (if a (if b d e) (if c d e)))
    (= (zero? x) (or (equal x (zero)) (not (number? x))))
    (= (equal (plus a b) (zero)) (and (zero? a) (zero? b)))
    (= (equal (plus a b) (plus a c)) (equal (fix b) (fix c)))
    (= (equal (difference x y) (difference z y))
       (if (less x y) (not (less y z)) (if (less z y) (not (less y x)) (equal (fix x) (fix z)))))
    (= (equal x (difference x y))
       (and (number? x) (or (equal x (zero)) (zero? y))))
    (= (equal (times a b) (zero)) (or (zero? a) (zero? b)))
    (= (equal (append a b) (append a c)) (equal b c))
    (= (equal (reverse-onto x y) (append (reverse x) z)) (equal y z))
    (= (equal (length x) (zero)) (not (pair? x)))
    (= (equal (cons a b) (cons c d)) (and (equal a c) (equal b d)))
    (= (equal (power x y) (zero)) (and (zero? x) (not (zero? y))))
    (= (equal (flatten-onto x y) (append (flatten x) y)) (true))
    (= (equal (last (append a b)) c)
       (if (pair? b) (equal (last b) c) (if (pair? a) (equal (cons (car (last a)) b) c) (equal b c))))
    (= (equal (less x y) z) (if (less x y) (equal (true) z) (equal (false) z)))
    (= (plus (plus x y) z) (plus x (plus y z)))
    (= (plus (remainder x y) (times y (quotient x y))) (fix x))
    (= (plus x (successor y)) (if (number? y) (successor (plus x y)) (successor x)))
    (= (difference x x) (zero))
    (= (difference (plus x y) x) (fix y))
    (= (difference (plus y x) x) (fix y))
    (= (difference (plus x y) (plus x z)) (difference y z))
    (= (difference (plus b (plus a c)) a) (plus b c))
    (= (difference (successor (plus y z)) z) (successor y))
    (= (times x (plus y z)) (plus (times x y) (times x z)))
    (= (times (times x y) z) (times x (times y z)))
    (= (times x (difference c w)) (difference (times c x) (times w x)))
    (= (times x (successor y)) (if (number? y) (plus x (times x y)) (fix x)))
    (= (quotient (plus x (plus x y)) 2) (plus x (quotient y 2)))
    (= (quotient (times y x) y) (if (zero? y) (zero) (fix x)))
    (= (remainder x 1) (zero))
    (= (remainder (times x z) z) (zero))
    (= (remainder (times y x) y) (zero))
    (= (remainder (remainder x y) y) (remainder x y))
    (= (power x (plus y z)) (times (power x y) (power x z)))
    (= (power x (times y z)) (power (power x y) z))
    (= (less (remainder x y) y) (not (zero? y)))
    (= (less (quotient x y) x) (and (not (zero? x)) (less 1 y)))
    (= (less (plus x y) (plus x z)) (less y z))
    (= (less (times x z) (times y z)) (and (not (zero? z)) (less x y)))
    (= (less y (plus x y)) (not (zero? x)))
    (= (less (length (delete x l)) (length l)) (member x l))
    (= (append (append x y) z) (append x (append y z)))
    (= (reverse (append a b)) (append (reverse b) (reverse a)))
    (= (reverse (reverse-onto x y)) (reverse-onto (reverse y) x))
    (= (reverse-onto x (nil)) (reverse x))
    (= (length (reverse x)) (length x))
    (= (length (append x y)) (plus (length x) (length y)))
    (= (length (cons a (cons b x))) (plus 2 (length x)))
    (= (member a (append b c)) (or (member a b) (member a c)))
    (= (member a (reverse b)) (member a b))
    (= (member a (intersection b c)) (and (member a b) (member a c)))
    (= (count x (append a b)) (plus (count x a) (count x b)))
    (= (count x (sort l)) (count x l))
    (= (flatten-onto (append x y) z) (append (flatten x) (flatten-onto y z)))
    (= (nth (nil) i) (if (zero? i) (nil) (zero)))
    (= (nth x (plus i j)) (nth (nth x i) j))
    (= (fix (fix x)) (fix x))
    (= (value (reduce x) a) (value x a))
    (= (value (optimise x) a) (value x a))
    (= (evaluate (append x y) state) (evaluate y (evaluate x state)))
    (= (execute (compile x) state stack) (cons (value x state) stack))))

(for-each add-lemma! lemmas)

(define op-if (operator 'if))
(define term-true (term '(true)))
(define term-false (term '(false)))

;; Matching: bindings as an association list, or #f.

(define (match pattern subject bindings)
  (cond ((symbol? pattern)
         (let ((known (assq pattern bindings)))
           (cond ((not known) (cons (cons pattern subject) bindings))
                 ((same-term? (cdr known) subject) bindings)
                 (else #f))))
        ((pair? pattern)
         (and (pair? subject)
              (eq? (car pattern) (car subject))
              (match-all (cdr pattern) (cdr subject) bindings)))
        (else (and (eqv? pattern subject) bindings))))

(define (match-all patterns subjects bindings)
  (if (null? patterns)
      bindings
      (let ((more (match (car patterns) (car subjects) bindings)))
        (and more (match-all (cdr patterns) (cdr subjects) more)))))

(define (same-term? a b)
  (cond ((eq? a b) #t)
        ((pair? a)
         (and (pair? b) (eq? (car a) (car b)) (same-terms? (cdr a) (cdr b))))
        (else (eqv? a b))))

(define (same-terms? a b)
  (or (null? a)
      (and (same-term? (car a) (car b)) (same-terms? (cdr a) (cdr b)))))

(define (substitute bindings pattern)
  (cond ((symbol? pattern)
         (let ((known (assq pattern bindings)))
           (if known (cdr known) pattern)))
        ((pair? pattern)
         (rebuild pattern (car pattern) (substitute-all bindings (cdr pattern))))
        (else pattern)))

(define (substitute-all bindings patterns)
  (if (null? patterns)
      '()
      (let ((first (substitute bindings (car patterns))))
        (cons first (substitute-all bindings (cdr patterns))))))

;; Rewriting.

(define rewrites 0)

(define (rewrite subject)
  (set! rewrites (+ rewrites 1))
  (if (pair? subject)
      (let ((op (car subject)))
        (try-lemmas (rebuild subject op (rewrite-all (cdr subject)))
                    (operator-lemmas op)))
      subject))

(define (rewrite-all subjects)
  (if (null? subjects)
      '()
      (let ((first (rewrite (car subjects))))
        (cons first (rewrite-all (cdr subjects))))))

(define (try-lemmas subject lemmas)
  (if (null? lemmas)
      subject
      (let ((bindings (match (caar lemmas) subject '())))
        (if bindings
            (rewrite (substitute bindings (cdar lemmas)))
            (try-lemmas subject (cdr lemmas))))))

;; Deciding.

(define (member-term? term terms)
  (and (pair? terms)
       (or (same-term? term (car terms)) (member-term? term (cdr terms)))))

(define (tautology? term true false)
  (cond ((or (same-term? term term-true) (member-term? term true)) #t)
        ((or (same-term? term term-false) (member-term? term false)) #f)
        ((and (pair? term) (eq? (car term) op-if))
         (let ((test (cadr term)) (yes (car (cddr term))) (no (cadr (cddr term))))
           (cond ((or (same-term? test term-true) (member-term? test true))
                  (tautology? yes true false))
                 ((or (same-term? test term-false) (member-term? test false))
                  (tautology? no true false))
                 (else
                  (and (tautology? yes (cons test true) false)
                       (tautology? no true (cons test false)))))))
        (else #f)))

;; What is proved: implication is transitive, whatever the terms are. A size of n nests n disjunctions.

(define terms
  (map (lambda (pair) (cons (car pair) (term (cdr pair))))
       '((x . (value (reduce (plus (plus a b) (plus c (zero)))) e))
         (y . (f (times (times a b) (plus c d))))
         (z . (f (reverse (append (append a b) (nil)))))
         (u . (equal (plus a b) (difference x y)))
         (w . (less (remainder a b) (member a (length b)))))))

(define (theorem size)
  (let nest ((size size)
             (form '(implies (and (implies x y)
                                  (and (implies y z)
                                       (and (implies z u) (implies u w))))
                             (implies x w))))
    (if (= size 0)
        (substitute terms (term form))
        (nest (- size 1) `(or ,form (false))))))

(define (prove size)
  (set! rewrites 0)
  (let ((answer (tautology? (rewrite (theorem size)) '() '())))
    (list answer rewrites)))
