//! System-wide settings, put back on drop; the reason where one cannot be changed.

use std::ffi::CString;
use std::fs;
use std::io::Write;

use strandline::os::page_size;

/// A setting of the kernel that was changed.
struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    fn change(path: &'static str, value: &str) -> Result<Self, String> {
        let why = |error| format!("{path} cannot be changed: {error}");
        let before = fs::read_to_string(path).map_err(why)?.trim().to_owned();
        fs::write(path, value).map_err(why)?;
        Ok(Self { path, before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.before) {
            eprintln!("{} is not {} again: {error}", self.path, self.before);
        }
    }
}

/// Some pages for hugetlbfs.
pub(crate) struct HugePages {
    /// The size of one, in bytes.
    pub(crate) bytes: usize,
    _reserved: Option<Setting>,
}

impl HugePages {
    const COUNT: &str = "/proc/sys/vm/nr_hugepages";

    /// Makes sure that there are at least `count` free ones.
    pub(crate) fn reserve(count: usize) -> Result<Self, String> {
        let bytes = meminfo("Hugepagesize:").ok_or("the kernel has no hugetlbfs")? * 1024;
        let free = meminfo("HugePages_Free:").unwrap_or(0);
        if free >= count {
            return Ok(Self { bytes, _reserved: None });
        }
        let total = meminfo("HugePages_Total:").unwrap_or(0);
        let setting = Setting::change(Self::COUNT, &(total + count - free).to_string())?;
        let this = Self { bytes, _reserved: Some(setting) };
        match meminfo("HugePages_Free:") {
            Some(free) if free >= count => Ok(this),
            _ => Err(format!("memory is too fragmented for {count} pages of {bytes} bytes")),
        }
    }
}

fn meminfo(key: &str) -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The size of a transparent huge page in bytes.
pub(crate) fn transparent_huge_page() -> Result<usize, String> {
    let path = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    text.trim().parse().map_err(|error| format!("{path}: {error}"))
}

/// Swap space.
pub(crate) enum Swap {
    /// There was some.
    Present,
    /// A device of our own, given back on drop.
    Zram,
}

impl Swap {
    const DEVICE: &str = "/dev/zram0";
    const SIZE: &str = "/sys/block/zram0/disksize";
    const RESET: &str = "/sys/block/zram0/reset";
    const BYTES: usize = 64 << 20;

    /// Swap space, made on zram if there is none.
    pub(crate) fn on() -> Result<Self, String> {
        let swaps = fs::read_to_string("/proc/swaps").map_err(|error| error.to_string())?;
        if swaps.lines().count() > 1 {
            return Ok(Self::Present);
        }
        let size = fs::read_to_string(Self::SIZE)
            .map_err(|error| format!("no swap is on, and there is no zram device: {error}"))?;
        if size.trim() != "0" {
            return Err("no swap is on, and the zram device is in use".into());
        }
        fs::write(Self::SIZE, Self::BYTES.to_string())
            .map_err(|error| format!("no swap is on, and setting zram up needs root: {error}"))?;
        let this = Self::Zram;
        format_swap(Self::DEVICE, Self::BYTES).map_err(|error| error.to_string())?;
        let device = CString::new(Self::DEVICE).expect("no zero byte");
        // SAFETY: the device is ours since its size was set, and holds a swap header.
        if unsafe { libc::swapon(device.as_ptr(), 0) } != 0 {
            return Err(format!("swapon: {}", std::io::Error::last_os_error()));
        }
        Ok(this)
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        if let Self::Present = self {
            return;
        }
        let device = CString::new(Self::DEVICE).expect("no zero byte");
        // SAFETY: ends the use of our device as swap, if it got that far.
        unsafe { libc::swapoff(device.as_ptr()) };
        if let Err(error) = fs::write(Self::RESET, "1") {
            eprintln!("{} is not given back: {error}", Self::DEVICE);
        }
    }
}

/// What `mkswap` writes: version 1, the last page, and the magic at the end of the first page.
fn format_swap(device: &str, bytes: usize) -> std::io::Result<()> {
    const VERSION_AT: usize = 1024;
    let mut header = vec![0; page_size()];
    let last_page = u32::try_from(bytes / page_size() - 1).expect("a small device");
    header[VERSION_AT..VERSION_AT + 4].copy_from_slice(&1_u32.to_ne_bytes());
    header[VERSION_AT + 4..VERSION_AT + 8].copy_from_slice(&last_page.to_ne_bytes());
    let magic = b"SWAPSPACE2";
    let at = header.len() - magic.len();
    header[at..].copy_from_slice(magic);
    let mut device = fs::File::options().write(true).open(device)?;
    device.write_all(&header)?;
    device.sync_all()
}
