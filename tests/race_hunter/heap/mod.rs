//! Does a heap ever lose an object, whoever makes its pages writable?
//!
//! Attached threads store; [outsiders](super::outsiders) make pages writable meanwhile; and the kernel
//! stores references through pages that it has pinned, which is told ([`Heap::written`]).
//!
//! [`Heap::written`]: strandline::Heap::written

pub(crate) mod ground;
pub(crate) mod hunt;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use strandline::dirty::{BackendKind, Uffd, UffdOptions};
use strandline::os::PageRange;
use strandline::{Heap, ObjectRef};

use super::SECONDS_VARIABLE;
use super::coverage::Limit;
// Also for the modules below, which are tests inside the crate, too.
use super::graph::{self, Graph};
use super::outsiders::{Acting, KernelWriter, Outsider, Way};
use super::random;
use ground::{Ground, Site};
use hunt::{Beside, Enough, Tally};

/// Stores and cycles in each configuration, unless a time is given.
const STORES: u64 = 4096;
const CYCLES: u64 = 2;

/// Cycles within which the negative control must be noticed.
const NOTICED_WITHIN: u64 = 200;

/// Who else makes pages writable, or who stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Beside(Outsider),
    /// The kernel stores the references, and it is told.
    Told(Way),
    /// It is not told: the negative control.
    Untold(Way),
}

/// A configuration.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    site: Site,
    who: Who,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Beside(outsider) => write!(f, "{outsider}"),
            Self::Told(way) => write!(f, "{way:?}, told"),
            Self::Untold(way) => write!(f, "{way:?}, not told (control)"),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = if self.site.big { "big" } else { "small" };
        let pages = if self.site.huge_pages { "huge" } else { "base" };
        f.pad(&format!("heap: {} {size} {pages}: {}", self.site.backend, self.who))
    }
}

/// What was done, for the table at the end, and what was not.
static DONE: Mutex<Vec<(Candidate, Tally)>> = Mutex::new(Vec::new());
static NOT_RUN: Mutex<Vec<(Candidate, String)>> = Mutex::new(Vec::new());

/// The heap of the last hunt: it takes longer to fill one than to hunt on it.
static GROUND: Mutex<Option<(Site, Ground)>> = Mutex::new(None);

/// A trial for each configuration, those with the same heap one after the other.
pub(crate) fn trials(limit: Limit) -> Vec<Trial> {
    let trial = |candidate: Candidate| {
        let why_not = candidate.refusal().or_else(|| candidate.is_left_out(limit));
        let ignored = why_not.is_some();
        NOT_RUN.lock().unwrap().extend(why_not.map(|reason| (candidate, reason)));
        let name = candidate.to_string().replace(' ', "_");
        Trial::test(name, move || candidate.hunt(limit)).with_ignored_flag(ignored)
    };
    candidates().map(trial).collect()
}

fn candidates() -> impl Iterator<Item = Candidate> {
    use BackendKind::{AllDirty, Cards, Mprotect};
    const UFFD: BackendKind = BackendKind::Uffd;
    let site = |backend, big, huge_pages| Site { backend, big, huge_pages };
    let sites = [
        site(UFFD, false, true),
        site(UFFD, false, false),
        site(UFFD, true, true),
        site(UFFD, true, false),
        site(Mprotect, false, false),
        site(Mprotect, true, true),
        site(Cards, false, true),
        site(AllDirty, false, false),
    ];
    let whos = || {
        let beside = Outsider::ALL.map(Who::Beside);
        [Who::Nobody].into_iter().chain(beside).chain(Way::PINNED.map(Who::Told))
    };
    let all =
        sites.into_iter().flat_map(move |site| whos().map(move |who| Candidate { site, who }));
    let control = Candidate { site: sites[0], who: Who::Untold(Way::Registered) };
    [control].into_iter().chain(all)
}

impl Candidate {
    /// Why it cannot be run here, if so.
    fn refusal(&self) -> Option<String> {
        if self.site.backend == BackendKind::Uffd
            && let Err(error) = Uffd::open(UffdOptions::default())
        {
            return Some(error.to_string());
        }
        match self.who {
            Who::Nobody => None,
            Who::Beside(outsider) => outsider.refusal(self.site.backend),
            Who::Told(way) | Who::Untold(way) => Outsider::Kernel(way).refusal(self.site.backend),
        }
    }

