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
