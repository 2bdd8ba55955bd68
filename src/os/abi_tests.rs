//! The kernel's structures and numbers, checked against sources that are independent of the
//! bindings: the offsets of `include/uapi/linux/fs.h` and `userfaultfd.h` written out by hand, the
//! ioctl numbers as `strace` prints them, and the kernel itself.

use std::mem::{MaybeUninit, offset_of};

use linux_raw_sys::general as raw;

use super::pagemap::{Categories, PageFilter, PageRegion, Pagemap, ScanRequest};
use super::{memory, page_size};

#[test]
fn pm_scan_arg_is_the_final_one_of_96_bytes() {
    let offsets = [
        offset_of!(raw::pm_scan_arg, size),
        offset_of!(raw::pm_scan_arg, flags),
        offset_of!(raw::pm_scan_arg, start),
        offset_of!(raw::pm_scan_arg, end),
        offset_of!(raw::pm_scan_arg, walk_end),
        offset_of!(raw::pm_scan_arg, vec),
        offset_of!(raw::pm_scan_arg, vec_len),
        offset_of!(raw::pm_scan_arg, max_pages),
        offset_of!(raw::pm_scan_arg, category_inverted),
        offset_of!(raw::pm_scan_arg, category_mask),
        offset_of!(raw::pm_scan_arg, category_anyof_mask),
        offset_of!(raw::pm_scan_arg, return_mask),
    ];
    assert_eq!(offsets, [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88]);
    assert_eq!(size_of::<raw::pm_scan_arg>(), 96);
    assert_eq!(nix::request_code_readwrite!(b'f', 16, size_of::<raw::pm_scan_arg>()), 0xc060_6610);
}

#[test]
fn page_region_has_start_and_end() {
    assert_eq!(size_of::<PageRegion>(), 24);
    assert_eq!(offset_of!(raw::page_region, start), 0);
    assert_eq!(offset_of!(raw::page_region, end), 8);
    assert_eq!(offset_of!(raw::page_region, categories), 16);
}

#[test]
fn categories_have_the_final_bits() {
    let bits = [
        Categories::WPALLOWED,
        Categories::WRITTEN,
        Categories::FILE,
        Categories::PRESENT,
        Categories::SWAPPED,
        Categories::PFNZERO,
        Categories::HUGE,
        Categories::SOFT_DIRTY,
        Categories::GUARD,
    ]
    .map(|category| category.bits());
    assert_eq!(bits, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert_eq!(raw::PM_SCAN_WP_MATCHING, 1);
    assert_eq!(raw::PM_SCAN_CHECK_WPASYNC, 2);
}

#[test]
fn userfaultfd_ioctls_have_the_numbers_that_strace_prints() {
    use linux_raw_sys::ioctl;
    let ours = [
        nix::request_code_readwrite!(0xaa, 0x3f, size_of::<raw::uffdio_api>()),
        nix::request_code_readwrite!(0xaa, 0, size_of::<raw::uffdio_register>()),
        nix::request_code_read!(0xaa, 1, size_of::<raw::uffdio_range>()),
        nix::request_code_readwrite!(0xaa, 6, size_of::<raw::uffdio_writeprotect>()),
    ];
    assert_eq!(ours, [0xc018_aa3f, 0xc020_aa00, 0x8010_aa01, 0xc018_aa06]);
    let bindings = [
        ioctl::UFFDIO_API,
        ioctl::UFFDIO_REGISTER,
        ioctl::UFFDIO_UNREGISTER,
        ioctl::UFFDIO_WRITEPROTECT,
    ];
    assert_eq!(ours, bindings.map(u64::from));
    assert_eq!(raw::UFFD_FEATURE_WP_ASYNC, 1 << 15);
    assert_eq!(raw::UFFD_USER_MODE_ONLY, 1);
}

/// The kernel itself is the judge: it rejects a structure of another size, an unknown category
/// bit, and reports one page where one page was touched.
#[test]
fn the_kernel_agrees_about_the_layout() {
    let pagemap = Pagemap::open().unwrap();
    let known = pagemap.known().expect("PAGEMAP_SCAN needs Linux 6.7");
    assert!(known.contains(Categories::WRITTEN | Categories::PRESENT | Categories::HUGE));
    assert!(!pagemap.knows(Categories::from_bits_retain(1 << 40)).unwrap());

    let reservation = memory::Reservation::new(3 * page_size(), page_size()).unwrap();
    let (range, middle) = (reservation.range(), reservation.range().subrange(1, 1));
    // SAFETY: the reservation is ours; the middle page is committed before it is written.
    unsafe {
        memory::commit(range).unwrap();
        middle.as_ptr().write(1);
    }
    let filter = PageFilter { required: Categories::PRESENT, ..PageFilter::default() };
    let request = ScanRequest { range, filter, report: Categories::PRESENT, max_pages: 0 };
    let mut slots = [MaybeUninit::uninit(); 4];
    let step = pagemap.get(&request, &mut slots).unwrap();
    let found: Vec<_> = step.regions.iter().map(|r| (r.range(), r.categories())).collect();
    assert_eq!(found, [(middle, Categories::PRESENT)]);
    assert_eq!(step.resume, None);
}
