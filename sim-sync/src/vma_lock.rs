//! Per-VMA locks (`include/linux/mmap_lock.h`, `mm/mmap_lock.c`, 6.19).
//!
//! A writer, who holds mmap_lock for writing, locks as many VMAs as it changes and never unlocks
//! one: the next value of the address space's sequence number unlocks all of them.
//!
//! ```text
//!             reader                                writer (one at a time)
//!   seq == mm seq? → write-locked, give up   count: 1 → 1 + WRITER, once no reader is left
//!   count += 1 unless 0 or WRITER            seq = mm seq
//!   seq == mm seq? → count -= 1, give up     count: 1 + WRITER → 1, releasing
//!   ... reads the VMA ...                    ... changes the VMA ...
//!   count -= 1, releasing                    mm seq += 1, releasing: unlocks all
//! ```
//!
//! A reader that was counted before the writer came is waited for. One that is counted after sees
//! the writer's sequence number, since the count that it increments was released after it.

use crate::Mutant;
use crate::lockdep::{self, Class, Held, Mode};
use crate::prim::Backoff;
use crate::prim::atomic::{AtomicU32, Ordering};
use crate::tally::{self, Counted};

/// Set in the count while a writer waits for readers (`VMA_LOCK_OFFSET`).
const WRITER: u32 = 1 << 30;
/// The count of an attached VMA without readers.
const ATTACHED: u32 = 1;
/// The count of a detached VMA (`vma_mark_detached()`): nobody can lock it for reading.
const DETACHED: u32 = 0;

/// The sequence number of an address space (`mm->mm_lock_seq`): VMAs whose lock has this value are
/// locked for writing.
///
/// It has 32 bits, as in Linux: a VMA that was last changed exactly 2^32 write sections ago looks
/// locked, and its reader takes mmap_lock.
#[derive(Debug)]
pub struct MmSeq(AtomicU32);

impl Default for MmSeq {
    fn default() -> Self {
        Self::new()
    }
}

impl MmSeq {
    /// A number that no [`VmaLock::new`] has.
    pub fn new() -> Self {
        Self(AtomicU32::new(1))
    }

    /// Unlocks every VMA that was locked for writing (`vma_end_write_all()`). mmap_lock is still
    /// held for writing.
    pub fn end_write_all(&self) {
        let next = self.0.load(Ordering::Relaxed).wrapping_add(1);
        let order = Mutant::MmEndWriteRelaxed.weakens(Ordering::Release);
        self.0.store(next, order);
    }

    fn get(&self) -> u32 {
        let order = Mutant::VmaReadSeqRelaxed.weakens(Ordering::Acquire);
        self.0.load(order)
    }
}

/// The lock of one VMA.
#[derive(Debug)]
pub struct VmaLock {
    /// Readers, and whether the VMA is attached (`vm_refcnt`).
    count: AtomicU32,
    /// The last write section that changed the VMA (`vm_lock_seq`).
    seq: AtomicU32,
}

impl Default for VmaLock {
    fn default() -> Self {
        Self::new()
    }
}

impl VmaLock {
    /// That of a VMA which is in no store yet: detached.
    pub fn new() -> Self {
        Self {
            count: AtomicU32::new(DETACHED),
            seq: AtomicU32::new(0),
        }
    }

    /// Is the VMA in the store?
    pub fn is_attached(&self) -> bool {
        self.count.load(Ordering::Relaxed) & !WRITER != DETACHED
    }

    /// The VMA goes into the store, locked for writing (`vma_mark_attached()`).
    ///
    /// # Panics
    /// If it is attached.
    pub fn attach(&self, mm: &MmSeq) {
        assert!(!self.is_attached(), "a-vma-is-attached-once");
        if !Mutant::VmaAttachUnlocked.is_active() {
            let seq = mm.0.load(Ordering::Relaxed);
            self.seq.store(seq, Ordering::Relaxed);
        }
        let order = Mutant::VmaAttachRelaxed.weakens(Ordering::Release);
        self.count.store(ATTACHED, order);
    }

    /// The VMA leaves the store: waits for its readers, and there are no new ones
    /// (`vma_mark_detached()`).
    ///
    /// # Panics
    /// If it is not attached.
    pub fn detach(&self) {
        assert!(self.is_attached(), "only-attached-vmas-are-detached");
        if !Mutant::VmaDetachNoWait.is_active() {
            self.wait_for_readers();
        }
        self.count.store(DETACHED, Ordering::Release);
    }

