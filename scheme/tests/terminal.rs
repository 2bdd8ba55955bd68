//! The Scheme's prompt on a terminal: line editing, history, completion, interrupts.

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::pty::openpty;

/// The prompt on a terminal of its own.
struct Terminal {
    child: Child,
    master: File,
    /// What it has shown, without control sequences, that was not looked for yet.
    shown: String,
}

impl Terminal {
    fn start(state: &Path) -> Self {
        let pair = openpty(None, None).unwrap();
        let mut command = common::scheme();
        command.env("TERM", "xterm").env("XDG_STATE_HOME", state);
        let stream = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        command.stdin(stream(&pair.slave)).stdout(stream(&pair.slave)).stderr(stream(&pair.slave));
        // SAFETY: both calls are async-signal-safe and take no pointers that matter.
        unsafe {
            command.pre_exec(|| {
                // The terminal's interrupts are for it.
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop(pair.slave);
        let mut terminal = Self { child, master: pair.master.into(), shown: String::new() };
        terminal.expect("> ");
        terminal
    }

    fn enter(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until it has shown a text.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let mut raw = Vec::new();
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            let mut bytes = [0; 4096];
            match self.master.read(&mut bytes) {
                Ok(0) => panic!("the end instead of {text:?}, after {:?}", self.shown),
                Ok(count) => raw.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("{error} instead of {text:?}, after {:?}", self.shown),
            }
            let rest = raw.split_off(whole(&raw));
            self.shown += &plain(&raw);
            raw = rest;
        }
    }

    /// Ends it at the next prompt: before that, the end of the input would not be for the editor.
    fn end(mut self) {
        self.expect("> ");
        self.enter("\x04");
        let mut rest = Vec::new();
        // When the other side is closed this is an error.
        let _ = self.master.read_to_end(&mut rest);
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", plain(&rest));
    }
}

/// How many bytes there are without a control sequence at the end that has not arrived in full.
fn whole(bytes: &[u8]) -> usize {
    match bytes.iter().rposition(|&byte| byte == 0x1b) {
        Some(at) if !bytes[at..].iter().any(u8::is_ascii_alphabetic) => at,
        _ => bytes.len(),
    }
}

/// Text without the sequences that move the cursor and the like.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
    }
    plain.replace('\r', "")
}

#[test]
fn forms_over_lines_errors_and_history_on_a_terminal() {
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(state.path());
    terminal.enter("(define (f x)\r");
    terminal.expect("\n. ");
    terminal.enter("(car x))\r");
    terminal.expect("\n> ");
    terminal.enter("(f 5)\r");
    terminal.expect("error: repl:2:1: car: not a pair: 5\n");
    terminal.expect("> ");
    terminal.enter("(f '(six)) (list 'se 'ven)\r");
    terminal.expect("\nsix\n(se ven)\n");
    terminal.expect("> ");
    // The line before, from the history.
    terminal.enter("\x1b[A\r");
    terminal.expect("\nsix\n(se ven)\n");
    terminal.end();

    let mut again = Terminal::start(state.path());
    again.enter("(define (f x) 'new)\r");
    again.expect("\n> ");
    again.enter("\x1b[A\x1b[A\r");
    again.expect("\nnew\n(se ven)\n");
    again.end();
}

#[test]
fn names_and_commands_are_completed() {
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(state.path());
    terminal.enter("(define unheard-of-name 'found)\r");
    terminal.expect("\n> ");
    terminal.enter("(list unheard-\t)\r");
    terminal.expect("\n(found)\n");
    terminal.expect("> ");
    terminal.enter(",hea\t\r");
    terminal.expect("committed");
    terminal.end();
}

#[test]
fn an_interrupt_ends_the_evaluation_and_not_the_prompt() {
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(state.path());
    for forever in ["(let loop () (loop))", "(thread-sleep! 1000000)", "(let loop () (+ 1 (loop)))"]
    {
        // What is waited for is printed when the line editor has given the terminal back.
        terminal
            .enter(&format!("(begin (write '(on . (its way))) (flush-output-port) {forever})\r"));
        terminal.expect("(on its way)");
        terminal.enter("\x03");
        terminal.expect("interrupted\n");
        terminal.expect("> ");
    }
    // A line that is being typed is given up, too.
    terminal.enter("(car 'never\x03");
    terminal.expect("> ");
    terminal.enter("(list 1 '(2))\r");
    terminal.expect("\n(1 (2))\n");
    terminal.end();
}
