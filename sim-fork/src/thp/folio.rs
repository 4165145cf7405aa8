//! Splitting a large folio into its pages, whoever maps them (`mm/huge_memory.c: __folio_split()`,
//! 6.18). Splitting one mapping of it is `mapping.rs`.
//!
//! ```text
//!   anonymous ─▶ every huge entry becomes 512; then zero pages take the place of those that contain
//!                nothing but zeroes (`mm/migrate.c: try_to_map_unused_to_zeropage()`)
//!   object's ──▶ unmapped everywhere, as by reclaim; the pages stay in its cache
//! ```

use std::ops::Range;
use std::sync::Arc;

use sim_core::store::VmaStore;
use sim_core::{FileRef, Mm, VirtAddr, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, FrameFlags, Frames, Leaf, Pfn, PteSlot, Run, Va, VaRange};
use sim_sync::MmapRead;

use super::mapping;
use crate::folio;
use crate::lru;
use crate::machine::Machine;
use crate::pageops::{ZapMode, pages_of_object};
use crate::pager::Pager;
use crate::rss::RssKind;
use crate::shared::Shared;
use crate::space::AddressSpace;
use crate::va::va_range;

/// A large folio, and how its mappings are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Folio {
    /// Its first page.
    head: Pfn,
    /// How many there are.
    pages: u64,
    /// Where that belongs in the object, or in anonymous memory as its VMAs number it.
    index: u64,
    /// The object; `None` for anonymous memory.
    object: Option<FileRef>,
}

/// What the caller has locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// mmap_lock of a process, for reading.
    Mmap,
    /// A VMA alone: mmap_lock must not be waited for then. DEVIATION: where Linux waits for the
    /// anon_vma's lock, the folio counts as busy.
    Vma,
}

impl Folio {
    /// The folio of a page that is mapped in a VMA at an address.
    pub(crate) fn mapped_at(frames: &Frames, vma: &Vma, at: VirtAddr, pfn: Pfn) -> Self {
        let head = frames.head(pfn);
        let offset = pfn.get() - head.get();
        let anonymous = folio::is_anon(frames, head);
        Self {
            head,
            pages: frames.folio_pages(head),
            index: vma.pgoff_of(at).get().wrapping_sub(offset),
            object: vma.file().filter(|_| !anonymous),
        }
    }

    /// Its first page.
    pub(crate) const fn head(self) -> Pfn {
        self.head
    }

    /// The object that it is of; `None` for anonymous memory.
    pub(crate) const fn object(self) -> Option<FileRef> {
        self.object
    }

    /// Where its pages belong in the object.
    pub(crate) const fn indices(self) -> Range<u64> {
        self.index..self.index + self.pages
    }

    const fn contains(self, pfn: Pfn) -> bool {
        pfn.get().wrapping_sub(self.head.get()) < self.pages
    }

    /// The part of a VMA that may map some of it.
    fn part_of(self, vma: &Vma) -> Option<VaRange> {
        let related = match self.object {
            None => vma.anon_vma().is_some(),
            Some(_) => vma.file() == self.object,
        };
        let end = self.index.saturating_add(self.pages);
        let part = pages_of_object(vma, self.index, end).filter(|_| related);
        part.map(va_range)
    }

    /// References that are no mappings: those of the page cache, or of the swap cache.
    fn cached(self, frames: &Frames) -> u32 {
        let swapped = frames.meta(self.head).has(FrameFlags::SWAPCACHE);
        match self.object {
            None if !swapped => 0,
            None | Some(_) => self.pages as u32,
        }
    }
}

/// Splits a folio and its huge mappings. False, and nothing is changed, if somebody else refers to
/// it. The caller holds no page-table lock.
pub(crate) fn split<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    folio: Folio,
    held: Held,
) -> bool {
    let frames = &machine.shared().frames;
    if frames.refs(folio.head) != frames.folio_mapcount(folio.head) + folio.cached(frames) {
        return false;
    }
    let spaces = machine.spaces();
    let Some(locked) = lock_all(&spaces, held) else {
        return false;
    };
    let sharers = sharers(machine.shared(), &spaces, &locked);
    match folio.object {
        None => split_anon(machine.shared(), sharers, folio),
        Some(file) => split_object(machine, sharers, folio, file),
    }
}

