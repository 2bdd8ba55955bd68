; Hash tables (SRFI 69). With an equivalence of the program's own, the keys of the
; table are hash values and the values are association lists.

(define (make-hash-table . options)
  (let ((same? (if (pair? options) (car options) equal?))
        (hash-function (and (pair? options) (pair? (cdr options))
                            (procedure? (cadr options)) (cadr options))))
    (cond ((eq? same? eq?) (%make-table 0 #f #f))
          ((or (eq? same? eqv?) (eq? same? =) (eq? same? char=?)) (%make-table 1 #f #f))
          ((or (eq? same? equal?) (eq? same? string=?)) (%make-table 2 #f #f))
          ((eq? same? string-ci=?) (%make-table 1 same? string-ci-hash))
          (else (%make-table 1 same? (or hash-function hash))))))

(define (%bucket table key)
  (%table-ref table ((%table-hash table) key) '()))

(define (%bucket-entry table key)
  (assoc key (%bucket table key) (%table-equivalence table)))

(define %nothing (list 'nothing))

(define hash-table-ref/default
  (lambda (table key default)
    (if (%table-equivalence table)
        (let ((entry (%bucket-entry table key))) (if entry (cdr entry) default))
        (%table-ref table key default))))

(define (hash-table-ref table key . options)
  (let ((value (hash-table-ref/default table key %nothing)))
    (cond ((not (eq? value %nothing))
           (if (and (pair? options) (pair? (cdr options)))
               ((cadr options) value)
               value))
          ((and (pair? options) (car options)) ((car options)))
          (else (error "hash-table-ref: no such key" key)))))

(define (hash-table-set! table key value)
  (if (%table-equivalence table)
      (let ((entry (%bucket-entry table key)))
        (if entry
            (set-cdr! entry value)
            (%table-set! table ((%table-hash table) key)
                         (cons (cons key value) (%bucket table key)))))
      (%table-set! table key value)))

(define (hash-table-delete! table key)
  (if (%table-equivalence table)
      (let* ((same? (%table-equivalence table))
             (rest (remove (lambda (entry) (same? key (car entry))) (%bucket table key))))
        (if (null? rest)
            (%table-delete! table ((%table-hash table) key))
            (%table-set! table ((%table-hash table) key) rest)))
      (%table-delete! table key)))

(define (hash-table-exists? table key)
  (not (eq? %nothing (hash-table-ref/default table key %nothing))))
(define hash-table-contains? hash-table-exists?)

(define (hash-table-update! table key procedure . failure)
  (hash-table-set! table key
                   (procedure
                    (hash-table-ref table key (and (pair? failure) (car failure))))))

(define (hash-table-update!/default table key procedure default)
  (hash-table-set! table key (procedure (hash-table-ref/default table key default))))

; The entries themselves: to store into one is to store into the table.
(define (%entries table)
  (if (%table-equivalence table)
      (apply append (map cdr (%table-entries table)))
      (%table-entries table)))

(define (hash-table-size table)
  (if (%table-equivalence table) (length (%entries table)) (%table-count table)))
(define hash-table-count hash-table-size)
(define (hash-table-keys table) (map car (%entries table)))
(define (hash-table-values table) (map cdr (%entries table)))
(define (hash-table->alist table)
  (map (lambda (entry) (cons (car entry) (cdr entry))) (%entries table)))
(define (hash-table-walk table procedure)
  (for-each (lambda (entry) (procedure (car entry) (cdr entry))) (%entries table)))
(define (hash-table-for-each table procedure) (hash-table-walk table procedure))
(define (hash-table-fold table procedure seed)
  (fold (lambda (entry result) (procedure (car entry) (cdr entry) result)) seed
        (%entries table)))
(define (hash-table-clear! table) (%table-clear! table))

(define (hash-table-copy table . mutable)
  (let ((copy (%make-table (%table-kind table) (%table-equivalence table) (%table-hash table))))
    (hash-table-walk table (lambda (key value) (hash-table-set! copy key value)))
    copy))

(define (hash-table-merge! table other)
  (hash-table-walk other (lambda (key value) (hash-table-set! table key value)))
  table)

(define (alist->hash-table list . options)
  (let ((table (apply make-hash-table options)))
    (for-each (lambda (entry)
                (if (not (hash-table-exists? table (car entry)))
                    (hash-table-set! table (car entry) (cdr entry))))
              list)
    table))

(define (hash-table-equivalence-function table)
  (or (%table-equivalence table) (vector-ref (vector eq? eqv? equal?) (%table-kind table))))
(define (hash-table-hash-function table)
  (or (%table-hash table)
      (vector-ref (vector hash-by-identity eqv-hash hash) (%table-kind table))))
