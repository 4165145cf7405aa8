//! One virtual memory area, as a value: Linux's `struct vm_area_struct`.
//!
//! A [`Vma`] knows its addresses and attributes and nothing of its neighbours. All of it changes
//! through `&mut Vma` (mmap_lock held for writing) but for what Linux changes under the read lock:
//! the flags of type [`AtomicVmFlag`], and `anon_vma`, which is set once.

use sim_sync::prim::atomic::{AtomicU32, AtomicU64, Ordering};
use std::num::NonZeroU32;
use std::sync::Arc;

use bitflags::bitflags;
use smallvec::SmallVec;

use crate::{
    AtomicVmFlag, Detached, FileId, FileKind, PageOffset, PageRange, Policy, VirtAddr, VmFlags,
};

/// An `anon_vma` of the machine: see [`AnonVmas`](crate::AnonVmas).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AnonVmaId(NonZeroU32);

impl AnonVmaId {
    /// The id of the arena's slot `index`.
    pub(crate) fn from_index(index: usize) -> Self {
        let number = u32::try_from(index + 1).expect("too many anon_vmas");
        Self(NonZeroU32::new(number).expect("index + 1 is not 0"))
    }

    /// Its slot in the arena.
    pub(crate) const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// A number for people, from 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A userfaultfd context (`struct userfaultfd_ctx`), compared by identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UffdCtxId(pub NonZeroU32);

/// An anonymous VMA's name (`PR_SET_VMA_ANON_NAME`).
pub type AnonName = Arc<str>;

/// What kind of object a VMA maps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MappedKind {
    /// A file of a disk file system.
    Regular,
    /// Shared memory that the program opened (`memfd_create`).
    Memfd,
    /// A device's mapping of raw frames.
    Pfnmap,
    /// A device's mapping of frames with `struct page`.
    Mixedmap,
    /// The shared memory behind `MAP_SHARED | MAP_ANONYMOUS`; each mapping has its own.
    DevZero,
}

impl From<FileKind> for MappedKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Regular => Self::Regular,
            FileKind::Memfd => Self::Memfd,
            FileKind::Pfnmap => Self::Pfnmap,
            FileKind::Mixedmap => Self::Mixedmap,
        }
    }
}

/// A mapped object, compared by identity as Linux compares `struct file` pointers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileRef {
    /// Which one.
    pub id: FileId,
    /// What it is.
    pub kind: MappedKind,
}

impl FileRef {
    /// Is it shared memory (`vma_is_shmem()`)?
    pub const fn is_shmem(self) -> bool {
        matches!(self.kind, MappedKind::Memfd | MappedKind::DevZero)
    }
}

/// What a VMA maps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Backing {
    /// Private anonymous memory (`vma_is_anonymous()`).
    Anon,
    /// An object.
    File(FileRef),
}

impl Backing {
    /// The object, if any.
    pub const fn file(self) -> Option<FileRef> {
        match self {
            Self::Anon => None,
            Self::File(file) => Some(file),
        }
    }

    /// Is it private anonymous memory?
    pub const fn is_anon(self) -> bool {
        matches!(self, Self::Anon)
    }
}

bitflags! {
    /// Operations that the mapped object's driver has (`vm_ops`) and that merging looks at.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct VmaHooks: u8 {
        /// `close`: the VMA must not be removed by a merge.
        const CLOSE = 1;
        /// `may_split`: the VMA refuses to be split (special mappings).
        const NO_SPLIT = 2;
        /// `mremap`: the VMA refuses to be moved (special mappings).
        const NO_MREMAP = 4;
    }
}

/// What few VMAs have; shared by VMAs that agree in all of it.
#[derive(Clone, PartialEq, Debug, Default)]
struct Rare {
    /// The `anon_vma_chain`, oldest first, unless it is empty or just the own anon_vma.
    long_chain: Option<Arc<LongChain>>,
    policy: Option<Policy>,
    anon_name: Option<AnonName>,
    hooks: VmaHooks,
}