/// Unmaps a folio of an object as reclaim does: one VMA after the other, by the offsets that they begin
/// at, up to one that is locked (`mm/rmap.c: try_to_unmap()`). The caller holds mmap_lock for reading.
/// Whether nobody maps it now.
pub(crate) fn unmap<A: Arch, S: VmaStore>(machine: &Machine<A, S>, folio: Folio) -> bool {
    let spaces = machine.spaces();
    if let Some(locked) = lock_all(&spaces, Held::Mmap) {
        let mut found = parts(sharers(machine.shared(), &spaces, &locked), folio);
        // DEVIATION: of those that begin at the same offset, the one that was put into the tree last
        // comes last on Linux. Most likely that is the locked one, which was cut when it was locked.
        found.sort_by_key(|mapping| (mapping.vma.pgoff(), lru::is_locked(mapping.vma)));
        let keeps = |mapping: &Mapping<'_, A>| lru::is_locked(mapping.vma) && mapping.maps(folio);
        for mapping in found.iter().take_while(|mapping| !keeps(mapping)) {
            mapping.unmap(folio);
        }
    }
    machine.shared().frames.folio_mapcount(folio.head) == 0
}

/// The page tables and VMAs of locked address spaces.
fn sharers<'a, A: Arch, S: VmaStore>(
    shared: &'a Shared,
    spaces: &'a [Arc<AddressSpace<A, S>>],
    locked: &'a [MmapRead<'a, Mm<S>>],
) -> impl Iterator<Item = (Pager<'a, A>, &'a Mm<S>)> {
    let sharers = spaces.iter().zip(locked);
    sharers.map(|(space, mm)| (Pager::new(shared, &space.pages), &**mm))
}

/// Locks all address spaces for reading; `None` if that would mean to wait and must not.
fn lock_all<A: Arch, S: VmaStore>(
    spaces: &[Arc<AddressSpace<A, S>>],
    held: Held,
) -> Option<Vec<MmapRead<'_, Mm<S>>>> {
    let locks = spaces.iter().map(|space| match held {
        Held::Mmap => Some(space.mm.read_recursive()),
        Held::Vma => space.mm.try_read(),
    });
    locks.collect()
}

/// A page table and its VMA that map some of a folio.
struct Mapping<'a, A: Arch> {
    pager: Pager<'a, A>,
    vma: &'a Vma,
    part: VaRange,
}

impl<A: Arch> Mapping<'_, A> {
    /// Calls `act` for each single entry that maps a page of the folio.
    fn for_each(&self, folio: Folio, mut act: impl FnMut(PteSlot<'_, A>, Pfn)) {
        for Run { range, leaf } in self.pager.tables().walk(self.part) {
            let Leaf::Table(table) = leaf else { continue };
            for slot in table.slots(range) {
                let page = Pager::normal_page(slot.get());
                if let Some(pfn) = page.filter(|&pfn| folio.contains(pfn)) {
                    act(slot, pfn);
                }
            }
        }
    }

    /// Does it map anything of the folio?
    fn maps(&self, folio: Folio) -> bool {
        self.pager
            .tables()
            .walk(self.part)
            .any(|Run { range, leaf }| match leaf {
                Leaf::Huge(slot) => slot.entry().pfn() == Some(folio.head),
                Leaf::Table(table) => table.slots(range).any(|slot| {
                    Pager::normal_page(slot.get()).is_some_and(|pfn| folio.contains(pfn))
                }),
                Leaf::Absent => false,
            })
    }

    /// Unmaps a folio of an object.
    fn unmap(&self, folio: Folio) {
        self.split_huge_entries(folio);
        self.for_each(folio, |slot, _| {
            let entry = slot.get();
            self.pager
                .zap_present(self.vma, slot, entry, ZapMode::Reclaim);
        });
    }

    fn split_huge_entries(&self, folio: Folio) {
        let blocks = self.pager.tables().walk(self.part);
        let huge: Vec<Va> = blocks
            .filter(|Run { leaf, .. }| match leaf {
                Leaf::Huge(slot) => slot.entry().pfn() == Some(folio.head),
                Leaf::Table(_) | Leaf::Absent => false,
            })
            .map(|run| run.range.start())
            .collect();
        for at in huge {
            mapping::split(&self.pager, self.vma, at);
        }
    }
}