    /// Locks for writing until the end of the write section (`vma_start_write()`). The caller is
    /// the only writer of the address space.
    pub fn start_write(&self, mm: &MmSeq) {
        let seq = mm.0.load(Ordering::Relaxed);
        if self.seq.load(Ordering::Relaxed) == seq || !self.is_attached() {
            return;
        }
        tally::count(Counted::VmaWrite);
        self.wait_for_readers();
        self.seq.store(seq, Ordering::Relaxed);
        let order = Mutant::VmaWriteCountRelaxed.weakens(Ordering::Release);
        self.count.store(ATTACHED, order);
    }

    /// The same where no other thread can know of the VMA.
    pub fn start_write_alone(&self, mm: &MmSeq) {
        tally::count(Counted::VmaWrite);
        self.seq
            .store(mm.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Is it locked for writing in this write section? Only the writer may ask.
    pub fn is_write_locked(&self, mm: &MmSeq) -> bool {
        self.seq.load(Ordering::Relaxed) == mm.0.load(Ordering::Relaxed)
    }

    /// Keeps new readers out and returns when there is none; the count is `ATTACHED + WRITER` then.
    fn wait_for_readers(&self) {
        lockdep::waits(Class::Vma, Mode::Write);
        let acquire = Mutant::VmaWriteWaitRelaxed.weakens(Ordering::Acquire);
        let taken =
            self.count
                .compare_exchange(ATTACHED, ATTACHED + WRITER, acquire, Ordering::Relaxed);
        if taken.is_ok() {
            return;
        }
        self.count.fetch_add(WRITER, Ordering::Relaxed);
        let mut backoff = Backoff::default();
        while self.count.load(acquire) != ATTACHED + WRITER && !Mutant::VmaWriteNoWait.is_active() {
            backoff.snooze();
        }
    }

    /// Locks for reading (`vma_start_read()`); never waits. `None`: a writer has or wants it, or
    /// the VMA is detached.
    pub fn try_read(&self, mm: &MmSeq) -> Option<VmaRead<'_>> {
        // Without this look a reader would disturb the writer's count for nothing.
        if self.seq.load(Ordering::Relaxed) == mm.0.load(Ordering::Relaxed) {
            return None;
        }
        let mut count = self.count.load(Ordering::Relaxed);
        loop {
            if count == DETACHED || count & WRITER != 0 {
                return None;
            }
            let counted = self.count.compare_exchange_weak(
                count,
                count + 1,
                Mutant::VmaReadCountRelaxed.weakens(Ordering::Acquire),
                Ordering::Relaxed,
            );
            match counted {
                Ok(_) => break,
                Err(now) => count = now,
            }
        }
        let guard = VmaRead {
            lock: self,
            _held: lockdep::acquired(Class::Vma, Mode::Read),
        };
        // The acquiring load also makes the changes of the section that ended last visible.
        let locked = self.seq.load(Ordering::Relaxed) == mm.get();
        if locked && !Mutant::VmaReadUnchecked.is_active() {
            return None;
        }
        tally::count(Counted::VmaRead);
        Some(guard)
    }
}

/// A VMA locked for reading: it stays attached and unchanged, but for its atomic parts.
#[derive(Debug)]
pub struct VmaRead<'a> {
    lock: &'a VmaLock,
    _held: Held,
}

impl Drop for VmaRead<'_> {
    fn drop(&mut self) {
        let order = Mutant::VmaReadEndRelaxed.weakens(Ordering::Release);
        self.lock.count.fetch_sub(1, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detached_is_not_read() {
        let (mm, lock) = (MmSeq::new(), VmaLock::new());
        assert!(lock.try_read(&mm).is_none(), "before it is attached");
        lock.attach(&mm);
        assert!(lock.try_read(&mm).is_none(), "attached locked for writing");
        mm.end_write_all();
        assert!(lock.try_read(&mm).is_some());
        lock.detach();
        assert!(lock.try_read(&mm).is_none());
    }

    #[test]
    fn a_writer_keeps_readers_out_until_its_section_ends() {
        let (mm, lock) = (MmSeq::new(), VmaLock::new());
        lock.attach(&mm);
        mm.end_write_all();
        lock.start_write(&mm);
        assert!(lock.is_write_locked(&mm));
        assert!(lock.try_read(&mm).is_none());
        mm.end_write_all();
        let readers = [lock.try_read(&mm), lock.try_read(&mm)];
        assert!(readers.iter().all(Option::is_some));
    }

    #[test]
    fn a_writer_waits_for_readers() {
        let (mm, lock) = (MmSeq::new(), VmaLock::new());
        lock.attach(&mm);
        mm.end_write_all();
        let done = crate::prim::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let guard = lock.try_read(&mm);
            scope.spawn(|| {
                lock.start_write(&mm);
                assert!(done.load(Ordering::Relaxed), "the reader had left");
            });
            while lock.count.load(Ordering::Relaxed) & WRITER == 0 {
                std::thread::yield_now();
            }
            done.store(true, Ordering::Relaxed);
            drop(guard);
        });
    }
}
