//! One run: the process, what it says, and what it cost.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::Result;
use crate::parse;
use crate::plan::Job;
use crate::sample::{Sample, Status};
use crate::subject::{Subject, Workshop};

/// No run is worth more.
pub(crate) const LONGEST: Duration = Duration::from_secs(180);

/// What a process said and cost.
struct Ended {
    stdout: String,
    stderr: String,
    status: ExitStatus,
    too_long: bool,
    wall: Duration,
    cpu: Duration,
    rss_mib: f64,
}

pub(crate) fn run(workshop: &Workshop, job: &Job, subject: Subject) -> Result<Sample> {
    let mut command = workshop.command(job, subject);
    let ended = process(&mut command)?;
    let status = match ended.status.code() {
        _ if ended.too_long => Status::TooLong(LONGEST.as_secs()),
        Some(0) => Status::Done,
        Some(3) => Status::OutOfMemory,
        _ => {
            let last = ended.stderr.lines().last().unwrap_or_default();
            Status::Failed(format!("{}: {last}", ended.status))
        }
    };
    let mut sample = Sample::new(job, subject, status);
    if sample.status == Status::Done
        && let Err(error) = figures(workshop, &ended, &mut sample)
    {
        sample.status = Status::Failed(error.to_string());
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    sample.fields.insert("wall_ms".into(), ms(ended.wall));
    sample.fields.insert("cpu_ms".into(), ms(ended.cpu));
    sample.fields.insert("rss_mib".into(), ended.rss_mib);
    Ok(sample)
}

/// Takes the figures from what a run has left.
fn figures(workshop: &Workshop, ended: &Ended, sample: &mut Sample) -> Result<()> {
    parse::understand(&ended.stdout, sample)?;
    if matches!(sample.subject, Subject::JavaG1 | Subject::JavaZ) {
        parse::java_pauses(&std::fs::read_to_string(workshop.java_log())?, sample);
    }
    parse::derive(sample);
    Ok(())
}

/// Runs a process to its end, or to the longest time.
fn process(command: &mut Command) -> Result<Ended> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} cannot be run: {error}", command.get_program().display()))?;
    let (mut out, mut err) =
        (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let pid = libc::pid_t::try_from(child.id())?;
    std::thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let watch = scope.spawn(move || {
            let too_long = is_done.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
            if too_long {
                // SAFETY: no memory is involved; the child is waited for after this thread has ended,
                // so the number is still its.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            too_long
        });
        let errors = scope.spawn(move || {
            let mut stderr = Vec::new();
            err.read_to_end(&mut stderr).map(|_| stderr)
        });
        let mut stdout = Vec::new();
        let read = out.read_to_end(&mut stdout);
        let stderr = errors.join().expect("reading does not panic");
        drop(done);
        let too_long = watch.join().expect("watching does not panic");
        let (status, usage) = wait(child)?;
        read?;
        let time = |t: libc::timeval| {
            Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
        };
        Ok(Ended {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr?).into_owned(),
            status,
            too_long,
            wall: start.elapsed(),
            cpu: time(usage.ru_utime) + time(usage.ru_stime),
            rss_mib: usage.ru_maxrss as f64 / 1024.0,
        })
    })
}

/// Waits for a child, for the sake of what it used.
fn wait(child: Child) -> Result<(ExitStatus, libc::rusage)> {
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::zeroed();
    loop {
        // SAFETY: both pointers are to memory of ours of that type.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            // SAFETY: zeroed is a value, and the kernel has written another.
            return Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
}
