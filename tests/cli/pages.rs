//! `strandline pages`: what it reports about memory that is known.

use std::io::Write as _;

use memmap2::MmapMut;
use serde_json::{Value, json};
use strandline::dirty::{BackendKind, PageSet, Selection, TrackerOptions};
use strandline::os::page_size;

use crate::memory::{Pages, own_pid};
use crate::{fail, json as parse, run, succeed};

/// The pages of the regions in a JSON report, as indices into `pages`.
fn reported(pages: &Pages, report: &Value) -> Vec<usize> {
    let address = |value: &Value| {
        let text = value.as_str().unwrap().strip_prefix("0x").unwrap();
        usize::from_str_radix(text, 16).unwrap()
    };
    let index = |value| (address(value) - pages.range().start()) / page_size();
    let regions = report["regions"].as_array().unwrap();
    regions.iter().flat_map(|region| index(&region["start"])..index(&region["end"])).collect()
}

/// Runs `pages` on this process and this memory.
fn pages_of(pages: &Pages, more: &[&str]) -> String {
    let (pid, range) = (own_pid(), pages.argument());
    succeed(&[&["pages", &pid, "--range", &range], more].concat())
}

#[test]
fn touched_pages_are_reported_with_what_they_are() {
    let mut pages = Pages::new(32);
    pages.write([3, 4, 5, 10]);
    pages.read(20);
    let arguments = ["--any-of", "present", "--report", "present,zero-page,file", "--json"];
    let report = parse(&pages_of(&pages, &arguments));
    let region = |first: usize, count: usize, categories: &[&str]| {
        json!({
            "start": pages.address(first),
            "end": pages.address(first + count),
            "pages": count,
            "bytes": count * page_size(),
            "categories": categories,
            "mapping": "[anonymous]",
        })
    };
    assert_eq!(
        report["regions"],
        json!([
            region(3, 3, &["present"]),
            region(10, 1, &["present"]),
            region(20, 1, &["present", "zero-page"]),
        ])
    );
    assert_eq!(report["pid"], json!(std::process::id()));
    assert_eq!(report["any_of"], json!(["present"]));
    let total = json!({
        "regions": 3, "pages": 5, "bytes": 5 * page_size(),
        "pages_by_category": {"present": 5, "zero-page": 1, "file": 0},
    });
    assert_eq!(report["total"], total);
    assert_eq!(report["error"], Value::Null);
}

#[test]
fn masks_select_pages() {
    let mut pages = Pages::new(16);
    pages.write([1, 2, 8]);
    pages.read(5);
    let selected = |masks: &[&str]| {
        reported(&pages, &parse(&pages_of(&pages, &[masks, &["--json"]].concat())))
    };
    assert_eq!(selected(&["--required", "present,zero-page"]), [5]);
    assert_eq!(selected(&["--required", "present", "--excluded", "zero-page"]), [1, 2, 8]);
    assert_eq!(selected(&["--any-of", "zero-page,present"]), [1, 2, 5, 8]);
    assert!(selected(&["--required", "file"]).is_empty());
    let untouched: Vec<_> = (0..16).filter(|page| ![1, 2, 5, 8].contains(page)).collect();
    assert_eq!(selected(&["--excluded", "present"]), untouched);
    assert_eq!(selected(&[]), (0..16).collect::<Vec<_>>(), "no filter, every page");
}

#[test]
fn the_table_agrees_with_the_json() {
    let mut pages = Pages::new(600 * 2);
    // More regions than one call to the kernel returns.
    pages.write((0..600).map(|page| 2 * page));
    let masks = ["--any-of", "present"];
    let report = parse(&pages_of(&pages, &[&masks[..], &["--json"]].concat()));
    assert_eq!(reported(&pages, &report), (0..600).map(|page| 2 * page).collect::<Vec<_>>());

    let table = pages_of(&pages, &masks);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ADDRESSES"), "{}", lines[0]);
    assert_eq!(lines.len(), 1 + 600 + 1);
    for (line, region) in lines[1..].iter().zip(report["regions"].as_array().unwrap()) {
        let cells: Vec<_> = line.split_whitespace().collect();
        let (start, end) = cells[0].split_once('-').unwrap();
        assert_eq!(format!("0x{}", start.trim_start_matches('0')), region["start"]);
        assert_eq!(format!("0x{}", end.trim_start_matches('0')), region["end"]);
        assert_eq!(cells[1], region["pages"].to_string());
        let categories: Vec<_> = cells[4].split(',').collect();
        assert_eq!(json!(categories), region["categories"]);
        assert_eq!(cells[5], region["mapping"]);
    }
    let total = lines.last().unwrap();
    assert!(total.starts_with("total: 600 pages, "), "{total}");
    assert!(total.contains("in 600 regions") && total.contains("600 present"), "{total}");
}

