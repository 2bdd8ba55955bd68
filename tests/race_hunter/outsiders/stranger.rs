//! Another process that writes to this one: the test binary started again, as a debugger would be.
//!
//! It is no fork, so it knows nothing of this process's heaps and trackers.

use std::io::{self, Read, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::errno::Errno;
use nix::libc::c_long;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getppid, gettid};
use std::os::unix::fs::FileExt;

use super::kernel::{Way, memory_of, vm_write};

/// Says how the process that is started is to write.
const VARIABLE: &str = "STRANDLINE_HUNT_STRANGER";

const WAYS: [Way; 3] = [Way::OthersVmWrite, Way::OthersProcMem, Way::Ptrace];

const WORD: usize = size_of::<u64>();

/// A process that writes when it is asked to.
pub(crate) struct Stranger {
    process: Child,
    orders: Option<ChildStdin>,
    answers: ChildStdout,
}

impl Stranger {
    pub(super) fn start(way: Way) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.env(VARIABLE, format!("{way:?}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        Ok(Self { process, orders, answers: answers.expect("it is piped") })
    }

    /// An order: the calling thread, the address, how many bytes, and these. The answer: an error
    /// number, or zero.
    pub(super) fn write(&mut self, address: usize, bytes: &[u8]) -> io::Result<()> {
        let thread = gettid().as_raw().cast_unsigned().into();
        let head = [thread, address as u64, bytes.len() as u64].map(u64::to_ne_bytes);
        let order = [head.as_flattened(), bytes].concat();
        self.orders.as_mut().expect("it is open").write_all(&order)?;
        let mut answer = [0; size_of::<i32>()];
        self.answers.read_exact(&mut answer)?;
        match i32::from_ne_bytes(answer) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Without orders it ends.
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// In a process that was started as a stranger: follows orders and does not return.
pub(crate) fn play_if_asked() {
    let Ok(name) = std::env::var(VARIABLE) else { return };
    let way = WAYS.into_iter().find(|way| format!("{way:?}") == name);
    let way = way.unwrap_or_else(|| panic!("{VARIABLE}={name}: no such way"));
    while let Some((thread, address, bytes)) = next_order() {
        let result = follow(way, thread, address, &bytes);
        let number = result.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        let answered = stdout().write_all(&number.to_ne_bytes()).and_then(|()| stdout().flush());
        answered.expect("whoever orders waits for the answer");
    }
    std::process::exit(0);
}

fn next_order() -> Option<(Pid, usize, Vec<u8>)> {
    let mut head = [0; 3 * WORD];
    stdin().read_exact(&mut head).ok()?;
    let word = |index: usize| {
        let bytes = head[index * WORD..][..WORD].try_into().expect("a word");
        u64::from_ne_bytes(bytes) as usize
    };
    let mut bytes = vec![0; word(2)];
    stdin().read_exact(&mut bytes).ok()?;
    Some((Pid::from_raw(word(0) as i32), word(1), bytes))
}

fn follow(way: Way, thread: Pid, address: usize, bytes: &[u8]) -> io::Result<()> {
    match way {
        Way::OthersVmWrite => vm_write(getppid(), address, bytes),
        Way::OthersProcMem => memory_of(getppid())?.write_all_at(bytes, address as u64),
        _ => poke(thread, address, bytes),
    }
}

/// As a debugger: stops the thread that waits for the answer, writes words, and lets it go on.
fn poke(thread: Pid, address: usize, bytes: &[u8]) -> io::Result<()> {
    ptrace::seize(thread, ptrace::Options::empty())?;
    let written = poke_words(thread, address, bytes);
    ptrace::detach(thread, None)?;
    Ok(written?)
}

fn poke_words(thread: Pid, address: usize, bytes: &[u8]) -> Result<(), Errno> {
    ptrace::interrupt(thread)?;
    waitpid(thread, Some(WaitPidFlag::__WALL))?;
    for (index, word) in bytes.chunks_exact(WORD).enumerate() {
        let to = std::ptr::without_provenance_mut(address + index * WORD);
        ptrace::write(thread, to, c_long::from_ne_bytes(word.try_into().expect("a word")))?;
    }
    Ok(())
}
