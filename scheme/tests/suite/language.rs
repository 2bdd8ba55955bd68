//! Bugs of the language that were mended, each by its name.

use std::process::Output;

use crate::interpreter::{run, stderr};

/// Runs the text of a program.
fn program(options: &str, text: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program.scm");
    std::fs::write(&file, text).unwrap();
    run(options, &file, arguments)
}

/// What a program prints that must end well.
#[track_caller]
fn prints(text: &str, expected: &str) {
    let output = program("", text, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// The place and the message of the error that a program ends with.
#[track_caller]
fn complains(text: &str, expected: &str) {
    let output = program("", text, &[]);
    let complaint = stderr(&output);
    let complaint = complaint.trim_end().rsplit('/').next().unwrap_or_default();
    assert_eq!(complaint, expected, "{text}");
    assert_eq!(output.status.code(), Some(70), "{text}");
}

#[test]
fn a_record_type_that_is_redefined_leaves_the_procedures_of_the_old_one_alone() {
    let text = "
        (define-record-type point (make x) point? (x point-x set-x!))
        (define old (list make point? point-x set-x!))
        (define (use-old n) (let ((p ((car old) n))) ((cadddr old) p (+ n 1)) ((caddr old) p)))
        (define p (make 1))
        (define (f q) (point-x q))
        (define-record-type point (make y x) point? (y point-y) (x point-x))
        (write (list (use-old 5) ((cadr old) p) (point? p) ((cadr old) (make 1 2)) (point-x (make 1 2))))
        (write (guard (e (#t 'refused)) (point-x p)))
        (set! point 'something-else)
        (write (list (use-old 7) (point-y (make 3 4)) (f (make 3 4))))";
    prints(text, "(6 #t #f #f 2)refused(8 3 4)");
    // Each time that a body is entered there is a type of its own, as before.
    let text = "
        (define (types) (define-record-type t (make) t?) (list make t?))
        (define a (types)) (define b (types))
        (write (list ((cadr a) ((car a))) ((cadr a) ((car b)))))";
    prints(text, "(#t #f)");
}

#[test]
fn a_name_that_is_bound_twice_in_one_place_is_an_error() {
    for (text, name) in [
        ("\n (lambda (x x) x)", "x"),
        ("\n (lambda (x y . x) x)", "x"),
        ("\n (case-lambda ((a) a) ((a b a) b))", "a"),
        ("\n (define (f x x) x)", "x"),
        ("\n (let ((x 1) (y 2) (x 3)) x)", "x"),
        ("\n (let loop ((x 1) (x 2)) x)", "x"),
        ("\n (letrec ((x 1) (x 2)) x)", "x"),
        ("\n (letrec* ((x 1) (x 2)) x)", "x"),
        ("\n (let-values (((a b) (values 1 2)) ((c . a) (values 3))) a)", "a"),
        ("\n (let*-values (((a a) (values 1 2))) a)", "a"),
        ("\n (do ((i 0) (i 1)) (#t i))", "i"),
        ("\n (define-values (a . a) (values 1 2))", "a"),
        ("\n (define-record-type t (make x) t? (x t-x) (x t-y))", "x"),
        ("\n (define-record-type t (make x x) t? (x t-x))", "x"),
        ("\n (let-syntax ((m (syntax-rules ())) (m (syntax-rules ()))) 1)", "m"),
        ("(let ()\n (define x 1) (let ((z 1)) z)\n)(let ()\n (define x 1)\n (define x 2) x)", "x"),
    ] {
        let expected = format!("program.scm:{}:2: bound twice in the same place: {name}", {
            if text.starts_with('(') { 5 } else { 2 }
        });
        complains(text, &expected);
    }
    // In places of their own they may have one name, and macros bring names of their own.
    let text = "
        (define-syntax two (syntax-rules () ((_ x) (lambda (x y) (let ((y 3)) (list x y))))))
        (write (list ((two y) 1 2) (let* ((x 1) (x (+ x 1))) x)
                     (let*-values (((a) (values 1)) ((a) (values (+ a 1)))) a)))";
    prints(text, "((1 3) 2 2)");
}

#[test]
fn options_after_the_program_belong_to_it() {
    let text = "(write (cdr (command-line)))";
    let arguments = ["--heap", "-e", "x", "--no-such-option", "--", "--gc-log"];
    let output = program("--heap 64m", text, &arguments);
    let expected = "(\"--heap\" \"-e\" \"x\" \"--no-such-option\" \"--\" \"--gc-log\")";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", stderr(&output));
    // Before it they are the interpreter's.
    let output = program("--no-such-option", text, &[]);
    assert!(stderr(&output).contains("unexpected argument"), "{}", stderr(&output));
}

/// A thread that is terminated has ended when `thread-terminate!` returns, whatever it was doing:
/// its cell does not change any more.
#[test]
fn thread_terminate_waits_until_the_thread_has_ended() {
    let text = "
        (define (check body)
          (let* ((count (vector 0)) (t (thread-start! (make-thread (lambda () (body count))))))
            (let wait () (if (= 0 (vector-ref count 0)) (begin (thread-yield!) (wait))))
            (thread-terminate! t)
            (let ((then (vector-ref count 0)))
              (do ((i 0 (+ i 1))) ((= i 1000)) (thread-yield!))
              (list (= then (vector-ref count 0))
                    (guard (e ((terminated-thread-exception? e) 'terminated)) (thread-join! t 0))))))
        (define (add! v) (vector-set! v 0 (+ 1 (vector-ref v 0))))
        (define results
          (list (check (lambda (v) (let loop () (add! v) (loop))))
                (check (lambda (v) (add! v) (thread-sleep! 100000)))
                (check (lambda (v) (let loop () (add! v) (make-list 100 v) (loop))))
                (check (lambda (v) (add! v) (let ((m (make-mutex))) (mutex-lock! m) (mutex-lock! m))))))
        (write results)
        (newline)
        ; One that was never started, one that has ended, and two that terminate each other.
        (define never (make-thread (lambda () 1)))
        (thread-terminate! never)
        (define ended (thread-start! (make-thread (lambda () 5))))
        (thread-join! ended)
        (thread-terminate! ended)
        (write (list (guard (e ((terminated-thread-exception? e) 'never)) (thread-join! never)) (thread-join! ended)))
        (define a #f)
        (define b #f)
        (define (end-other other) (lambda () (let wait () (if (other) (thread-terminate! (other)) (wait)))))
        (set! a (make-thread (end-other (lambda () b))))
        (set! b (thread-start! (make-thread (end-other (lambda () a)))))
        (guard (e (#t #f)) (thread-start! a))
        (define (join t) (guard (e ((terminated-thread-exception? e) 'terminated)) (thread-join! t) 'ended))
        (write (if (memq 'terminated (list (join a) (join b))) 'one-at-least))";
    let expected =
        "((#t terminated) (#t terminated) (#t terminated) (#t terminated))\n(never 5)one-at-least";
    prints(text, expected);
}

#[test]
fn mutexes_of_threads_that_have_ended_are_abandoned() {
    let text = "
        (define m (make-mutex))
        (define n (make-mutex))
        (define o (make-mutex))
        (define (try m . options)
          (guard (e ((abandoned-mutex-exception? e) 'was-abandoned)) (apply mutex-lock! m options)))
        (define t (thread-start!
                   (make-thread (lambda () (mutex-lock! m) (mutex-lock! o) (mutex-lock! n) (mutex-unlock! o) 'done))))
        (write (list (thread-join! t) (mutex-state m) (mutex-state n) (mutex-state o)))
        (write (list (try m) (eq? (mutex-state m) (current-thread)) (mutex-unlock! m) (mutex-state m) (try m)))
        (newline)
        ; A thread that waits for it is told; so is one that locks it for a thread that has ended.
        (define locked (make-mutex))
        (define holder
          (thread-start! (make-thread (lambda () (mutex-lock! locked) (mutex-specific-set! locked #t) (thread-sleep! 100000)))))
        (let wait () (if (not (eq? (mutex-specific locked) #t)) (begin (thread-yield!) (wait))))
        (define waiter (thread-start! (make-thread (lambda () (try locked)))))
        (thread-terminate! holder)
        (write (list (thread-join! waiter) (mutex-state locked) (try o #f t) (mutex-state o) (try o) (try o 0)))
        ; What is locked for nobody stays locked.
        (define free (make-mutex))
        (thread-join! (thread-start! (make-thread (lambda () (mutex-lock! free #f #f)))))
        (write (list (mutex-state free) (try free 0)))
        (write (guard (e (#t (error-object? e))) (mutex-lock! free 0 'nobody)))";
    let expected = "(done abandoned abandoned not-abandoned)(was-abandoned #t #t not-abandoned #t)\n\
        (was-abandoned abandoned #t abandoned was-abandoned #f)(not-owned #f)#t";
    prints(text, expected);
}

/// A stop does not wait until a long primitive is done: another thread collects twice while one of
/// them runs. (Once could be a collection that had stopped everybody before it began.)
#[test]
fn long_primitives_have_safepoints() {
    let text = "
        (define collections 0)
        (define stop #f)
        (define collector
          (thread-start! (make-thread (lambda () (let loop () (gc) (set! collections (+ collections 1)) (if (not stop) (loop)))))))
        (define (check name primitive)
          (let try ((tries 200))
            (let ((before collections))
              (primitive)
              (cond ((>= (- collections before) 2) (display name) (newline))
                    ((= tries 0) (display (list name 'has 'no 'safepoint)) (newline))
                    (else (try (- tries 1)))))))
        (define circle (iota 100))
        (set-cdr! (list-tail circle 99) circle)
        (check 'list-tail (lambda () (list-tail circle 100000000)))
        (define as (make-string 100000 #\\a))
        (define pattern (string-append (make-string 5000 #\\a) (string #\\b)))
        (check 'string-search-forward (lambda () (string-search-forward pattern as 0)))
        (define big (expt 3 300000))
        (check 'number->string (lambda () (number->string big)))
        (define (times n x) (make-list n x))
        (define x (times 3000 (make-string 100000 #\\a)))
        (define y (times 3000 (make-string 100000 #\\a)))
        (check 'equal? (lambda () (equal? x y)))
        (define z (times 1000 (iota 1000)))
        (define port (open-output-string))
        (check 'write (lambda () (set! port (open-output-string)) (write z port)))
        (set! stop #t)
        (thread-join! collector)";
    prints(text, "list-tail\nstring-search-forward\nnumber->string\nequal?\nwrite\n");
}

#[test]
fn exit_runs_what_dynamic_wind_has_outstanding() {
    let text = "
        (dynamic-wind list
          (lambda () (dynamic-wind list (lambda () (exit 3)) (lambda () (display \"inner \"))))
          (lambda () (display \"outer\")))";
    let output = program("", text, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "inner outer");
    assert_eq!(output.status.code(), Some(3));
    let text = "(dynamic-wind list (lambda () (emergency-exit 4)) (lambda () (display \"after\")))";
    let output = program("", text, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(output.status.code(), Some(4));
}
