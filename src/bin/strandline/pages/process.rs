//! The process that is looked at: its page map and its mappings.

use std::io::Read;

use procfs::process::{MMapPath, MemoryMap, MemoryMaps};
use procfs::{FromRead, ProcError};
use strandline::os::PageRange;
use strandline::os::pagemap::{Categories, Pagemap};

use crate::failure::Failure;

/// A process whose memory can be read.
pub(super) struct Process {
    pid: u32,
    pub(super) pagemap: Pagemap,
    pub(super) mappings: Vec<Mapping>,
}

/// A line of `/proc/PID/maps`.
pub(super) struct Mapping {
    pub(super) range: PageRange,
    pub(super) name: String,
}

impl Process {
    pub(super) fn open(pid: u32) -> Result<Self, Failure> {
        let failed = |error: String| Failure::Failed(format!("cannot read process {pid}: {error}"));
        let pagemap = Pagemap::of_process(pid).map_err(|error| failed(error.to_string()))?;
        let mappings = mappings(pid).map_err(|error| failed(error.to_string()))?;
        Ok(Self { pid, pagemap, mappings })
    }

    pub(super) fn known_categories(&self) -> Result<Categories, Failure> {
        self.pagemap.known().map_err(|error| Failure::Failed(error.to_string()))
    }

    pub(super) fn maps_any_of(&self, range: PageRange) -> bool {
        self.mappings.iter().any(|mapping| mapping.range.intersection(range).is_some())
    }

    /// Why a scan of it saw less than everything, if it did: the error it ended with, or that the
    /// memory went away under it, which the kernel need not report as an error.
    pub(super) fn incomplete(&self, error: Option<String>) -> Option<String> {
        if self.pagemap.has_memory().unwrap_or(true) {
            return error;
        }
        let pid = self.pid;
        Some(format!("process {pid} ended or was replaced meanwhile: the output is incomplete"))
    }
}

fn mappings(pid: u32) -> Result<Vec<Mapping>, ProcError> {
    let pid = i32::try_from(pid).map_err(|_| ProcError::NotFound(None))?;
    let mut text = Vec::new();
    procfs::process::Process::new(pid)?.open_relative("maps")?.read_to_end(&mut text)?;
    // Paths are bytes, and the parser wants UTF-8.
    let text = String::from_utf8_lossy(&text);
    let maps = MemoryMaps::from_read(text.as_bytes())?;
    Ok(maps.iter().filter_map(Mapping::new).collect())
}

impl Mapping {
    /// `None` for what is not the process's own memory: the vsyscall page, in the kernel's half.
    fn new(map: &MemoryMap) -> Option<Self> {
        let (start, end) = map.address;
        if start.cast_signed() < 0 {
            return None;
        }
        let range = PageRange::new(usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        Some(Self { range: range.ok()?, name: name(&map.pathname) })
    }
}

fn name(path: &MMapPath) -> String {
    match path {
        MMapPath::Path(path) => path.to_string_lossy().into_owned(),
        MMapPath::Heap => "[heap]".to_owned(),
        MMapPath::Stack => "[stack]".to_owned(),
        MMapPath::TStack(thread) => format!("[stack:{thread}]"),
        MMapPath::Vdso => "[vdso]".to_owned(),
        MMapPath::Vvar => "[vvar]".to_owned(),
        MMapPath::Vsyscall => "[vsyscall]".to_owned(),
        MMapPath::Rollup => "[rollup]".to_owned(),
        MMapPath::Anonymous => "[anonymous]".to_owned(),
        MMapPath::Vsys(key) => format!("/SYSV{key:08x}"),
        MMapPath::Other(name) => name.clone(),
    }
}

/// A name that cannot do anything to a terminal: a path may have any byte in it.
pub(super) fn printable(name: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    name.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("/tmp/\u{1b}[2Jä b"), "/tmp/\\u{1b}[2Jä b");
    }
}
