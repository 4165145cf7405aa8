//! One address space's pages together with the machine they belong to: what faults, unmapping,
//! fork and [`PageOps`](sim_core::PageOps) work on. Made for one call.

use sim_core::{FileRef, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Frames, Leaf, PageProt, PageTables, Pfn, Sharer, Va};

use crate::error::FaultError;
use crate::folio;
use crate::rss::{Rss, RssKind};
use crate::shared::Shared;
use crate::space::SpacePages;
use crate::va::page_prot;

/// Pages of one address space, and the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pager<'a, A: Arch> {
    pub(crate) shared: &'a Shared,
    pub(crate) pages: &'a SpacePages<A>,
}

/// What an address has in the page tables, read at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen<A: Arch> {
    /// No PTE table.
    Absent,
    /// A PMD entry that is no table.
    Huge(Entry<A>),
    /// An entry of a PTE table, possibly empty.
    Pte(Entry<A>),
}

impl<'a, A: Arch> Pager<'a, A> {
    pub(crate) const fn new(shared: &'a Shared, pages: &'a SpacePages<A>) -> Self {
        Self { shared, pages }
    }

    pub(crate) const fn tables(&self) -> &'a PageTables<A> {
        &self.pages.tables
    }

    pub(crate) fn frames(&self) -> &'a Frames {
        &self.shared.frames
    }

    pub(crate) const fn rss(&self) -> &'a Rss {
        &self.pages.rss
    }

    /// Who maps pages here.
    pub(crate) fn sharer(&self) -> Sharer {
        Sharer::new(self.pages.number)
    }

    /// What the page tables have for an address.
    pub(crate) fn seen(&self, va: Va) -> Seen<A> {
        match self.tables().leaf(va) {
            Leaf::Absent => Seen::Absent,
            Leaf::Huge(slot) => Seen::Huge(slot.entry()),
            Leaf::Table(table) => Seen::Pte(table.get(va)),
        }
    }

    /// Lets the hardware use the translation of `va`: `f` says what the entry becomes, or `None`
    /// for a page fault. The frame used.
    pub(crate) fn translate(
        &self,
        va: Va,
        f: impl FnOnce(Entry<A>) -> Option<Entry<A>>,
    ) -> Option<Pfn> {
        match self.tables().leaf(va) {
            Leaf::Absent => None,
            Leaf::Huge(slot) => {
                let entry = slot.entry();
                let head = entry.pfn()?;
                slot.change(f(entry)?);
                Some(head.add(va.pte_index() as u64))
            }
            Leaf::Table(table) => {
                let slot = table.slot(va);
                let entry = slot.get();
                let pfn = entry.pfn()?;
                let new = f(entry)?;
                if new != entry {
                    slot.set(new);
                }
                Some(pfn)
            }
        }
    }

    /// What a frame contains.
    pub(crate) fn content(&self, pfn: Pfn) -> u32 {
        if pfn.has_meta() {
            self.frames().meta(pfn).tag()
        } else {
            self.shared.devices.content(&self.shared.files, pfn)
        }
    }

    /// Stores the first byte of a frame.
    #[inline]
    pub(crate) fn store(&self, pfn: Pfn, byte: u8) {
        if pfn.has_meta() {
            let meta = self.frames().meta(pfn);
            meta.set_tag((meta.tag() & !0xff) | u32::from(byte));
        } else {
            self.shared.devices.store(pfn, byte);
        }
    }

    /// Allocates a frame. Where RAM is used up, whoever made the call reclaims and tries again.
    #[inline]
    pub(crate) fn alloc_frame(&self, flags: FrameFlags) -> Result<Pfn, FaultError> {
        Ok(self.frames().alloc(flags)?)
    }

    /// The protection of a VMA's entries (`vma->vm_page_prot`, `mm/vma.c: vma_set_page_prot()`).
    #[expect(clippy::unused_self, reason = "it is the address space's format")]
    pub(crate) fn page_prot(&self, vma: &Vma) -> PageProt {
        let flags = vma.flags();
        if wants_writenotify::<A>(flags, vma.file()) {
            page_prot::<A>(flags - VmFlags::SHARED)
        } else {
            page_prot::<A>(flags)
        }
    }

    /// Are pages that were not asked for mapped old? Where the MMU marks them when they are
    /// (`arch_wants_old_prefaulted_pte()`).
    pub(crate) fn prefaults_old(&self) -> bool {
        A::SOFTWARE_AD && self.shared.setup.mmu.hw_access_flag
    }

    /// The frame of a present entry if it is an ordinary page (`vm_normal_page()`).
    pub(crate) fn normal_page(entry: Entry<A>) -> Option<Pfn> {
        if entry.is_special() {
            return None;
        }
        entry
            .pfn()
            .filter(|pfn| pfn.has_meta() && !pfn.is_zero_page())
    }

    /// A page enters the page tables: rmap, counters, mlock (`folio_add_*_rmap_pte()`). The
    /// reference is the caller's.
    pub(crate) fn account_map(&self, vma: &Vma, pfn: Pfn) {
        self.frames().map_page(pfn, self.sharer());
        self.rss().add(folio::rss_kind(self.frames(), pfn), 1);
        if vma.flags().contains(VmFlags::LOCKED) && !self.frames().is_large(pfn) {
            self.shared.lru.mlock(self.frames(), pfn);
        }
    }

    /// The same for a new anonymous page (`folio_add_new_anon_rmap()`, `folio_add_lru_vma()`).
    #[inline]
    pub(crate) fn account_new(&self, vma: &Vma, pfn: Pfn) {
        self.frames().map_page(pfn, self.sharer());
        self.rss().add(RssKind::Anon, 1);
        self.shared.lru.add_mapped(self.frames(), vma, pfn);
    }

    /// A page left the page tables: the reverse, and its reference is dropped. Nobody wants its
    /// place in swap, if nobody else maps it.
    pub(crate) fn account_unmap(&self, vma: &Vma, pfn: Pfn, kind: RssKind) {
        self.unmap_counted(vma, pfn, kind);
        self.shared.free_swap_if_unmapped(pfn);
        self.frames().put(pfn);
    }

    /// The same for a page that reclaim has unmapped, and may keep in the swap cache.
    pub(crate) fn account_reclaimed(&self, vma: &Vma, pfn: Pfn, kind: RssKind) {
        self.unmap_counted(vma, pfn, kind);
        self.frames().put(pfn);
    }

    fn unmap_counted(&self, vma: &Vma, pfn: Pfn, kind: RssKind) {
        self.frames().unmap_page(pfn, self.sharer());
        self.rss().add(kind, -1);
        if vma.flags().contains(VmFlags::LOCKED) {
            self.shared
                .lru
                .munlock(self.frames(), self.frames().head(pfn));
        }
    }
}

/// Must the first write to a page of a shared mapping be noticed? (`mm/vma.c:
/// vma_wants_writenotify()`, 6.19)
pub(crate) fn wants_writenotify<A: Arch>(flags: VmFlags, file: Option<FileRef>) -> bool {
    if !flags.contains(VmFlags::WRITE | VmFlags::SHARED) {
        return false;
    }
    let soft_dirty_tracked = A::SOFT_DIRTY != 0 && !flags.contains(VmFlags::SOFTDIRTY);
    file.is_some_and(has_page_mkwrite) || soft_dirty_tracked || flags.contains(VmFlags::UFFD_WP)
}

/// Do writes to pages of the object go through `vm_ops.page_mkwrite`?
pub(crate) const fn has_page_mkwrite(file: FileRef) -> bool {
    matches!(file.kind, sim_core::MappedKind::Regular)
}
