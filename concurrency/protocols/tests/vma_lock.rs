//! Per-VMA locks.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::thread;
use sim_sync::{MmSeq, Mutant, VmaLock};
use vmsim_protocols::Check;

/// One place of the arena of VMAs.
struct Place {
    mm: MmSeq,
    lock: VmaLock,
    /// What the VMA says: loom fails if a reader meets a writer there.
    contents: UnsafeCell<()>,
    /// Which VMA has the place.
    number: AtomicU32,
}

impl Place {
    /// With an attached VMA, number 1, that nobody has locked.
    fn new() -> Arc<Self> {
        let place = Self {
            mm: MmSeq::new(),
            lock: VmaLock::new(),
            contents: UnsafeCell::new(()),
            number: AtomicU32::new(1),
        };
        place.lock.attach(&place.mm);
        place.mm.end_write_all();
        Arc::new(place)
    }

    fn read(&self) {
        self.contents.with(|_| ());
    }

    fn write(&self) {
        self.contents.with_mut(|_| ());
    }

    /// What a fault does: reads the VMA under its lock, or gives up.
    fn fault(&self) {
        if let Some(guard) = self.lock.try_read(&self.mm) {
            self.read();
            drop(guard);
        }
    }

    /// What a change does, mmap_lock being held for writing.
    fn change(&self) {
        self.lock.start_write(&self.mm);
        self.write();
        self.mm.end_write_all();
    }
}

/// A reader and a writer never have a VMA at the same time, and each sees what the other did.
#[test]
fn reader_against_writer() {
    Check {
        model: || {
            let place = Place::new();
            let writer = thread::spawn({
                let place = Arc::clone(&place);
                move || place.change()
            });
            place.fault();
            writer.join().expect("the writer is done");
        },
        mutants: &[
            Mutant::VmaWriteCountRelaxed,
            Mutant::VmaReadCountRelaxed,
            Mutant::VmaReadUnchecked,
            Mutant::VmaReadSeqRelaxed,
            Mutant::VmaReadEndRelaxed,
            Mutant::VmaWriteWaitRelaxed,
            Mutant::VmaWriteNoWait,
            Mutant::MmEndWriteRelaxed,
        ],
        preemptions: None,
    }
    .run();
}

/// Two readers share; the writer waits for both.
#[test]
fn two_readers_against_writer() {
    Check {
        model: || {
            let place = Place::new();
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let place = Arc::clone(&place);
                    thread::spawn(move || place.fault())
                })
                .collect();
            place.change();
            for reader in readers {
                reader.join().expect("the reader is done");
            }
        },
        mutants: &[Mutant::VmaReadEndRelaxed, Mutant::VmaWriteNoWait],
        preemptions: Some(2),
    }
    .run();
}

/// Two sections, one after the other: what was locked in the first one is free in between, and the
/// reader sees all of the first or waits for the second.
#[test]
fn reader_against_two_sections() {
    Check {
        model: || {
            let place = Place::new();
            let writer = thread::spawn({
                let place = Arc::clone(&place);
                move || {
                    place.change();
                    place.change();
                }
            });
            place.fault();
            writer.join().expect("the writer is done");
        },
        mutants: &[Mutant::VmaReadSeqRelaxed, Mutant::MmEndWriteRelaxed],
        preemptions: Some(3),
    }
    .run();
}

/// A section that changes another VMA does not disturb the readers of this one, however it ends.
#[test]
fn reader_against_writer_of_another_vma() {
    Check {
        model: || {
            let place = Place::new();
            let writer = thread::spawn({
                let place = Arc::clone(&place);
                move || place.mm.end_write_all()
            });
            let guard = place.lock.try_read(&place.mm);
            assert!(guard.is_some(), "the VMA is not locked for writing");
            drop(guard);
            writer.join().expect("the writer is done");
        },
        mutants: &[],
        preemptions: None,
    }
    .run();
}

/// Lookup against munmap and reuse of the VMA's memory: who has locked a place for reading has the
/// VMA that is in it then until it lets go, and sees it complete.
#[test]
fn lookup_against_detach_and_reuse() {
    Check {
        model: || {
            let place = Place::new();
            let writer = thread::spawn({
                let place = Arc::clone(&place);
                move || {
                    place.lock.detach();
                    place.write();
                    place.number.store(2, Relaxed);
                    place.lock.attach(&place.mm);
                    place.write();
                    place.mm.end_write_all();
                }
            });
            if let Some(guard) = place.lock.try_read(&place.mm) {
                let found = place.number.load(Relaxed);
                place.read();
                assert_eq!(found, place.number.load(Relaxed), "it is another VMA now");
                drop(guard);
            }
            writer.join().expect("the writer is done");
        },
        mutants: &[
            Mutant::VmaDetachNoWait,
            Mutant::VmaAttachRelaxed,
            Mutant::VmaAttachUnlocked,
            Mutant::VmaReadUnchecked,
            Mutant::VmaReadEndRelaxed,
        ],
        preemptions: None,
    }
    .run();
}
