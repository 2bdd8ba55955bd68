//! Which back-end a program gets, and what it is told about the others.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use strandline::dirty::{BackendKind, Selection, TRACKER_VARIABLE, TrackerOptions};
use strandline::os::userfaultfd::{Door, Userfaultfd};

use super::Single;
use crate::harness::role::{self, Ended, Role};
use crate::harness::{Environment, Mapping, Verdict};

pub(super) const ROLES: &[Role] =
    &[("select", || select(false)), ("select_with_barriers", || select(true))];

pub(super) fn singles(environment: Environment) -> &'static [Single] {
    match environment {
        Environment::DeviceOnly => BY_THE_DEVICE,
        _ if environment.forbids_userfaultfd() => WITHOUT_USERFAULTFD,
        _ => ANYWHERE,
    }
}

const ANYWHERE: &[Single] = &[
    ("selection::by_variable", by_variable),
    ("selection::bad_variable", bad_variable),
    ("selection::automatic", automatic),
];

const BY_THE_DEVICE: &[Single] =
    &[("selection::by_the_device", by_the_device), ("selection::automatic", automatic)];

const WITHOUT_USERFAULTFD: &[Single] = &[
    ("selection::bad_variable", bad_variable),
    ("selection::falls_to_mprotect_and_says_why", falls_to_mprotect_and_says_why),
    ("selection::explicit_uffd_is_refused", explicit_uffd_is_refused),
];

/// Says on stdout what is selected here.
fn select(barriers: bool) {
    let memory = Mapping::anonymous(4);
    let options = TrackerOptions { barriers, ..TrackerOptions::default() };
    match Selection::open(memory.range(), &options) {
        Ok(selection) => println!("{selection}"),
        Err(error) => println!("error: {error}"),
    }
}

/// What a process with this variable says.
fn with_variable(role: &str, value: Option<&OsStr>) -> String {
    let mut command = role::command(role);
    command.env_remove(TRACKER_VARIABLE);
    if let Some(value) = value {
        command.env(TRACKER_VARIABLE, value);
    }
    let ended = Ended::new(command.output().expect("the test binary starts"));
    ended.expect_success();
    ended.text
}

fn by_variable() -> Verdict {
    let ask = |role, name: &str| with_variable(role, Some(OsStr::new(name)));
    for name in ["uffd", "mprotect", "all-dirty"] {
        let text = ask("select", name);
        let refused = format!("error: the {name} back-end was asked for and cannot be used");
        let taken = text.starts_with(&format!("tracker: {name}\n"));
        assert!(taken || (name == "uffd" && text.starts_with(&refused)), "{text}");
    }
    let text = ask("select", "cards");
    assert!(text.starts_with("error: ") && text.contains("TrackerOptions::barriers"), "{text}");
    assert!(ask("select_with_barriers", "cards").starts_with("tracker: cards\n"));
    let text = ask("select_with_barriers", "model");
    assert!(text.starts_with("error: ") && text.contains("no real memory"), "{text}");
    Verdict::Passed
}

fn bad_variable() -> Verdict {
    let not_text = OsString::from_vec(vec![b'u', 0xFF]);
    for value in [OsStr::new("soft-dirty"), OsStr::new("UFFD"), &not_text] {
        let text = with_variable("select", Some(value));
        assert!(text.starts_with(&format!("error: {TRACKER_VARIABLE}: ")), "{value:?}: {text}");
        for name in BackendKind::ALL.map(BackendKind::name) {
            assert!(text.contains(name), "{name:?} is not in: {text}");
        }
    }
    Verdict::Passed
}

fn automatic() -> Verdict {
    let expected =
        if Userfaultfd::open().is_ok() { "tracker: uffd\n" } else { "tracker: mprotect\n" };
    for value in [None, Some(OsStr::new("")), Some(OsStr::new("auto"))] {
        let text = with_variable("select", value);
        assert!(text.starts_with(expected), "{text}");
    }
    Verdict::Passed
}

fn by_the_device() -> Verdict {
    assert_eq!(Userfaultfd::open().unwrap().door(), Door::Device);
    Verdict::Passed
}

fn falls_to_mprotect_and_says_why() -> Verdict {
    let text = with_variable("select", None);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("tracker: mprotect"), "{text}");
    let reason = lines.next().unwrap_or_default();
    assert!(reason.starts_with("  not uffd: "), "{text}");
    says_cause_and_remedy(reason);
    Verdict::Passed
}

fn explicit_uffd_is_refused() -> Verdict {
    let text = with_variable("select", Some(OsStr::new("uffd")));
    assert!(
        text.starts_with("error: the uffd back-end was asked for and cannot be used"),
        "{text}"
    );
    says_cause_and_remedy(&text);
    Verdict::Refused(text)
}

/// Each door is named, with the kernel's word and what would open it.
fn says_cause_and_remedy(text: &str) {
    let denied = match Environment::current() {
        Environment::SeccompEnosys => "os error 38",
        _ => "os error 1",
    };
    let doors = Door::ALL.map(|door| door.to_string());
    for part in doors.iter().map(String::as_str).chain([denied, "seccomp profile"]) {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