/// An `anon_vma_chain` of more than one link, or one that is not just the own anon_vma.
pub(crate) type LongChain = SmallVec<[AnonVmaId; 4]>;

/// A virtual memory area: with its lock, one cache line.
#[derive(Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "an anon_vma is what Linux calls it"
)]
pub struct Vma {
    range: PageRange,
    pgoff: PageOffset,
    flags: AtomicU64,
    backing: Backing,
    /// Number of the VMA's own anon_vma; 0 for none.
    anon_vma: AtomicU32,
    uffd: Option<UffdCtxId>,
    rare: Option<Arc<Rare>>,
}

impl Vma {
    /// A VMA without anon_vma, userfaultfd, policy, name and hooks.
    #[expect(clippy::new_ret_no_self, reason = "no address space has it yet")]
    pub fn new(range: PageRange, pgoff: PageOffset, flags: VmFlags, backing: Backing) -> Detached {
        Detached::new(Self {
            range,
            pgoff,
            flags: AtomicU64::new(flags.bits()),
            backing,
            anon_vma: AtomicU32::new(0),
            uffd: None,
            rare: None,
        })
    }

    /// A copy with another range and offset and without anon_vma (`vm_area_dup()` before
    /// `anon_vma_clone()`).
    pub fn duplicate(&self, range: PageRange, pgoff: PageOffset) -> Detached {
        let mut copy = Self {
            range,
            pgoff,
            flags: AtomicU64::new(self.flags.load(Ordering::Relaxed)),
            backing: self.backing,
            anon_vma: AtomicU32::new(0),
            uffd: self.uffd,
            rare: self.rare.clone(),
        };
        copy.set_chain(None, None);
        Detached::new(copy)
    }

    /// Its addresses.
    pub const fn range(&self) -> PageRange {
        self.range
    }

    /// Its first address.
    pub const fn start(&self) -> VirtAddr {
        self.range.start()
    }

    /// The address after its last one.
    pub const fn end(&self) -> VirtAddr {
        self.range.end()
    }

    /// Pages in it (`vma_pages()`).
    pub const fn pages(&self) -> u64 {
        self.range.pages()
    }

    /// The page of the object (or, anonymous, the virtual page) that its start maps.
    pub const fn pgoff(&self) -> PageOffset {
        self.pgoff
    }

    /// The page offset of `addr`, which may lie outside (`linear_page_index()`).
    pub const fn pgoff_of(&self, addr: VirtAddr) -> PageOffset {
        PageOffset::new(
            self.pgoff
                .get()
                .wrapping_add(addr.page_number())
                .wrapping_sub(self.start().page_number()),
        )
    }

    /// Its flags.
    pub fn flags(&self) -> VmFlags {
        VmFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// What it maps.
    pub const fn backing(&self) -> Backing {
        self.backing
    }

    /// The mapped object.
    pub const fn file(&self) -> Option<FileRef> {
        self.backing.file()
    }

    /// Is it private anonymous memory (`vma_is_anonymous()`)?
    pub const fn is_anon(&self) -> bool {
        self.backing.is_anon()
    }

    /// Its own anon_vma; none: it never had a private page of its own.
    pub fn anon_vma(&self) -> Option<AnonVmaId> {
        NonZeroU32::new(self.anon_vma.load(Ordering::Acquire)).map(AnonVmaId)
    }

    /// Links in its `anon_vma_chain`, 0 without anon_vma.
    pub fn chain_len(&self) -> usize {
        match self.long_chain() {
            Some(chain) => chain.len(),
            None => usize::from(self.anon_vma().is_some()),
        }
    }

    /// The anon_vmas of its chain, oldest first.
    pub fn chain(&self) -> impl Iterator<Item = AnonVmaId> + '_ {
        let own = match self.long_chain() {
            Some(_) => None,
            None => self.anon_vma(),
        };
        let long = self.long_chain().map_or(&[][..], |chain| &chain[..]);
        own.into_iter().chain(long.iter().copied())
    }

