//! `strandline probe`: the report's shape, and what it says where userfaultfd is forbidden.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;
use strandline::dirty::TRACKER_VARIABLE;

use crate::{fail, json, stderr, strandline, succeed};

const QUICK: [&str; 5] = ["probe", "--quick", "--mib", "4", "--json"];

fn report(command: &mut Command) -> (Output, Value) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let report = json(&text);
    // Nobody is watching on a terminal, so there is no progress to be shown.
    assert_eq!(stderr(&output), "");
    (output, report)
}

/// The measurements of one back-end.
fn measured<'a>(report: &'a Value, backend: &str) -> Vec<&'a Value> {
    let all = report["costs"]["measured"].as_array().unwrap();
    all.iter().filter(|measured| measured["backend"] == backend).collect()
}

#[test]
fn the_report_has_everything_and_the_status_says_whether_uffd_works() {
    let (output, report) = report(&mut strandline(&QUICK));
    let works = report["hardware_backend_works"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!works)));

    let system = &report["system"];
    assert_eq!(system["page_bytes"], strandline::os::page_size());
    assert_eq!(system["architecture"], std::env::consts::ARCH);
    assert!(system["kernel"].as_str().unwrap().contains('.'));
    assert!(system["max_map_count"].as_u64().unwrap() > 0);
    assert_eq!(system["userfaultfd"].as_array().unwrap().len(), 3);
    if works {
        assert_eq!(report["choice"]["backend"], "uffd");
        let categories = system["pagemap_scan"]["categories"].as_array().unwrap();
        assert!(categories.contains(&"written".into()), "{categories:?}");
    }
    let backends = report["backends"].as_array().unwrap();
    let names: Vec<_> = backends.iter().map(|backend| backend["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["uffd", "mprotect", "cards", "all-dirty"]);
    let mprotect = &backends[1]["contract"];
    assert_eq!(mprotect["kernel_writes"]["what"], "fails");
    assert!(mprotect["kernel_writes"]["why"].as_str().unwrap().contains("EFAULT"));
    assert_eq!(backends[3]["contract"]["precise"], false);

    for measured in [measured(&report, "uffd"), measured(&report, "mprotect")].concat() {
        let (figures, error) = (&measured["figures"], &measured["error"]);
        assert_ne!(figures.is_null(), error.is_null(), "figures, or the reason: {measured}");
        if figures.is_null() {
            println!("not measured here: {error}");
            continue;
        }
        for name in [
            "write_fault_ns",
            "clean_scan_ns_per_page",
            "dirty_rearm_ns_per_page",
            "unprotect_ns_per_page",
        ] {
            let value = |which| figures[name][which].as_f64().unwrap();
            assert!(value("median") > 0.0, "{name} of {measured}");
            assert!(value("lowest") <= value("median") && value("median") <= value("highest"));
        }
    }
    assert!(!measured(&report, "mprotect")[0]["figures"].is_null(), "mprotect works everywhere");
}

#[test]
fn the_table_has_the_same_parts() {
    let table = String::from_utf8(crate::run(&QUICK[..4]).stdout).unwrap();
    for part in [
        "System",
        "vm.max_map_count",
        "PAGEMAP_SCAN",
        "Back-end that a program gets",
        "writes by system calls",
        "Costs in ns on 4 MiB (medians of 3 rounds)",
        "write fault, each",
        "bulk un-protect",
        "The hardware back-end (uffd)",
    ] {
        assert!(table.contains(part), "{part:?} in\n{table}");
    }
}

#[test]
fn the_environment_changes_the_choice_and_not_the_verdict() {
    let (output, chosen) = report(strandline(&QUICK).env(TRACKER_VARIABLE, "all-dirty"));
    assert_eq!(chosen["choice"]["backend"], "all-dirty");
    assert_eq!(chosen["choice"]["environment"], "all-dirty");
    let works = chosen["hardware_backend_works"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!works)));

    let (_, wrong) = report(strandline(&QUICK).env(TRACKER_VARIABLE, "magic"));
    assert!(wrong["choice"]["error"].as_str().unwrap().contains("magic"));
    assert_eq!(wrong["choice"]["backend"], Value::Null);
}

/// What the seccomp profiles of common container engines do.
#[test]
fn where_userfaultfd_is_forbidden_it_says_so_and_measures_the_rest() {
    let forbidden = [
        (libc::SYS_userfaultfd, vec![]),
        // The device, which root may open: the request that makes a descriptor of it.
        (libc::SYS_ioctl, vec![new_by_device()]),
    ];
    let filter = SeccompFilter::new(
        forbidden.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    let mut command = strandline(&QUICK);
    // SAFETY: installing the filter is two system calls, on a program that was made before.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error())
        });
    }
    let (output, report) = report(&mut command);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["hardware_backend_works"], false);
    assert_eq!(report["choice"]["backend"], "mprotect");
    let refused = &report["choice"]["refused"][0];
    assert_eq!(refused["backend"], "uffd");
    assert!(refused["reason"].as_str().unwrap().contains("seccomp"), "{refused}");
    for measured in measured(&report, "uffd") {
        assert!(measured["error"].as_str().unwrap().contains("seccomp"), "{measured}");
    }
    assert!(!measured(&report, "mprotect")[0]["figures"].is_null());
}

/// Matches `ioctl(_, USERFAULTFD_IOC_NEW)`, the number that `_IO(0xAA, 0)` makes.
fn new_by_device() -> seccompiler::SeccompRule {
    use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
    let request =
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0xaa00).unwrap();
    SeccompRule::new(vec![request]).unwrap()
}

#[test]
fn wrong_arguments_are_refused_with_status_2() {
    assert!(fail(&["probe", "--mib", "0"], 2).contains("--mib"));
    assert!(fail(&["probe", "--mib", "much"], 2).contains("much"));
    assert!(fail(&["probe", "1234"], 2).contains("1234"));
    assert!(succeed(&["probe", "--help"]).contains("Exit status"));
}
