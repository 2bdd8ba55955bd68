//! One suite that every tracker back-end passes, on the public interface alone.
//!
//! A trial is a back-end and a case, as `uffd::kernel_write_read`. A case is written once; what a
//! back-end cannot see by its nature its contract declares, and then the case checks that it behaves
//! as declared. The trials run one after another, because many touch what belongs to the whole
//! process or system: signal handlers, forks, swap, huge pages. Everything that is changed there is
//! put back.
//!
//! The suite runs itself again in other environments, each of which is one trial here: as an
//! unprivileged user, with nothing but the device, and under seccomp filters that refuse
//! `userfaultfd` with `EPERM` and with `ENOSYS`.
//!
//! `STRANDLINE_CONFORMANCE_TABLE=1 cargo test --test conformance` prints a Markdown table at the
//! end, back-end by case. A case that cannot be run here is reported as ignored, with the reason.

#[cfg(not(loom))]
mod cases;
#[cfg(not(loom))]
mod environments;
#[cfg(not(loom))]
mod harness;

#[cfg(not(loom))]
fn main() {
    use harness::{Environment, role, table};

    role::play_if_asked();
    let mut args = libtest_mimic::Arguments::from_args();
    args.test_threads = Some(1);
    let environment = Environment::current();
    let mut trials = cases::trials(environment);
    if environment == Environment::Native {
        trials.extend(environments::trials());
    }
    let conclusion = libtest_mimic::run(&args, trials);
    table::print_if_asked(environment);
    conclusion.exit();
}

#[cfg(loom)]
fn main() {}
