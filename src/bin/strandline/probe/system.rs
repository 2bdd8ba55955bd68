//! What the kernel says of itself.

use std::fs;

use serde::Serialize;
use strandline::os::page_size;
use strandline::os::pagemap::Pagemap;
use strandline::os::userfaultfd::{Door, Userfaultfd};

use crate::category;

/// The machine. What cannot be read is `None`.
#[derive(Serialize)]
pub(super) struct System {
    pub(super) kernel: Option<String>,
    pub(super) architecture: &'static str,
    pub(super) page_bytes: usize,
    pub(super) huge_page_bytes: Option<usize>,
    /// `always`, `madvise` or `never`.
    pub(super) transparent_huge_pages: Option<String>,
    pub(super) max_map_count: Option<u64>,
    pub(super) unprivileged_userfaultfd: Option<u64>,
    pub(super) userfaultfd: Vec<DoorReport>,
    pub(super) pagemap_scan: ScanReport,
}

/// A way to a userfaultfd, and whether it is open.
#[derive(Serialize)]
pub(super) struct DoorReport {
    pub(super) door: String,
    pub(super) error: Option<String>,
}

/// The categories that `PAGEMAP_SCAN` knows, or why there are none.
#[derive(Serialize)]
pub(super) struct ScanReport {
    pub(super) categories: Vec<&'static str>,
    pub(super) error: Option<String>,
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage";

impl System {
    pub(super) fn collect() -> Self {
        Self {
            kernel: read("/proc/sys/kernel/osrelease"),
            architecture: std::env::consts::ARCH,
            page_bytes: page_size(),
            huge_page_bytes: number(&format!("{HUGE_PAGES}/hpage_pmd_size")),
            transparent_huge_pages: read(&format!("{HUGE_PAGES}/enabled"))
                .and_then(|setting| selected(&setting).map(str::to_owned)),
            max_map_count: procfs::sys::vm::max_map_count().ok(),
            unprivileged_userfaultfd: number("/proc/sys/vm/unprivileged_userfaultfd"),
            userfaultfd: Door::ALL.into_iter().map(DoorReport::of).collect(),
            pagemap_scan: ScanReport::collect(),
        }
    }
}

impl DoorReport {
    fn of(door: Door) -> Self {
        let error = Userfaultfd::open_by(door).err();
        Self { door: door.to_string(), error: error.map(|error| error.to_string()) }
    }
}

impl ScanReport {
    fn collect() -> Self {
        match Pagemap::open().and_then(|pagemap| pagemap.known()) {
            Ok(known) => Self { categories: category::names(known), error: None },
            Err(error) => Self { categories: Vec::new(), error: Some(error.to_string()) },
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn number<N: std::str::FromStr>(path: &str) -> Option<N> {
    read(path)?.parse().ok()
}

/// The word in brackets, which is how sysfs marks the setting in force.
fn selected(setting: &str) -> Option<&str> {
    setting.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_in_force_is_the_one_in_brackets() {
        assert_eq!(selected("always [madvise] never"), Some("madvise"));
        assert_eq!(selected("always"), None);
    }
}