    /// Has it an anon_vma whose chain has other links too (`vma_is_fork_child()`, 6.19)?
    pub fn is_fork_child(&self) -> bool {
        self.long_chain().is_some_and(|c| c.len() > 1)
    }

    /// The userfaultfd context it is registered with.
    pub const fn uffd(&self) -> Option<UffdCtxId> {
        self.uffd
    }

    /// Its memory policy; none: the process's.
    pub fn policy(&self) -> Option<Policy> {
        self.rare.as_ref()?.policy
    }

    /// Its anonymous name.
    pub fn anon_name(&self) -> Option<&AnonName> {
        self.rare.as_ref()?.anon_name.as_ref()
    }

    /// Its driver's hooks.
    pub fn hooks(&self) -> VmaHooks {
        self.rare
            .as_ref()
            .map_or(VmaHooks::empty(), |rare| rare.hooks)
    }

    /// Sets an allow-listed flag under the read lock (`vma_flag_set_atomic()`, 6.19).
    pub fn set_flag_atomic(&self, flag: AtomicVmFlag) {
        // Most often it is set already, and to look costs less than an atomic change.
        if !self.flags().contains(flag.flag()) {
            self.flags.fetch_or(flag.flag().bits(), Ordering::Relaxed);
        }
    }

    /// Replaces the flags (`vm_flags_reset()`).
    pub fn set_flags(&mut self, flags: VmFlags) {
        *self.flags.get_mut() = flags.bits();
    }

    /// Sets some flags (`vm_flags_set()`).
    pub fn insert_flags(&mut self, flags: VmFlags) {
        *self.flags.get_mut() |= flags.bits();
    }

    /// Clears some flags (`vm_flags_clear()`).
    pub fn remove_flags(&mut self, flags: VmFlags) {
        *self.flags.get_mut() &= !flags.bits();
    }

    /// Replaces the userfaultfd context.
    pub fn set_uffd(&mut self, uffd: Option<UffdCtxId>) {
        self.uffd = uffd;
    }

    /// Replaces the policy.
    pub fn set_policy(&mut self, policy: Option<Policy>) {
        self.change_rare(|rare| rare.policy = policy);
    }

    /// Replaces the anonymous name.
    pub fn set_anon_name(&mut self, name: Option<AnonName>) {
        self.change_rare(|rare| rare.anon_name = name);
    }

    /// Replaces the hooks.
    pub fn set_hooks(&mut self, hooks: VmaHooks) {
        self.change_rare(|rare| rare.hooks = hooks);
    }

    fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.as_deref().cloned().unwrap_or_default();
        change(&mut rare);
        self.rare = (rare != Rare::default()).then(|| Arc::new(rare));
    }

    /// Replaces range and offset (`vma_set_range()`); the caller keeps the store in step.
    pub(crate) fn set_range(&mut self, range: PageRange, pgoff: PageOffset) {
        self.range = range;
        self.pgoff = pgoff;
    }

    /// Publishes the first anon_vma, whose chain has this one link.
    pub(crate) fn publish_anon_vma(&self, id: AnonVmaId) {
        self.anon_vma.store(id.get(), Ordering::Release);
    }

    /// Replaces anon_vma and chain.
    pub(crate) fn set_chain(&mut self, own: Option<AnonVmaId>, long: Option<Arc<LongChain>>) {
        *self.anon_vma.get_mut() = own.map_or(0, AnonVmaId::get);
        let unchanged = match (self.long_chain(), &long) {
            (None, None) => true,
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !unchanged {
            self.change_rare(|rare| rare.long_chain = long);
        }
    }

    /// The chain where it is neither empty nor just the own anon_vma.
    pub(crate) fn long_chain(&self) -> Option<&Arc<LongChain>> {
        self.rare.as_ref()?.long_chain.as_ref()
    }
}
