//! Memory that a virtual machine has not had from its host yet costs many times more to touch for the
//! first time: 7 microseconds a page were seen, against 0.2 to 1.3. Whoever runs first would pay for
//! all. So before each run so much memory is touched, and given back to the kernel, as the run will
//! need: the kernel hands out again first what was freed last.

use std::process::Command;

use memmap2::{Advice, MmapMut};

use crate::Result;
use crate::plan::Job;
use crate::subject::Subject;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// What is touched for a run without a collection, of which nobody knows what it needs.
const WITHOUT_LIMIT_MIB: usize = 4096;

/// What a run may need.
pub(crate) fn wanted_mib(limit_mib: u64, subject: Subject) -> usize {
    let wanted = limit_mib as usize * 5 / 4 + 256;
    if subject == Subject::NoCollect { wanted.max(WITHOUT_LIMIT_MIB) } else { wanted }
}

/// Has as much memory touched as a run of the job may need, but at most half of what there is.
pub(crate) fn warm(job: &Job, subject: Subject) -> Result<()> {
    let wanted = wanted_mib(job.limit_mib, subject).min(available_mib()? / 2);
    // In a process of its own: a child's peak of resident memory begins with its parent's.
    // By this name the program is there even if it was built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    let status = command.args(["--touch-mib", &wanted.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Touches so much memory.
pub(crate) fn touch(mib: usize) -> Result<()> {
    let mut memory = MmapMut::map_anon(mib * MIB)?;
    // The mapping goes whatever it is made of; huge pages are had sooner.
    let huge = memory.advise(Advice::HugePage);
    if let Err(error) = huge {
        eprintln!("no huge pages to warm the memory with: {error}");
    }
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    Ok(())
}

fn available_mib() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    Ok(kib.ok_or("no MemAvailable in /proc/meminfo")? / 1024)
}
