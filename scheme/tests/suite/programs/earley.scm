;;; Earley's parser, on an ambiguous grammar: every item keeps all ways in which it came about, then all
;;; trees are made and counted. The size is the number of words.

(import (scheme base) (scheme write) (scheme process-context) (scheme time))
(include "include/measure.scm")

;; A rule is (left right ...). Symbols with rules are not words.
(define grammar
  '((start sum)
    (sum sum sum)
    (sum number)))

(define (rules-for symbol)
  (let loop ((rules grammar))
    (cond ((null? rules) '())
          ((eq? (caar rules) symbol) (cons (car rules) (loop (cdr rules))))
          (else (loop (cdr rules))))))

;; An item: a rule, what is still to be seen of it, where it began, and its histories. A history is #f at
;; the beginning, or a pair of the item before the last symbol, and what that symbol was: a word or the
;; item that is complete.
(define-record-type item-type
  (make-item rule rest origin histories)
  item?
  (rule item-rule)
  (rest item-rest)
  (origin item-origin)
  (histories item-histories set-item-histories!))

(define (find-item items rule rest origin)
  (cond ((null? items) #f)
        ((and (eq? (item-rest (car items)) rest)
              (= (item-origin (car items)) origin)
              (eq? (item-rule (car items)) rule))
         (car items))
        (else (find-item (cdr items) rule rest origin))))

;; A set of items: a list of all, with a queue of those to look at.
(define (parse words)
  (let* ((length (vector-length words))
         (sets (make-vector (+ length 1) '())))

    (define (add! position rule rest origin history)
      (let ((known (find-item (vector-ref sets position) rule rest origin)))
        (if known
            (begin
              (if (and history (not (member-history? history (item-histories known))))
                  (set-item-histories! known (cons history (item-histories known))))
              #f)
            (let ((item (make-item rule rest origin (if history (list history) '()))))
              (vector-set! sets position (cons item (vector-ref sets position)))
              item))))

    (define (advance! position item what)
      (add! position (item-rule item) (cdr (item-rest item)) (item-origin item) (cons item what)))

    (define (predict! position symbol)
      (let loop ((rules (rules-for symbol)) (new '()))
        (if (null? rules)
            new
            (let ((item (add! position (car rules) (cdar rules) position #f)))
              (loop (cdr rules) (if item (cons item new) new))))))

    (define (complete! position item)
      (let loop ((items (vector-ref sets (item-origin item))) (new '()))
        (if (null? items)
            new
            (let* ((before (car items))
                   (waits? (and (pair? (item-rest before))
                                (eq? (car (item-rest before)) (car (item-rule item)))))
                   (after (and waits? (advance! position before item))))
              (loop (cdr items) (if after (cons after new) new))))))

    (define (process! position queue)
      (if (pair? queue)
          (let* ((item (car queue))
                 (rest (item-rest item))
                 (new (cond ((null? rest) (complete! position item))
                            ((pair? (rules-for (car rest))) (predict! position (car rest)))
                            (else
                             (if (and (< position length)
                                      (eq? (car rest) (vector-ref words position)))
                                 (advance! (+ position 1) item (car rest)))
                             '()))))
            (process! position (append new (cdr queue))))))

    (process! 0 (predict! 0 'start))
    (do ((position 1 (+ position 1)))
        ((> position length))
      (process! position (vector-ref sets position)))
    (let ((end (find-item (vector-ref sets length) (car grammar) '() 0)))
      (if end (trees end) '()))))

(define (member-history? history histories)
  (and (pair? histories)
       (or (and (eq? (car history) (caar histories)) (eq? (cdr history) (cdar histories)))
           (member-history? history (cdr histories)))))

;; All trees of a complete item: a list.
(define (trees item)
  (map-onto (lambda (parts) (cons (car (item-rule item)) (reverse parts)))
            (parts-of item)
            '()))

;; All lists of what an item has seen, the last part first.
(define (parts-of item)
  (if (null? (item-histories item))
      '(())
      (let loop ((histories (item-histories item)) (all '()))
        (if (null? histories)
            all
            (let ((befores (parts-of (caar histories)))
                  (lasts (if (item? (cdar histories))
                             (trees (cdar histories))
                             (list (cdar histories)))))
              (loop (cdr histories)
                    (let each ((lasts lasts) (all all))
                      (if (null? lasts)
                          all
                          (each (cdr lasts)
                                (map-onto (lambda (before) (cons (car lasts) before))
                                          befores
                                          all))))))))))

(define (map-onto procedure list onto)
  (if (null? list)
      onto
      (map-onto procedure (cdr list) (cons (procedure (car list)) onto))))

(define (count-leaves tree)
  (if (pair? tree)
      (let loop ((parts (cdr tree)) (sum 0))
        (if (null? parts) sum (loop (cdr parts) (+ sum (count-leaves (car parts))))))
      1))

(define (earley size)
  (let ((all (parse (make-vector size 'number))))
    (list (length all) (count-leaves (car all)))))

(measure 6 earley)
