//! Draining the kernel's per-CPU lists.
//!
//! `MADV_FREE`, `MADV_COLD` and faults put pages on per-CPU lists before they take effect on the LRU
//! lists, and counters such as `LazyFree` and `Referenced` depend on it. A collapse request makes
//! the kernel drain the lists of all CPUs (`mm/khugepaged.c: madvise_collapse()`, 6.18): it is
//! made on memory of this process.
//!
//! Locking and unlocking of pages takes references to them from per-CPU lists, too, and copy-on-write
//! counts them: once a run has locked memory, the lists are drained after each of its calls.

use std::ptr::NonNull;

use sim_core::{Advice, Call, MapFlags};

const BLOCK: usize = 2 << 20;

/// Memory whose collapse drains the lists, and whether that is needed.
pub(super) struct Drain {
    memory: Option<NonNull<u8>>,
    needed: bool,
    /// The run has locked memory.
    locks: bool,
}

// SAFETY: the mapping belongs to the value.
unsafe impl Send for Drain {}

impl Drain {
    /// Registers this process with khugepaged, too, and for good: khugepaged scans at once when it is
    /// given its first process, and the workers are not to be that.
    pub(super) fn new() -> Self {
        let memory = map();
        if let Some(memory) = memory {
            // SAFETY: advice on a mapping of our own.
            unsafe { libc::madvise(memory.as_ptr().cast(), 2 * BLOCK, libc::MADV_HUGEPAGE) };
        }
        Self {
            memory,
            // The files of the run have just been made.
            needed: true,
            locks: false,
        }
    }

    /// A new run begins.
    pub(super) fn restart(&mut self) {
        self.needed = true;
        self.locks = false;
    }

    /// Remembers whether a call locks memory; drains the lists if that has been done.
    pub(super) fn after(&mut self, call: &Call) {
        self.locks |= match call {
            Call::Mlock { .. } | Call::Mlockall(_) => true,
            Call::Mmap(args) => args.flags.contains(MapFlags::LOCKED),
            _ => false,
        };
        if self.locks {
            self.needed = true;
            self.run();
        }
    }

    /// Remembers that an advice may have filled the lists.
    pub(super) fn note(&mut self, advice: Advice) {
        self.needed |= matches!(advice, Advice::Free | Advice::Cold | Advice::Pageout);
    }

    /// The lists are to be drained whatever was done.
    pub(super) fn force(&mut self) {
        self.needed = true;
    }

    /// Drains the lists if that is needed.
    pub(super) fn run(&mut self) {
        if !std::mem::take(&mut self.needed) {
            return;
        }
        let Some(memory) = self.memory else {
            return;
        };
        let address = memory.as_ptr().addr().next_multiple_of(BLOCK);
        // SAFETY: a block within the mapping; collapsing does not change its content.
        unsafe { libc::madvise(address as *mut libc::c_void, BLOCK, libc::MADV_COLLAPSE) };
    }
}

/// Twice the size of a block, so that one lies in it, with a page written.
fn map() -> Option<NonNull<u8>> {
    // SAFETY: a new mapping at an address that the kernel chooses; the write is within it.
    unsafe {
        let memory = libc::mmap(
            std::ptr::null_mut(),
            2 * BLOCK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if memory == libc::MAP_FAILED {
            return None;
        }
        let memory = NonNull::new(memory.cast::<u8>())?;
        let offset = memory.as_ptr().addr().next_multiple_of(BLOCK) - memory.as_ptr().addr();
        memory.as_ptr().add(offset).write(1);
        Some(memory)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some(memory) = self.memory {
            // SAFETY: the mapping was made in `map` and nothing else refers to it.
            unsafe { libc::munmap(memory.as_ptr().cast(), 2 * BLOCK) };
        }
    }
}