/// Where a folio may be mapped.
fn parts<'a, A: Arch, S: VmaStore>(
    sharers: impl Iterator<Item = (Pager<'a, A>, &'a Mm<S>)>,
    folio: Folio,
) -> Vec<Mapping<'a, A>> {
    let mut found = Vec::new();
    for (pager, mm) in sharers {
        for (_, vma) in mm.iter() {
            if let Some(part) = folio.part_of(vma) {
                found.push(Mapping { pager, vma, part });
            }
        }
    }
    found
}

fn split_anon<'a, A: Arch, S: VmaStore>(
    shared: &Shared,
    sharers: impl Iterator<Item = (Pager<'a, A>, &'a Mm<S>)>,
    folio: Folio,
) -> bool {
    let frames = &shared.frames;
    let cached = folio.cached(frames);
    let found = parts(sharers, folio);
    let mut count = 0;
    for mapping in &found {
        mapping.split_huge_entries(folio);
        mapping.for_each(folio, |slot, _| {
            count += 1;
            if slot.get().is_dirty() {
                folio::mark_dirty(frames, folio.head);
            }
        });
    }
    if count != frames.folio_mapcount(folio.head) || count + cached != frames.refs(folio.head) {
        // Threads that do not wait for mmap_lock are at it.
        debug_assert!(frames.concurrent(), "mappings of {folio:?} were missed");
        return false;
    }
    // Linux unmaps it meanwhile: locked VMAs unlock it, and lock what they map again.
    let locked = || found.iter().filter(|mapping| lru::is_locked(mapping.vma));
    for mapping in locked() {
        mapping.for_each(folio, |_, _| shared.lru.munlock(frames, folio.head));
    }
    shared.lru.drain_mlocked(frames);
    frames.split_folio(folio.head, cached / folio.pages as u32);
    for mapping in &found {
        mapping.for_each(folio, |slot, pfn| {
            use_zero_page(&mapping.pager, mapping.vma, slot, pfn);
        });
    }
    for mapping in locked() {
        mapping.for_each(folio, |_, pfn| shared.lru.mlock(frames, pfn));
    }
    shared.lru.drain_mlocked(frames);
    if cached != 0 {
        // In the swap cache what nobody has any more is not needed.
        for i in 0..folio.pages {
            shared.free_swap_if_unmapped(folio.head.add(i));
        }
    }
    true
}

/// Maps the zero page instead of a page that contains only zeroes.
fn use_zero_page<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, slot: PteSlot<'_, A>, pfn: Pfn) {
    let meta = pager.frames().meta(pfn);
    let locked = meta.has(FrameFlags::MLOCKED) || vma.flags().contains(VmFlags::LOCKED);
    if locked || meta.tag() != 0 {
        return;
    }
    let old = slot.get();
    let zero = Entry::page(Pfn::ZERO_PAGE, pager.page_prot(vma))
        .mk_special()
        .with_soft_dirty(old.is_soft_dirty())
        .with_uffd_wp(old.is_uffd_wp());
    slot.set(zero);
    pager.account_unmap(vma, pfn, RssKind::Anon);
}

fn split_object<'a, A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    sharers: impl Iterator<Item = (Pager<'a, A>, &'a Mm<S>)>,
    folio: Folio,
    file: FileRef,
) -> bool {
    let shared = machine.shared();
    let frames = &shared.frames;
    for mapping in &parts(sharers, folio) {
        mapping.unmap(folio);
    }
    shared.lru.drain_mlocked(frames);
    if frames.folio_mapcount(folio.head) != 0 || frames.refs(folio.head) != folio.cached(frames) {
        return false;
    }
    frames.split_folio(folio.head, 1);
    drop_beyond_end(shared, folio, file);
    true
}

/// Pages that lie beyond the end of their object leave it.
fn drop_beyond_end(shared: &Shared, folio: Folio, file: FileRef) {
    let Some(object) = shared.files.get(file.id) else {
        return;
    };
    let mut state = object.lock();
    let first = state.size_in_pages().max(folio.index);
    for index in first..folio.index + folio.pages {
        if let Some(pfn) = state.cached(index).filter(|&pfn| folio.contains(pfn)) {
            state.take(index);
            shared.frames.put(pfn);
        }
    }
}
