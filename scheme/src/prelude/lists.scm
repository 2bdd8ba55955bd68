; Procedures on lists, vectors and strings that call procedures.

; The result of a walk along a list, if what it came to is the end of one.
(define (%at-end who rest result)
  (if (null? rest) result (error (string-append who ": not a list") rest)))

(define (member object list . same)
  (if (null? same)
      (%member object list)
      (let ((same? (car same)))
        (let loop ((rest list))
          (cond ((not (pair? rest)) (%at-end "member" rest #f))
                ((same? object (car rest)) rest)
                (else (loop (cdr rest))))))))

(define (assoc object list . same)
  (if (null? same)
      (%assoc object list)
      (let ((same? (car same)))
        (let loop ((rest list))
          (cond ((not (pair? rest)) (%at-end "assoc" rest #f))
                ((same? object (caar rest)) (car rest))
                (else (loop (cdr rest))))))))

(define (%any-null? lists)
  (and (pair? lists)
       (or (not (pair? (car lists))) (%any-null? (cdr lists)))))

(define (%map1 procedure list)
  (let loop ((list list) (result '()))
    (if (pair? list)
        (loop (cdr list) (cons (procedure (car list)) result))
        (%at-end "map" list (reverse result)))))

(define map
  (case-lambda
    ((procedure list) (%map1 procedure list))
    ((procedure a b)
     (let loop ((a a) (b b) (result '()))
       (if (and (pair? a) (pair? b))
           (loop (cdr a) (cdr b) (cons (procedure (car a) (car b)) result))
           (reverse result))))
    ((procedure . lists)
     (let loop ((lists lists) (result '()))
       (if (%any-null? lists)
           (reverse result)
           (loop (%map1 cdr lists) (cons (apply procedure (%map1 car lists)) result)))))))

(define for-each
  (case-lambda
    ((procedure list)
     (let loop ((list list))
       (if (pair? list)
           (begin (procedure (car list)) (loop (cdr list)))
           (%at-end "for-each" list (void)))))
    ((procedure . lists)
     (let loop ((lists lists))
       (if (not (%any-null? lists))
           (begin
             (apply procedure (%map1 car lists))
             (loop (%map1 cdr lists))))))))

(define (append-map procedure . lists) (apply append (apply map procedure lists)))

(define (filter-map procedure . lists)
  (filter (lambda (x) x) (apply map procedure lists)))

(define (filter keep? list)
  (let loop ((list list) (result '()))
    (cond ((not (pair? list)) (reverse result))
          ((keep? (car list)) (loop (cdr list) (cons (car list) result)))
          (else (loop (cdr list) result)))))

(define (remove drop? list) (filter (lambda (x) (not (drop? x))) list))

(define (partition in? list)
  (values (filter in? list) (remove in? list)))

(define (fold kons seed list . lists)
  (if (null? lists)
      (let loop ((list list) (result seed))
        (if (pair? list) (loop (cdr list) (kons (car list) result)) result))
      (let loop ((lists (cons list lists)) (result seed))
        (if (%any-null? lists)
            result
            (loop (%map1 cdr lists)
                  (apply kons (append (%map1 car lists) (cons result '()))))))))

(define (fold-left procedure seed list . lists)
  (if (null? lists)
      (let loop ((list list) (result seed))
        (if (pair? list) (loop (cdr list) (procedure result (car list))) result))
      (let loop ((lists (cons list lists)) (result seed))
        (if (%any-null? lists)
            result
            (loop (%map1 cdr lists) (apply procedure result (%map1 car lists)))))))

(define (fold-right kons seed list . lists)
  (if (null? lists)
      (let loop ((list (reverse list)) (result seed))
        (if (pair? list) (loop (cdr list) (kons (car list) result)) result))
      (let loop ((lists (cons list lists)))
        (if (%any-null? lists)
            seed
            (apply kons (append (%map1 car lists) (cons (loop (%map1 cdr lists)) '())))))))

(define (reduce procedure seed list)
  (if (pair? list) (fold procedure (car list) (cdr list)) seed))

(define (delete object list . same)
  (let ((same? (if (pair? same) (car same) equal?)))
    (remove (lambda (x) (same? object x)) list)))

(define (delete-duplicates list . same)
  (let ((same? (if (pair? same) (car same) equal?)))
    (let loop ((list list) (result '()))
      (cond ((not (pair? list)) (reverse result))
            ((member (car list) result (lambda (a b) (same? b a))) (loop (cdr list) result))
            (else (loop (cdr list) (cons (car list) result)))))))

(define (any test list . lists)
  (if (null? lists)
      (let loop ((list list))
        (and (pair? list) (or (test (car list)) (loop (cdr list)))))
      (let loop ((lists (cons list lists)))
        (and (not (%any-null? lists))
             (or (apply test (%map1 car lists)) (loop (%map1 cdr lists)))))))

(define (every test list . lists)
  (if (null? lists)
      (let loop ((list list) (last #t))
        (if (pair? list)
            (let ((result (test (car list)))) (and result (loop (cdr list) result)))
            last))
      (let loop ((lists (cons list lists)) (last #t))
        (if (%any-null? lists)
            last
            (let ((result (apply test (%map1 car lists))))
              (and result (loop (%map1 cdr lists) result)))))))

(define (find-tail test list)
  (let loop ((list list))
    (and (pair? list) (if (test (car list)) list (loop (cdr list))))))

(define (find test list)
  (let ((tail (find-tail test list))) (and tail (car tail))))

(define (list-index test list)
  (let loop ((list list) (index 0))
    (and (pair? list) (if (test (car list)) index (loop (cdr list) (+ index 1))))))

(define (count test list)
  (let loop ((list list) (total 0))
    (if (pair? list) (loop (cdr list) (if (test (car list)) (+ total 1) total)) total)))

(define (iota count . options)
  (let ((start (if (pair? options) (car options) 0))
        (step (if (and (pair? options) (pair? (cdr options))) (cadr options) 1)))
    (let loop ((index (- count 1)) (result '()))
      (if (< index 0)
          result
          (loop (- index 1) (cons (+ start (* index step)) result))))))

(define (concatenate lists) (apply append lists))
(define (first list) (car list))
(define (second list) (cadr list))
(define (third list) (caddr list))
(define (fourth list) (cadddr list))
(define (fifth list) (car (cddddr list)))
(define (last list) (car (last-pair list)))
(define (drop list count) (list-tail list count))
(define (list-head list count) (take list count))

(define (take list count)
  (let loop ((list list) (count count) (result '()))
    (if (= count 0)
        (reverse result)
        (loop (cdr list) (- count 1) (cons (car list) result)))))

(define vector-map
  (case-lambda
    ((procedure vector)
     (let* ((length (vector-length vector)) (result (make-vector length)))
       (let loop ((index 0))
         (if (< index length)
             (begin
               (vector-set! result index (procedure (vector-ref vector index)))
               (loop (+ index 1)))
             result))))
    ((procedure . vectors)
     (list->vector (apply map procedure (%map1 vector->list vectors))))))

(define vector-for-each
  (case-lambda
    ((procedure vector)
     (let ((length (vector-length vector)))
       (let loop ((index 0))
         (if (< index length)
             (begin
               (procedure (vector-ref vector index))
               (loop (+ index 1)))))))
    ((procedure . vectors)
     (apply for-each procedure (%map1 vector->list vectors)))))

(define (vector-binary-search vector key compare)
  (let loop ((low 0) (high (- (vector-length vector) 1)))
    (and (<= low high)
         (let* ((middle (quotient (+ low high) 2))
                (order (compare key (vector-ref vector middle))))
           (cond ((= order 0) (vector-ref vector middle))
                 ((< order 0) (loop low (- middle 1)))
                 (else (loop (+ middle 1) high)))))))

(define (string-map procedure . strings)
  (list->string (apply map procedure (%map1 string->list strings))))

(define (string-for-each procedure . strings)
  (apply for-each procedure (%map1 string->list strings)))

(define (string-count string test)
  (count test (string->list string)))

(define (string-search-forward pattern string start) (%string-search pattern string start))

(define (string-join strings . delimiter)
  (let ((delimiter (if (pair? delimiter) (car delimiter) " ")))
    (if (null? strings)
        ""
        (let loop ((rest (cdr strings)) (parts (list (car strings))))
          (if (null? rest)
              (apply string-append (reverse parts))
              (loop (cdr rest) (cons (car rest) (cons delimiter parts))))))))

; Merge sort, stable. The arguments may come in either order.
(define (sort sequence before)
  (cond ((procedure? sequence) (sort before sequence))
        ((vector? sequence) (list->vector (%sort-list (vector->list sequence) before)))
        (else (%sort-list sequence before))))

(define (list-sort before list) (sort list before))

(define (%sort-list list before?)
  (define (merge a b)
    (let loop ((a a) (b b) (result '()))
      (cond ((null? a) (%append-reverse result b))
            ((null? b) (%append-reverse result a))
            ((before? (car b) (car a)) (loop a (cdr b) (cons (car b) result)))
            (else (loop (cdr a) b (cons (car a) result))))))
  (let sort ((list list) (length (length list)))
    (if (< length 2)
        (if (= length 0) '() (cons (car list) '()))
        (let ((half (quotient length 2)))
          (merge (sort list half) (sort (list-tail list half) (- length half)))))))

(define (%append-reverse list tail)
  (if (pair? list) (%append-reverse (cdr list) (cons (car list) tail)) tail))

; Numbers

(define (floor/ n d) (values (floor-quotient n d) (floor-remainder n d)))
(define (truncate/ n d) (values (quotient n d) (remainder n d)))
(define (1+ n) (+ n 1))
(define (-1+ n) (- n 1))
(define (add1 n) (+ n 1))
(define (sub1 n) (- n 1))

; The simplest rational within y of x, by continued fractions.
(define (rationalize x y)
  (define (simplest low high)
    (let ((whole (floor low)))
      (cond ((= whole low) whole)
            ((< whole (floor high)) (+ whole 1))
            (else (+ whole (/ 1 (simplest (/ 1 (- high whole)) (/ 1 (- low whole)))))))))
  (let ((low (- x (abs y))) (high (+ x (abs y))))
    (cond ((or (nan? low) (nan? high)) +nan.0)
          ((infinite? y) (if (infinite? x) +nan.0 0.0))
          ((infinite? x) x)
          ((and (<= low 0) (>= high 0)) (if (and (exact? x) (exact? y)) 0 0.0))
          ((< high 0) (- (simplest (- high) (- low))))
          (else (simplest low high)))))
