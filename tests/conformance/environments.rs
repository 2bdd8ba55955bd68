//! The suite in other environments: each is a process that runs all of it again.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use strandline::os::userfaultfd::{Door, Userfaultfd};

use crate::harness::Environment;

/// Nobody, by number: there may be no such name.
const NOBODY: u32 = 65534;

/// One trial for each environment.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |environment: Environment| {
        Trial::ignorable_test(format!("environment::{}", environment.name()), move || {
            run(environment)
        })
    };
    Environment::CHILDREN.into_iter().map(trial).collect()
}

fn run(environment: Environment) -> Result<Completion, Failed> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("--color=never");
    command.env(Environment::VARIABLE, environment.name());
    match environment {
        Environment::Native => unreachable!("it is where we are"),
        Environment::Unprivileged if !nix::unistd::geteuid().is_root() => {
            return Ok(Completion::ignored_with("the suite runs unprivileged already"));
        }
        Environment::Unprivileged => as_nobody(&mut command)?,
        Environment::DeviceOnly => {
            if let Err(error) = Userfaultfd::open_by(Door::Device) {
                return Ok(Completion::ignored_with(error));
            }
            under_filter(&mut command, libc::EPERM, false)?;
        }
        Environment::SeccompEperm => under_filter(&mut command, libc::EPERM, true)?,
        Environment::SeccompEnosys => under_filter(&mut command, libc::ENOSYS, true)?,
    }
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        summarise(environment, &text);
        return Ok(Completion::Completed);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{text}\n{errors}", output.status).into())
}

/// What was not run there and why, the totals, and the table if it was asked for.
fn summarise(environment: Environment, text: &str) {
    let mut not_run = BTreeMap::<_, Vec<_>>::new();
    for line in text.lines() {
        if let Some((trial, reason)) = line.split_once("... ignored ") {
            let trial = trial.trim_start_matches("test ").trim();
            not_run.entry(reason).or_default().push(trial);
        }
    }
    println!();
    for (reason, trials) in not_run {
        println!("  {}: not run {reason}: {}", environment.name(), trials.join(", "));
    }
    for totals in text.lines().filter(|line| line.starts_with("test result")) {
        println!("  {}: {totals}", environment.name());
    }
    print!("{}", text.find("\n### ").map_or("", |at| &text[at..]));
}

/// Starts `command` without privileges.
///
/// Dropping them makes a process undumpable, which bars it from its own `/proc` entries; `execve`
/// makes it dumpable again. It goes by descriptor, since the directories of the binary may be closed
/// to others.
fn as_nobody(command: &mut Command) -> Result<(), Failed> {
    let binary = File::open("/proc/self/exe")?;
    let variables = std::env::vars_os().filter(|(name, _)| name != Environment::VARIABLE);
    let environment = (Environment::VARIABLE.into(), Environment::Unprivileged.name().into());
    let variables = variables
        .chain([environment])
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()));
    let variables = variables.collect::<Result<Vec<_>, _>>()?;
    let arguments = [c"conformance".to_owned(), c"--color=never".to_owned()];
    let drop_privileges = move || {
        use nix::unistd::{Gid, Uid, fexecve, setgid, setgroups, setuid};
        setgroups(&[])?;
        setgid(Gid::from_raw(NOBODY))?;
        setuid(Uid::from_raw(NOBODY))?;
        fexecve(&binary, &arguments, &variables)?;
        Ok(())
    };
    // SAFETY: the closure makes system calls; nix builds two arrays of pointers, and glibc's
    // allocator is usable in a forked child.
    unsafe { command.pre_exec(drop_privileges) };
    Ok(())
}

/// Starts `command` where the system call `userfaultfd` ends with `errno`, and with `device` the
/// other way too, through the device, which a container does not have.
fn under_filter(command: &mut Command, errno: i32, device: bool) -> Result<(), Failed> {
    /// `USERFAULTFD_IOC_NEW`.
    const NEW: u64 = 0xAA00;
    let is_new = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, NEW)?;
    let mut rules = BTreeMap::from([(libc::SYS_userfaultfd, vec![])]);
    if device {
        rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![is_new])?]);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    let install = move || seccompiler::apply_filter(&program).map_err(std::io::Error::other);
    // SAFETY: the closure makes two system calls, and allocates only if they fail.
    unsafe { command.pre_exec(install) };
    Ok(())
}