    /// An ordinary run is to take seconds: outsiders are all tried on one heap, and some on the others.
    fn is_left_out(&self, limit: Limit) -> Option<String> {
        use Outsider::{Fork, Kernel, Lock, Populate, Store};
        let Site { backend, big, huge_pages } = self.site;
        let is_main = backend == BackendKind::Uffd && huge_pages;
        let is_quick = match self.who {
            _ if is_main && !big => true,
            // It takes a while to fill one.
            _ if big && !is_main => false,
            Who::Beside(Store | Fork) | Who::Told(Way::ProcMem | Way::Registered) => true,
            Who::Nobody | Who::Beside(Populate | Lock | Kernel(Way::VmWrite)) => is_main,
            _ => false,
        };
        let is_quick = is_quick || matches!(limit, Limit::Time(_));
        (!is_quick).then(|| format!("only for as long as {SECONDS_VARIABLE} says"))
    }

    fn hunt(&self, limit: Limit) -> Result<(), Failed> {
        let is_control = matches!(self.who, Who::Untold(_));
        let enough = |tally: &Tally| match limit {
            _ if is_control => tally.lost > 0 || tally.cycles >= NOTICED_WITHIN,
            Limit::Time(time) => tally.seconds >= time.as_secs_f64(),
            Limit::Rounds(_) | Limit::Loss(_) => tally.stores >= STORES && tally.cycles >= CYCLES,
        };
        // After a hunt that has failed the heap is not used again.
        let last = GROUND.lock().unwrap_or_else(PoisonError::into_inner).take();
        let last = last.filter(|(site, _)| *site == self.site);
        let mut ground = last.map_or_else(|| Ground::new(self.site), |(_, ground)| ground);
        let tally = self.run(&mut ground, &enough)?;
        DONE.lock().unwrap().push((*self, tally.clone()));
        if is_control {
            let unnoticed = "what the kernel stores and nobody tells was not lost";
            return if tally.lost > 0 { Ok(()) } else { Err(unnoticed.into()) };
        }
        if tally.lost > 0 {
            return Err(format!("{} lost: {}", tally.lost, tally.examples.join("; ")).into());
        }
        *GROUND.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.site, ground));
        Ok(())
    }

    fn run(&self, ground: &mut Ground, enough: Enough<'_>) -> Result<Tally, Failed> {
        Ok(match self.who {
            Who::Nobody => hunt::run(ground, false, enough, &mut hunt::plain, None),
            Who::Beside(outsider) => {
                let mut acting = Acting::begin(outsider)?;
                let stores = acting.stores_an_act();
                let mut act = |word| acting.act(word).is_ok();
                let beside = Some(Beside { act: &mut act, stores });
                hunt::run(ground, false, enough, &mut hunt::plain, beside)
            }
            Who::Told(way) | Who::Untold(way) => {
                let is_told = matches!(self.who, Who::Told(_));
                let mut kernel = KernelWriter::new(way)?;
                let pages = |&slot: &usize| PageRange::covering(slot, 8).expect("a page");
                kernel.pin(&ground.conservative.slots.iter().map(pages).collect::<Vec<_>>())?;
                let mut store = |heap: &Heap<Graph>, slot: usize, new: ObjectRef| {
                    let handle = heap.root(new);
                    let bytes = new.address().to_ne_bytes();
                    kernel.write(slot, &bytes).expect("a write by the kernel");
                    if is_told {
                        heap.written(slot..slot + bytes.len()).expect("it is a slot of the heap");
                    }
                    drop(handle);
                };
                hunt::run(ground, true, enough, &mut store, None)
            }
        })
    }
}

/// Who, on what: what was done, and what was not and why. Returns how many stores were made.
pub(crate) fn report() -> u64 {
    let done = DONE.lock().unwrap();
    println!(
        "{:62}{:>12}{:>8}{:>8}{:>9}{:>6}{:>9}",
        "", "stores", "/s", "cycles", "acts", "lost", "seconds"
    );
    let mut total = Tally::default();
    for (candidate, tally) in done.iter() {
        println!("{candidate:62}{tally}");
        if !matches!(candidate.who, Who::Untold(_)) {
            total += tally;
        }
    }
    println!("{:62}{total}", "total of heaps without the control");
    for (candidate, reason) in NOT_RUN.lock().unwrap().iter() {
        println!("not run: {candidate}: {reason}");
    }
    total.stores
}
