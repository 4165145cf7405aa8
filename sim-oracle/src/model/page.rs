//! What a page has, as far as VMAs are concerned.

use std::sync::Arc;

use sim_core::{Backing, FileRef, Policy, VmFlags};

/// An `anon_vma` by number; numbers are not used again.
pub(super) type AnonId = usize;

/// The anonymous side of a page: whose `anon_vma` a page put there would belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Anon {
    /// The own one.
    pub(super) own: AnonId,
    /// All that it is linked to, oldest first.
    pub(super) chain: Arc<[AnonId]>,
}

impl Anon {
    /// A first one.
    pub(super) fn first(own: AnonId) -> Self {
        Self {
            own,
            chain: Arc::new([own]),
        }
    }

    /// Has fork had a hand in it?
    pub(super) fn is_forked(&self) -> bool {
        self.chain.len() > 1
    }
}

/// All that a page shares with its neighbours in a VMA. The offset in the object is kept as its
/// distance to the page's own number, so that pages that continue each other have the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page {
    pub(super) flags: VmFlags,
    pub(super) map: Backing,
    /// Offset in pages less page number, wrapping.
    pub(super) delta: u64,
    pub(super) anon: Option<Anon>,
    /// Its userfaultfd, by number.
    pub(super) uffd: Option<u32>,
    pub(super) policy: Option<Policy>,
    pub(super) name: Option<Arc<str>>,
    /// A driver's hook: the VMA must not be taken away by a merge.
    pub(super) close: bool,
}

impl Page {
    /// A page that was just mapped.
    pub(super) const fn new(flags: VmFlags, map: Backing, delta: u64) -> Self {
        Self {
            flags,
            map,
            delta,
            anon: None,
            uffd: None,
            policy: None,
            name: None,
            close: false,
        }
    }

    pub(super) const fn has(&self, flag: VmFlags) -> bool {
        self.flags.contains(flag)
    }

    pub(super) fn any(&self, flags: VmFlags) -> bool {
        self.flags.intersects(flags)
    }

    pub(super) fn is_forked(&self) -> bool {
        self.anon.as_ref().is_some_and(Anon::is_forked)
    }

    /// Writes to it make a copy of its own.
    pub(super) const fn is_private(&self) -> bool {
        !self.has(VmFlags::SHARED)
    }

    /// Counts against `RLIMIT_DATA`.
    pub(super) fn is_data(&self) -> bool {
        is_data(self.flags)
    }

    /// Shared memory, opened by the program or not.
    pub(super) fn is_shmem(&self) -> bool {
        self.map.file().is_some_and(FileRef::is_shmem)
    }
}

/// Private, writable and no stack.
pub(super) fn is_data(flags: VmFlags) -> bool {
    flags & (VmFlags::WRITE | VmFlags::SHARED | VmFlags::GROWSDOWN) == VmFlags::WRITE
}
