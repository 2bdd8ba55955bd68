//! Incremental checkpoints of a plain buffer, with no heap in sight: the guide to the tracker.
//!
//! A program changes a mapped buffer. After every step only the pages that it wrote are appended
//! to a file; at the end the file is restored into a fresh buffer and compared.
//!
//! ```text
//! cargo run --release --example checkpoint -- --mib 256 --steps 8 --dirty-percent 1
//! ```
//!
//! The four things to get right are marked (1) to (4) below.
//!
//! # The file
//!
//! All numbers are 64-bit, little-endian.
//!
//! | part | contents |
//! |---|---|
//! | header | magic `SLCKPT01`, page size in bytes, size of the buffer in pages |
//! | run, any number of times | `R`, number of the first page, number of pages, their bytes |
//! | commit, after the runs of a step | `C`, number of the step from 0, checksum |
//!
//! The checksum covers all bytes since the header or the previous commit. A crash may tear the end
//! of the file; what follows the last valid commit is ignored.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use memmap2::MmapMut;
use strandline::dirty::{
    BackendKind, PageSet, Selection, Sight, Tracker, TrackerOptions, UffdOptions, UnknownBackend,
};
use strandline::os::memory::{Advice, advise};
use strandline::os::{PageRange, page_size};

/// Checkpoints a buffer step by step, restores it and compares.
#[derive(Parser)]
pub(crate) struct Options {
    /// Size of the buffer in MiB
    #[arg(long, default_value_t = 64)]
    pub(crate) mib: usize,
    /// Checkpoints to make
    #[arg(long, default_value_t = 8)]
    pub(crate) steps: u64,
    /// Part of the buffer that the program writes in a step
    #[arg(long, default_value_t = 1.0)]
    pub(crate) dirty_percent: f64,
    /// auto, uffd, mprotect or all-dirty. Not cards: a card table sees only stores that are
    /// followed by a write barrier, and this program's stores are plain ones
    #[arg(long, default_value = "auto", value_parser = back_end)]
    pub(crate) tracker: Choice,
    /// The checkpoint file; without this a temporary one
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

/// A back-end, or `None` for the best that works.
pub(crate) type Choice = Option<BackendKind>;

fn back_end(name: &str) -> Result<Choice, String> {
    match name.parse() {
        _ if name == "auto" => Ok(None),
        Ok(BackendKind::Cards | BackendKind::Model) => {
            Err("this program's stores are plain ones, which that back-end does not see".to_owned())
        }
        Ok(kind) => Ok(Some(kind)),
        Err(UnknownBackend(_)) => Err("neither auto nor a back-end".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("checkpoint: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let path = options.file.clone().unwrap_or_else(|| temporary.path().join("checkpoint"));

    let mut buffer = MmapMut::map_anon(options.mib << 20)?;
    let range = PageRange::of_slice(&buffer).ok_or("an empty buffer")?;
    // (1) A program that declares what it does may get a cheaper tracker: much of this buffer is
    // never touched, and `sparse` leaves that out (it is zero in a fresh buffer as well).
    let uffd = UffdOptions { sparse: true, ..UffdOptions::default() };
    let selection = Selection::open(
        range,
        &TrackerOptions { backend: options.tracker, uffd, barriers: false },
    )?;
    println!("{selection}");
    let tracker = &selection.tracker;
    // SAFETY: the buffer is mapped readable and writable, is ours, and is dropped after the tracker.
    unsafe { tracker.register(range)? };

    println!("step  pages dirty     bytes written  of the full size        ms");
    let mut file = create(&path, &buffer)?;
    let owed = PageSet::new(range);
    for step in 0..options.steps {
        mutate(&mut buffer, step, options.dirty_percent, tracker, &owed);
        let start = Instant::now();
        // (2) Everything that was written since the last time is owed a visit. The visit starts
        // after `consume` has returned, so a store during it would be found the next time.
        tracker.consume(range, &owed)?;
        let (pages, bytes) = (owed.len(), append(&mut file, step, &buffer, &owed)?);
        // (3) Only what is safely in the file is no longer owed.
        owed.clear();
        let (share, ms) =
            (bytes as f64 / range.bytes() as f64, start.elapsed().as_secs_f64() * 1e3);
        println!("{step:4}  {pages:11}  {bytes:16}  {:15.2} %  {ms:8.2}", share * 100.0);
    }
    println!("{}", tracker.stats());

    let mut fresh = MmapMut::map_anon(buffer.len())?;
    let restored = restore(&path, &mut fresh)?;
    if restored != options.steps || fresh[..] != buffer[..] {
        return Err(format!("restored {restored} steps, and they differ from the buffer").into());
    }
    println!("restored {restored} steps from {}: equal", path.display());
    Ok(())
}

/// The program: plain stores to random pages, and now and then it throws a stretch away.
pub(crate) fn mutate(
    buffer: &mut [u8],
    step: u64,
    percent: f64,
    tracker: &Tracker,
    owed: &PageSet,
) {
    let (range, mut state) = (owed.span(), step + 1);
    let mut random = move |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..(range.pages() as f64 * percent / 100.0).ceil() as usize {
        let at = random(buffer.len() - 8);
        buffer[at..at + 8].copy_from_slice(&(step + 1).to_le_bytes());
    }
    let pages = (range.pages() / 64).max(1);
    let stretch = range.subrange(random(range.pages() - pages + 1), pages);
    // SAFETY: a stretch of our own buffer, which is borrowed exclusively; it reads as zero then.
    let discarded = unsafe { advise(stretch, Advice::Discard) };
    discarded.expect("MADV_DONTNEED of private memory");
    // (4) What the tracker does not see by its nature, the program owes by its own account.
    if tracker.contract().discards != Sight::Seen {
        owed.insert(stretch);
    }
}

const MAGIC: u64 = u64::from_le_bytes(*b"SLCKPT01");
const RUN: u64 = b'R' as u64;
const COMMIT: u64 = b'C' as u64;

/// Starts a checkpoint file for a buffer of this size.
pub(crate) fn create(path: &Path, buffer: &[u8]) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(&header(buffer))?;
    Ok(file)
}

fn header(buffer: &[u8]) -> Vec<u8> {
    let (page, pages) = (page_size() as u64, (buffer.len() / page_size()) as u64);
    [MAGIC, page, pages].map(u64::to_le_bytes).concat()
}

/// Appends the pages of `owed` and commits. Returns how many bytes that took.
pub(crate) fn append(
    file: &mut File,
    step: u64,
    buffer: &[u8],
    owed: &PageSet,
) -> io::Result<usize> {
    let mut record = Vec::new();
    for run in owed {
        let offset = run.start() - owed.span().start();
        for number in [RUN, (offset / page_size()) as u64, run.pages() as u64] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.extend_from_slice(&buffer[offset..offset + run.bytes()]);
    }
    record.extend([COMMIT, step].map(u64::to_le_bytes).concat());
    record.extend(checksum(&record).to_le_bytes());
    file.write_all(&record)?;
    file.sync_data()?;
    Ok(record.len())
}

/// Brings `fresh`, which must be zero, to the last step that is whole in the file. Returns how many
/// steps that are; what is behind the last valid commit is ignored.
pub(crate) fn restore(path: &Path, fresh: &mut [u8]) -> io::Result<u64> {
    let file = std::fs::read(path)?;
    let Some(mut rest) = file.strip_prefix(&header(fresh)[..]) else {
        return Err(io::Error::other("this is not a checkpoint of a buffer of this size"));
    };
    let mut steps = 0;
    while let Some(runs) = read_step(&mut rest, steps, fresh.len()) {
        for (offset, bytes) in runs {
            fresh[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        steps += 1;
    }
    Ok(steps)
}

/// The runs of one step, each with its offset, or `None` unless the step is whole.
fn read_step<'a>(rest: &mut &'a [u8], step: u64, limit: usize) -> Option<Vec<(usize, &'a [u8])>> {
    let (start, mut runs) = (*rest, Vec::new());
    while number(rest)? == RUN {
        let (first, pages) = (number(rest)? as usize, number(rest)? as usize);
        let offset = first.checked_mul(page_size())?;
        let bytes = rest.split_off(..pages.checked_mul(page_size())?)?;
        offset.checked_add(bytes.len()).filter(|&end| end <= limit)?;
        runs.push((offset, bytes));
    }
    let this = number(rest)?;
    let covered = &start[..start.len() - rest.len()];
    (this == step && number(rest)? == checksum(covered)).then_some(runs)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    rest.split_off(..8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

/// FNV-1a, a word at a time; the shift lets the low bits depend on the high ones.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.as_chunks::<8>().0.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &word| {
        let mixed = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3);
        mixed ^ (mixed >> 32)
    })
}
