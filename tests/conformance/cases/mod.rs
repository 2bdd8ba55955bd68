//! The cases, by theme, and how they become trials.

mod kernel;
mod limits;
mod memory;
mod paging;
mod processes;
mod protect;
mod registration;
mod scans;
mod selection;
mod signals;
mod stores;
mod thieves;
mod threads;
mod trackers;
mod windows;
mod written;

use std::panic::{AssertUnwindSafe, catch_unwind};

use libtest_mimic::{Completion, Failed, Trial};
use strandline::os::{PageRange, page_size};

use crate::harness::role::Role;
use crate::harness::{Environment, Variant, Verdict, table};

/// A name and what is done with each back-end.
type Case = (&'static str, fn(Variant) -> Verdict);

/// A name and a test that is not about one back-end.
type Single = (&'static str, fn() -> Verdict);

/// What processes do that are started for one thing.
pub(crate) fn roles() -> Vec<Role> {
    [signals::ROLES, selection::ROLES].concat()
}

/// Every case with every back-end, and the rest.
pub(crate) fn trials(environment: Environment) -> Vec<Trial> {
    let cases = [
        stores::CASES,
        scans::CASES,
        protect::CASES,
        windows::CASES,
        written::CASES,
        registration::CASES,
        trackers::CASES,
        kernel::CASES,
        memory::CASES,
        paging::CASES,
        processes::CASES,
        thieves::CASES,
        threads::CASES,
        limits::CASES,
    ];
    let matrix = Variant::ALL.into_iter().flat_map(|variant| {
        let all = cases.into_iter().flatten();
        all.map(move |&(name, case)| matrix_trial(environment, variant, name, case))
    });
    let singles = [signals::SINGLES, selection::singles(environment)].concat();
    matrix.chain(singles.into_iter().map(single_trial)).collect()
}

fn matrix_trial(
    environment: Environment,
    variant: Variant,
    name: &'static str,
    case: fn(Variant) -> Verdict,
) -> Trial {
    Trial::ignorable_test(format!("{}::{name}", variant.name()), move || {
        let result = guarded(|| unavailable(environment, variant).unwrap_or_else(|| case(variant)));
        table::record(variant, name, result.as_ref().ok().cloned());
        completion(result)
    })
}

fn single_trial((name, test): Single) -> Trial {
    Trial::ignorable_test(name, move || completion(guarded(test)))
}

fn guarded(test: impl FnOnce() -> Verdict) -> Result<Verdict, Failed> {
    catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Failed::from(text.unwrap_or("a panic without a text"))
    })
}

fn completion(result: Result<Verdict, Failed>) -> Result<Completion, Failed> {
    Ok(match result? {
        Verdict::NotRun(reason) => Completion::ignored_with(reason),
        Verdict::Passed | Verdict::Declared(_) | Verdict::Refused(_) => Completion::Completed,
    })
}

/// Why a back-end cannot be had at all. Where that is what the environment is for, it must be
/// refused with the cause and the remedy.
fn unavailable(environment: Environment, variant: Variant) -> Option<Verdict> {
    let span = PageRange::new(page_size(), 2 * page_size()).expect("one page");
    let error = variant.open(span).err().map(|error| error.to_string());
    if !(variant.is_uffd() && environment.forbids_userfaultfd()) {
        return error.map(Verdict::NotRun);
    }
    let error = error.expect("the filter forbids userfaultfd, and it works all the same");
    for part in ["userfaultfd", "seccomp profile"] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    Some(Verdict::Refused(error))
}
