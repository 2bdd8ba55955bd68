//! The Scheme as people meet it: the prompt, errors, the collector's flags, and what the
//! language has for references that do not keep alive.

mod common;

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

/// Runs it with options, and text on its standard input.
fn scheme(options: &[&str], input: &str) -> Output {
    let mut command = common::scheme();
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What the prompt prints for some forms.
#[track_caller]
fn session(input: &str, printed: &str, complained: &str) {
    let output = scheme(&[], input);
    assert_eq!(stdout(&output), printed, "{}", stderr(&output));
    assert_eq!(stderr(&output), complained);
    assert_eq!(output.status.code(), Some(0));
}

/// Runs a program from a file; its standard output.
#[track_caller]
fn program(options: &[&str], text: &str) -> String {
    let file = tempfile::Builder::new().suffix(".scm").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut all = options.to_vec();
    all.push(file.path().to_str().unwrap());
    let output = scheme(&all, "");
    assert_eq!(output.status.code(), Some(0), "{options:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn values_are_printed_and_the_unspecified_is_not() {
    session(
        "(+ 1 2) (define x 5)\nx\n(set! x 6)\n\"a\\nb\"\n(list x 'y #\\z)\n(if #f #f)\n(values 1 2)\n(values)\n",
        "3\n5\n\"a\\nb\"\n(6 y #\\z)\n1\n2\n",
        "",
    );
}

#[test]
fn forms_go_over_lines_and_lines_have_several() {
    session(
        "(define (f x)\n  (* x\n     2))\n(f 1) (f\n2)\n#| a\ncomment |# 7 ; eight\n",
        "2\n4\n7\n",
        "",
    );
}

#[test]
fn what_the_program_prints_has_lines_of_its_own() {
    session("(display \"x\")\n'y\n(begin (newline) 'z)\n", "x\ny\n\nz\n", "");
}

#[test]
fn the_program_reads_what_follows() {
    session("(read-line)\nthis is read\n(read-char)a\n", "\"this is read\"\n#\\a\n", "");
}

#[test]
fn errors_name_file_line_and_column_and_the_prompt_goes_on() {
    session(
        "(define (first p)\n  (car p))\n(first 5)\nnobody\n(let ((x 1))\n  (nobody x))\n(if)\n)\n(error \"why:\" 'a \"b\")\n(raise 'thing)\n'end\n",
        "end\n",
        "error: stdin:2:3: car: not a pair: 5\n\
         error: stdin:4:1: unbound variable: nobody\n\
         error: stdin:6:3: unbound variable: nobody\n\
         error: stdin:7:1: bad syntax: (if)\n\
         error: stdin:8:2: unexpected )\n\
         error: stdin:9:1: why: a \"b\"\n\
         error: uncaught object: thing\n",
    );
}

#[test]
fn an_incomplete_form_at_the_end_is_reported() {
    session(
        "1\n(car '(1 2)\n",
        "1\n",
        "error: stdin:3:1: end of file in a list that begins in line 2\n",
    );
}

#[test]
fn an_error_leaves_no_parameters_handlers_or_winders_behind() {
    let input = "(define log '())\n\
         (parameterize ((current-output-port (open-output-string)))\n\
           (with-exception-handler (lambda (e) (set! log (cons 'handled log)) (car log))\n\
             (lambda () (dynamic-wind list (lambda () (raise 'lost)) list))))\n\
         (display \"seen\")\n\
         (raise 'again)\n\
         log\n\
         (let loop ((n 100000)) (if (= n 0) 'deep (car (list (loop (- n 1))))))\n";
    let output = scheme(&[], input);
    assert_eq!(stdout(&output), "seen\n(handled)\ndeep\n", "{}", stderr(&output));
    assert!(stderr(&output).ends_with("error: uncaught object: again\n"), "{}", stderr(&output));
}

#[test]
fn a_continuation_of_an_earlier_form_can_be_used() {
    session(
        "(define k #f)\n(list 1 (call/cc (lambda (c) (set! k c) 2)))\n(k 3)\n(+ 1 (k 'four))\n",
        "(1 2)\n(1 3)\n(1 four)\n",
        "",
    );
}

#[test]
fn the_prompt_has_commands() {
    let output = scheme(
        &[],
        ",help\n,gc\n,heap\n,time (+ 1 2)\n,apropos weak-table-c\n,nothing\n,quit\n'not-read\n",
    );
    let text = stdout(&output);
    for part in [
        ",quit",
        "Full for Request",
        "major",
        "alive",
        "\n3\n",
        "program stopped",
        "weak-table-count",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("not-read"), "{text}");
    assert_eq!(stderr(&output), "error: no command is named ,nothing; see ,help\n");
}

#[test]
fn exit_ends_it_with_a_status() {
    let output = scheme(&[], "(display \"bye\") (exit 7)\n'not-read\n");
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("bye\n", Some(7)));
}

#[test]
fn an_uncaught_error_ends_a_program() {
    let file = tempfile::Builder::new().suffix(".scm").tempfile().unwrap();
    std::fs::write(
        file.path(),
        "(display \"before\")\n(define (f)\n  (vector-ref (vector 1) 2))\n(f)\n(display \"after\")",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let output = scheme(&[path], "");
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("before", Some(70)));
    let message =
        format!("error: {path}:3:3: vector-ref: index out of range, the length is 1: 2\n");
    assert_eq!(stderr(&output), message);
}

const ALLOCATES: &str = "
    (define kept (make-vector 500 #f))
    (do ((i 0 (+ i 1))) ((= i 5000)) (vector-set! kept (modulo i 500) (make-vector 1000 i)))
";

/// The cycles on a timeline.
fn cycles(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["ph"] == "X" && event["tid"] == 1).collect()
}

#[test]
fn the_timeline_has_every_cycle_and_every_stop_in_it() {
    for mode in ["concurrent", "stopped"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("timeline.json");
        let option = path.to_str().unwrap();
        program(&["--mode", mode, "--heap", "16m", "--gc-timeline", option], ALLOCATES);
        let text = std::fs::read_to_string(&path).unwrap();
        let timeline: Value = serde_json::from_str(&text).unwrap();
        let events = timeline["traceEvents"].as_array().unwrap();
        let numbers: Vec<_> =
            cycles(events).iter().map(|cycle| cycle["args"]["number"].as_u64().unwrap()).collect();
        assert!(numbers.len() > 2, "{mode}: {numbers:?}");
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{mode}: {numbers:?}");
        let span = |event: &Value| {
            let start = event["ts"].as_f64().unwrap();
            (start, start + event["dur"].as_f64().unwrap())
        };
        let stops: Vec<_> =
            events.iter().filter(|event| event["tid"] == 2 && event["ph"] == "X").collect();
        assert!(stops.len() >= numbers.len(), "{mode}");
        for stop in stops {
            let (start, end) = span(stop);
            // A microsecond for the rounding of the format.
            let within =
                |cycle: &&Value| span(cycle).0 <= start + 1.0 && end <= span(cycle).1 + 1.0;
            let cycles = cycles(events);
            // In the other mode a stop is the cycle, give or take what it takes to write it down.
            let whole =
                mode == "stopped" && cycles.iter().any(|cycle| span(cycle).0 <= start + 1.0);
            assert!(whole || cycles.iter().any(within), "{mode}: {stop}");
        }
    }
}

#[test]
fn a_timeline_that_cannot_be_written_is_refused() {
    let output = scheme(&["--gc-timeline", "/nowhere/timeline.json", "-e", "1"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nowhere/timeline.json"), "{}", stderr(&output));
}

#[test]
fn statistics_are_a_screen() {
    let file = tempfile::Builder::new().suffix(".scm").tempfile().unwrap();
    std::fs::write(file.path(), ALLOCATES).unwrap();
    let output = scheme(&["--heap", "16m", "--gc-stats", file.path().to_str().unwrap()], "");
    let text = stderr(&output);
    for part in [
        "minor",
        "major",
        "time in GC",
        "median",
        " us ",
        "#",
        "alive",
        "the limit is",
        "cost a fault",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let lines = text.lines().count();
    assert!((10..=24).contains(&lines), "{text}");
    let counted =
        |line: &str| line.split("us").nth(1)?.split_whitespace().next()?.parse::<u64>().ok();
    let bars = text.lines().filter(|line| line.trim_start().starts_with('<'));
    let in_bars: u64 = bars.filter_map(counted).sum();
    let pauses = text.lines().find(|line| line.starts_with("pauses")).unwrap();
    let pauses = pauses.split_whitespace().nth(1).unwrap().trim_end_matches(';');
    assert_eq!(pauses, in_bars.to_string(), "{text}");
}

#[test]
fn wrong_options_say_what_is_right() {
    for (options, wanted) in [
        (["--heap", "1m"], "at least 8 MiB"),
        (["--heap", "lots"], "k, m or g"),
        (["--tracker", "cards"], "no write barrier"),
        (["--tracker", "magic"], "uffd"),
        (["--markers", "100"], "1 to 64"),
        (["--gc-stress=0", "--gc-verify"], "1 collects at every allocation"),
    ] {
        let output = scheme(&options, "");
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(stderr(&output).contains(wanted), "{options:?}: {}", stderr(&output));
    }
}

/// A program must print the same in both modes and with every tracker, and pass the verifier.
#[track_caller]
fn everywhere(text: &str, printed: &str) {
    for options in [
        &["--gc-verify"][..],
        &["--gc-verify", "--mode", "stopped"],
        &["--gc-verify", "--tracker", "mprotect"],
        &["--gc-verify", "--tracker", "all-dirty"],
        &["--gc-stress=2000", "--mode", "stopped"],
    ] {
        assert_eq!(program(options, text), printed, "{options:?}");
    }
}

/// Some objects may seem to be in use, as stacks are searched for words that look like them.
const MOSTLY: &str = "
    (define (count-if p l) (fold (lambda (x n) (if (p x) (+ n 1) n)) 0 l))
    (define (most? count of) (<= (- of 20) count of))
    (define (times n make) (if (= n 0) '() (cons (make n) (times (- n 1) make))))
    (define kept (times 10 (lambda (n) (make-string n #\\a))))
    (define (print . values) (write values) (newline))
";

#[test]
fn weak_pairs_do_not_keep_their_cars() {
    let text = "
        (define lost (times 500 (lambda (n) (weak-cons (list n) n))))
        (define found (map (lambda (s) (weak-cons s (list s))) kept))
        (define number (weak-cons 5 6))
        (define changed (weak-cons (list 1) 2))
        (weak-set-car! changed kept)
        (weak-set-cdr! changed 3)
        (gc)
        (print (most? (count-if (lambda (p) (not (weak-pair/car? p))) lost) 500))
        (print (count-if (lambda (p) (not (weak-car p))) found) (map weak-cdr found))
        (print (weak-car number) (weak-cdr number) (weak-pair? number) (weak-pair? (cons 1 2)))
        (print (eq? kept (weak-car changed)) (weak-cdr changed))";
    let strings: Vec<_> = (1..=10).rev().map(|n| format!("(\"{}\")", "a".repeat(n))).collect();
    let printed = format!("(#t)\n(0 ({}))\n(5 6 #t #f)\n(#t 3)\n", strings.join(" "));
    everywhere(&format!("{MOSTLY}{text}"), &printed);
}

#[test]
fn a_guardian_hands_over_what_nothing_else_keeps() {
    let text = "
        (define g (make-guardian))
        (define (whole? x) (eq? (car x) (vector-ref (cadr x) 0)))
        (define (drain n) (let ((x (g))) (if (and x (whole? x)) (drain (+ n 1)) n)))
        (define weak (times 250 (lambda (n) (let ((x (list n (vector n)))) (g x) (weak-cons x n)))))
        (for-each g kept)
        (g 5)
        (gc)
        (print (count-if weak-pair/car? weak))
        (print (most? (drain 0) 250))
        (gc)
        (print (g) (most? (count-if (lambda (p) (not (weak-pair/car? p))) weak) 250))";
    everywhere(&format!("{MOSTLY}{text}"), "(250)\n(#t)\n(#f #t)\n");
}

#[test]
fn a_guardian_that_is_gone_keeps_nothing() {
    let text = "
        (define weak (times 250 (lambda (n)
          (let ((x (list n))) ((make-guardian) x) (weak-table-set! (make-weak-table) x x) (weak-cons x n)))))
        (gc)
        (gc)
        (print (most? (count-if (lambda (p) (not (weak-pair/car? p))) weak) 250))";
    everywhere(&format!("{MOSTLY}{text}"), "(#t)\n");
}

#[test]
fn ephemerons_and_weak_tables_keep_values_as_long_as_keys() {
    let text = "
        (define broken (times 250 (lambda (n) (let ((k (list n))) (make-ephemeron k (vector k))))))
        (define whole (map (lambda (k) (make-ephemeron k (vector k))) kept))
        (define number (make-ephemeron 5 'six))
        (define table (make-weak-table))
        (for-each (lambda (k) (weak-table-set! table k (list (string-length k) k))) kept)
        (times 250 (lambda (n) (let ((k (list n))) (weak-table-set! table k (vector k)))))
        (gc)
        (print (most? (count-if ephemeron-broken? broken) 250) (count-if ephemeron-broken? whole))
        (print (map (lambda (e) (eq? (ephemeron-key e) (vector-ref (ephemeron-datum e) 0))) whole))
        (print (ephemeron-key number) (ephemeron-datum number))
        (print (<= 10 (weak-table-count table) 30)
               (length (filter (lambda (e) (memq (car e) kept)) (weak-table->alist table))))
        (print (car (weak-table-ref table (car kept))) (weak-table-ref table \"a\" 'none))
        (weak-table-delete! table (car kept))
        (print (weak-table-ref table (car kept)))";
    let printed = "(#t 0)\n((#t #t #t #t #t #t #t #t #t #t))\n(5 six)\n(#t 10)\n(10 none)\n(#f)\n";
    everywhere(&format!("{MOSTLY}{text}"), printed);
}

#[test]
fn weak_references_are_in_libraries() {
    let text = "(import (scheme base) (scheme write) (only (strandline weak) weak-cons weak-cdr) (srfi 124))
        (write (weak-cdr (weak-cons 1 (ephemeron-datum (make-ephemeron 1 2)))))";
    assert_eq!(program(&[], text), "2");
}

/// `define-values` made its temporary list a global variable named `values`.
#[test]
fn define_values_leaves_values_alone() {
    let text = "
        (define-values (a b . c) (values 1 2 3 4))
        (define-values all (values 5 6))
        (define-values (car cdr) (values cdr car))
        (write (list a b c all (car '(1 2)) (cdr '(1 2))))
        (call-with-values (lambda () (values 7 8)) (lambda both (write both)))
        (define (inside) (define-values (x . y) (values 1 2)) (list x y))
        (write (inside))";
    assert_eq!(program(&[], text), "(1 2 (3 4) (5 6) (2) 1)(7 8)(1 (2))");
    session(
        "(define-values (a b) (values 1))\n",
        "",
        "error: stdin:1:1: define-values: called with 1 argument, which it does not take\n",
    );
}

/// An expression whose value the compiler knew was taken for a part of the template.
#[test]
fn quasi_quotation_evaluates_constants() {
    let text = "(write (list `(1 ,@'(2 3)) `(1 . ,'2) `#(a ,'b ,@'(c)) `(,@'(1) ,@'() . 4) `(x `(y ,(z ,'w)))))";
    let printed = "((1 2 3) (1 . 2) #(a b c) (1 . 4) (x `(y ,(z w))))";
    assert_eq!(program(&[], text), printed);
}

/// `thread-terminate!` was lost on a thread that the system had not started yet.
#[test]
fn threads_can_be_terminated_at_any_time() {
    let text = "
        (define (forever) (let loop () (loop)))
        (define (end thread)
          (thread-terminate! thread)
          (guard (e ((terminated-thread-exception? e) 'ended)) (thread-join! thread)))
        (do ((i 0 (+ i 1)) (result '() (end (thread-start! (make-thread forever)))))
            ((= i 50) (write result)))
        (write (end (make-thread forever)))
        (write (end (thread-start! (make-thread (lambda () (thread-terminate! (current-thread)) 1)))))
        (define me (current-thread))
        (thread-start! (make-thread (lambda () (thread-terminate! me))))
        (guard (e (#t (write 'caught))) (forever))";
    let file = tempfile::Builder::new().suffix(".scm").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = scheme(&[file.path().to_str().unwrap()], "");
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("endedendedended", Some(70)));
    assert!(stderr(&output).contains("thread terminated"), "{}", stderr(&output));
}

/// All ports had one lock, which was held while a thread waited for input.
#[test]
fn a_thread_that_waits_for_input_does_not_keep_others_from_writing() {
    let file = tempfile::Builder::new().suffix(".scm").tempfile().unwrap();
    let text = "
        (define reader (thread-start! (make-thread read-line)))
        (define (wait) (if (eq? (mutex-state started) 'not-abandoned) (begin (thread-yield!) (wait))))
        (define started (make-mutex))
        (thread-start! (make-thread (lambda () (mutex-lock! started #f #f))))
        (wait)
        (display \"written\")
        (flush-output-port)
        (display (thread-join! reader))
        (exit 0)";
    std::fs::write(file.path(), text.replace("read-line)))", "(lambda () (read-line)))))"))
        .unwrap();
    let mut command = common::scheme();
    command.arg(file.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut written = [0; 7];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut written).unwrap();
    assert_eq!(&written, b"written");
    child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("a line", Some(0)));
}

/// The sources of the interpreter.
fn sources(directory: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_porting_guide_quotes_what_is_there() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(package.join("../docs/porting.md")).unwrap();
    let quoted: Vec<_> = guide
        .split("```rust,ignore\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect();
    assert!((30..60).contains(&quoted.len()), "{} lines", quoted.len());
    let mut text = String::new();
    sources(&package.join("src"), &mut text);
    let lines: std::collections::HashSet<_> = text.lines().collect();
    let missing: Vec<_> = quoted.iter().filter(|line| !lines.contains(*line)).collect();
    assert!(missing.is_empty(), "not in scheme/src: {missing:#?}");
}