#[test]
fn a_limit_counts_pages_across_regions() {
    let mut pages = Pages::new(16);
    pages.write([0, 1, 4, 5, 6, 9]);
    let arguments = ["--required", "present", "--limit", "4"];
    let report = parse(&pages_of(&pages, &[&arguments[..], &["--json"]].concat()));
    assert_eq!(reported(&pages, &report), [0, 1, 4, 5]);
    assert_eq!(report["limit_reached"], json!(true));
    assert!(pages_of(&pages, &arguments).ends_with("; stopped at the limit\n"));
    let all = parse(&pages_of(&pages, &["--required", "present", "--limit", "7", "--json"]));
    assert_eq!(all["total"]["pages"], json!(6));
    assert_eq!(all["limit_reached"], json!(false));
}

#[test]
fn ranges_that_overlap_count_a_page_once() {
    let mut pages = Pages::new(16);
    pages.write(0..16);
    let (start, page) = (pages.range().start(), page_size());
    let range =
        |first: usize, end: usize| format!("{:#x}-{:#x}", start + first * page, start + end * page);
    let (a, b, c) = (range(2, 6), range(4, 8), range(12, 13));
    let pid = own_pid();
    let arguments =
        ["pages", &pid, "--range", &c, "--range", &b, "--range", &a, "--json", "--report", "file"];
    let report = parse(&succeed(&arguments));
    assert_eq!(reported(&pages, &report), [2, 3, 4, 5, 6, 7, 12]);
}

/// The tool sees the tracker's dirty pages and takes none of them away.
#[test]
fn looking_at_a_tracked_process_leaves_its_dirty_bits_alone() {
    let mut pages = Pages::new(16);
    pages.write(0..16);
    let uffd = TrackerOptions { backend: Some(BackendKind::Uffd), ..TrackerOptions::default() };
    let tracker = match Selection::open_exactly(pages.range(), &uffd) {
        Ok(selection) => selection.tracker,
        Err(error) => {
            println!("not run: {error}");
            return;
        }
    };
    // SAFETY: the memory is readable and writable, ours, and outlives the tracker.
    unsafe { tracker.register(pages.range()).unwrap() };
    let owed = PageSet::new(pages.range());
    tracker.consume(pages.range(), &owed).unwrap();
    pages.write([2, 7]);

    let report = parse(&pages_of(&pages, &["--required", "written,wpallowed", "--json"]));
    assert_eq!(reported(&pages, &report), [2, 7]);
    owed.clear();
    tracker.consume(pages.range(), &owed).unwrap();
    assert!(owed.len() >= 2, "{owed:?}");
    for page in [2, 7] {
        assert!(owed.contains(pages.range().subrange(page, 1).start()), "page {page}: {owed:?}");
    }
    drop(tracker);
}

#[test]
fn the_summary_adds_up_by_path() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![7; 24 * page_size()]).unwrap();
    // SAFETY: nobody else changes the file.
    let mut map = unsafe { MmapMut::map_mut(file.as_file()).unwrap() };
    map.fill(1);
    let (pid, path) = (own_pid(), file.path().to_str().unwrap());
    let arguments = ["pages", &pid, "--summary", "--required", "present,file"];
    let report = parse(&succeed(&[&arguments[..], &["--json"]].concat()));
    let mappings = report["mappings"].as_array().unwrap();
    let ours = mappings.iter().find(|mapping| mapping["name"] == path).expect(path);
    assert_eq!(ours["pages"], json!(24));
    assert_eq!(ours["mappings"], json!(1));
    assert_eq!(ours["pages_by_category"]["file"], json!(24));
    let sum: u64 = mappings.iter().map(|mapping| mapping["pages"].as_u64().unwrap()).sum();
    assert_eq!(report["total"]["pages"], json!(sum));

    let table = succeed(&arguments);
    let line = table.lines().find(|line| line.ends_with(path)).expect(path);
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!((cells[0], cells[3]), ("24", "1"), "{line}");
    assert!(table.lines().last().unwrap().starts_with("total: "), "{table}");
}

#[test]
fn wrong_arguments_are_refused_with_status_2() {
    let pid = own_pid();
    for (arguments, hint) in [
        (&["--required", "dirty"][..], "soft-dirty, guard"),
        (&["--required", "written", "--excluded", "written,file"], "written cannot be in"),
        (&["--any-of", "huge", "--excluded", "huge"], "huge cannot be in"),
        (&["--range", "1000"], "START-END"),
        (&["--range", "2000-1000"], "below"),
        (&["--range", "10-zz"], "hexadecimal"),
        (&["--limit", "0"], "limit"),
        (&["--colour"], "--colour"),
    ] {
        let error = fail(&[&["pages", &pid], arguments].concat(), 2);
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
    assert!(fail(&["pages"], 2).contains("PID"));
    assert!(fail(&["pages", "-1"], 2).contains("-1"));
    assert!(fail(&["pages", "init"], 2).contains("init"));
}

#[test]
fn a_range_with_nothing_in_it_is_pointed_out() {
    let output = run(&["pages", &own_pid(), "--range", "0-1000"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(crate::stderr(&output).contains("nothing is mapped in 0x0..0x"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("total: 0 pages"));
}

#[test]
fn help_documents_categories_and_exit_statuses() {
    let help = succeed(&["pages", "--help"]);
    for part in ["Exit status", "zero-page", "soft-dirty", "--excluded", "--limit"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    assert!(succeed(&["--help"]).contains("probe"));
    assert!(succeed(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
}
