//! The checkpoint example as a test: every back-end, and files that were torn anywhere.

use std::path::Path;

use memmap2::MmapMut;
use strandline::dirty::{BackendKind, PageSet, Selection, TrackerOptions, UffdOptions};
use strandline::os::PageRange;

#[allow(dead_code, reason = "an example is a program, and the test is not its main function")]
#[path = "../examples/checkpoint.rs"]
mod checkpoint;

const MIB: usize = 4;
const STEPS: u64 = 5;

/// The back-ends that see plain stores; `None` is whichever `auto` takes.
const CHOICES: [checkpoint::Choice; 4] =
    [None, Some(BackendKind::Uffd), Some(BackendKind::Mprotect), Some(BackendKind::AllDirty)];

/// Whether `choice` works here; says why if it does not.
fn available(choice: checkpoint::Choice, range: PageRange) -> bool {
    let options = TrackerOptions { backend: choice, ..TrackerOptions::default() };
    let selection = Selection::open_exactly(range, &options);
    selection.map_err(|error| println!("not run with {choice:?}: {error}")).is_ok()
}

#[test]
fn the_whole_program_restores_what_it_saved() {
    let memory = MmapMut::map_anon(MIB << 20).unwrap();
    let range = PageRange::of_slice(&memory).unwrap();
    for tracker in CHOICES.into_iter().filter(|&choice| available(choice, range)) {
        let options =
            checkpoint::Options { mib: MIB, steps: STEPS, dirty_percent: 2.0, tracker, file: None };
        checkpoint::run(&options).unwrap();
    }
}

/// Runs the example's program and keeps an image of the buffer after every step, the untouched one
/// first, and the length of the file then.
fn save(path: &Path, choice: checkpoint::Choice, sparse: bool) -> Option<Vec<(u64, Vec<u8>)>> {
    let mut buffer = MmapMut::map_anon(MIB << 20).unwrap();
    let range = PageRange::of_slice(&buffer).unwrap();
    if !available(choice, range) {
        return None;
    }
    let uffd = UffdOptions { sparse, ..UffdOptions::default() };
    let options = TrackerOptions { backend: choice, uffd, ..TrackerOptions::default() };
    let tracker = Selection::open_exactly(range, &options).unwrap().tracker;
    // SAFETY: the buffer is readable and writable, ours, and dropped after the tracker.
    unsafe { tracker.register(range) }.unwrap();
    let owed = PageSet::new(range);
    let mut file = checkpoint::create(path, &buffer).unwrap();
    let mut images = vec![(file.metadata().unwrap().len(), buffer.to_vec())];
    for step in 0..STEPS {
        checkpoint::mutate(&mut buffer, step, 2.0, &tracker, &owed);
        tracker.consume(range, &owed).unwrap();
        checkpoint::append(&mut file, step, &buffer, &owed).unwrap();
        owed.clear();
        images.push((file.metadata().unwrap().len(), buffer.to_vec()));
    }
    Some(images)
}

fn restored(path: &Path) -> (u64, Vec<u8>) {
    let mut fresh = vec![0; MIB << 20];
    let steps = checkpoint::restore(path, &mut fresh).unwrap();
    (steps, fresh)
}

#[test]
fn a_torn_file_restores_the_last_whole_step() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, torn) = (directory.path().join("whole"), directory.path().join("torn"));
    for (choice, sparse) in CHOICES.into_iter().flat_map(|choice| [(choice, false), (choice, true)])
    {
        let Some(images) = save(&whole, choice, sparse) else { continue };
        let bytes = std::fs::read(&whole).unwrap();
        for (step, (length, image)) in images.iter().enumerate() {
            let next = images.get(step + 1).map_or(*length, |next| next.0);
            // Whole, torn right behind the commit, in the middle of the next step, and one byte
            // short of its end.
            for cut in [*length, length + 1, (length + next) / 2, next - 1] {
                let cut = cut.clamp(*length, next.max(*length + 1) - 1);
                std::fs::write(&torn, &bytes[..cut as usize]).unwrap();
                let (steps, memory) = restored(&torn);
                assert_eq!(steps, step as u64, "{choice:?}, cut at {cut} of {}", bytes.len());
                assert!(memory == *image, "{choice:?}, step {step}: other contents");
            }
        }
    }
}

#[test]
fn a_step_with_a_flipped_bit_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    let images = save(&path, None, false).expect("one back-end always works");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle_of_last_step = (images[STEPS as usize - 1].0 + images[STEPS as usize].0) / 2;
    bytes[middle_of_last_step as usize] ^= 0x80;
    std::fs::write(&path, &bytes).unwrap();
    let (steps, memory) = restored(&path);
    assert_eq!(steps, STEPS - 1);
    assert!(memory == images[STEPS as usize - 1].1);
}

#[test]
fn a_file_for_another_buffer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    checkpoint::create(&path, &[0; 1 << 20]).unwrap();
    let mut fresh = vec![0; 2 << 20];
    let error = checkpoint::restore(&path, &mut fresh).unwrap_err();
    assert!(error.to_string().contains("size"), "{error}");
}
