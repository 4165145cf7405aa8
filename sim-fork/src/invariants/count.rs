//! Counting what refers to what.

use std::collections::BTreeMap;

use sim_core::store::VmaStore;
use sim_core::{Features, PAGE_SIZE, VirtAddr, VmFlags};
use sim_pagetable::{Arch, Entry, EntryView, FrameFlags, HUGE_PAGES, Leaf, Pfn, Run, VaRange};

use super::Broken;
use crate::file::CachedPage;
use crate::rss::RssKind;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// What was counted for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// References to the folio: of a head, or of a small folio.
    pub refs: u32,
    /// PTEs that map the frame.
    pub ptes: u32,
    /// PMDs that map the folio: of a head.
    pub pmds: u32,
}

/// Counts by frame number.
pub(super) type Frames = BTreeMap<Pfn, Counted>;
/// References by place in swap.
pub(super) type Places = BTreeMap<u64, u32>;

/// Do guards set a flag that neither merging nor a change of flags loses?
const fn guards_have_flags(features: &Features) -> bool {
    features.maybe_guard
        && features.sticky_flags
        && features.modify_keeps_sticky
        && !features.stale_vma_flags
}

/// Counts the entries of an address space, and checks its resident counters.
pub(super) fn space<A: Arch, S: VmaStore>(
    space: &AddressSpace<A, S>,
    frames: &mut Frames,
    places: &mut Places,
) -> Result<(), Broken> {
    let pages = &space.pages;
    let mm = space.mm.read();
    let memory = pages.tables.frames();
    let mut rss: BTreeMap<u8, i64> = BTreeMap::new();
    let all = VaRange::new(0, (1u64 << A::VA_BITS) - PAGE_SIZE);
    for Run { range, leaf } in pages.tables.walk(all) {
        let mut note = |address: u64, entry: Entry<A>, count: u64| {
            let Some(vma) = mm.vma_lookup(VirtAddr::new(address)) else {
                return Err(Broken::Stray {
                    space: pages.number,
                    address,
                });
            };
            if entry.is_guard()
                && guards_have_flags(mm.features())
                && !mm.vma(vma).flags().contains(VmFlags::MAYBE_GUARD)
            {
                return Err(Broken::UnflaggedGuard {
                    space: pages.number,
                    address,
                });
            }
            match entry.view() {
                EntryView::Present(page) => {
                    if page.special || !page.pfn.has_meta() || page.pfn.is_zero_page() {
                        return Ok(());
                    }
                    let head = memory.head(page.pfn);
                    frames.entry(head).or_default().refs += 1;
                    let counted = frames.entry(page.pfn).or_default();
                    if count == 1 {
                        counted.ptes += 1;
                    } else {
                        counted.pmds += 1;
                    }
                    let flags = memory.meta(head).info().flags;
                    let kind = if flags.contains(FrameFlags::ANON) {
                        RssKind::Anon
                    } else if flags.contains(FrameFlags::SHMEM) {
                        RssKind::Shmem
                    } else {
                        RssKind::File
                    };
                    *rss.entry(kind as u8).or_default() += count.cast_signed();
                }
                EntryView::Swap(swapped) => {
                    *places.entry(swapped.slot.offset).or_default() += 1;
                    *rss.entry(RssKind::Swap as u8).or_default() += 1;
                }
                EntryView::None
                | EntryView::Marker(_)
                | EntryView::Migration(_)
                | EntryView::HwPoison(_)
                | EntryView::Device(..) => {}
            }
            Ok(())
        };
        match leaf {
            Leaf::Absent => {}
            Leaf::Huge(slot) => note(range.start().get(), slot.entry(), HUGE_PAGES)?,
            Leaf::Table(table) => {
                for slot in table.slots(range) {
                    if !slot.get().is_none() {
                        note(slot.va().get(), slot.get(), 1)?;
                    }
                }
            }
        }
    }
    for kind in [RssKind::Anon, RssKind::File, RssKind::Shmem, RssKind::Swap] {
        let counted = rss.get(&(kind as u8)).copied().unwrap_or_default();
        let counter = pages.rss.get(kind);
        if counter != counted {
            return Err(Broken::Rss {
                space: pages.number,
                kind,
                counter,
                counted,
            });
        }
    }
    Ok(())
}

/// Counts the references of page caches and of the swap cache.
pub(super) fn caches(shared: &Shared, frames: &mut Frames, places: &mut Places) {
    for object in shared.files.all() {
        for (_, page) in object.lock().pages() {
            match page {
                CachedPage::Present(pfn) => {
                    let head = shared.frames.head(pfn);
                    frames.entry(head).or_default().refs += 1;
                }
                CachedPage::Swapped(swapped) => {
                    *places.entry(swapped.slot.offset).or_default() += 1;
                }
                CachedPage::OnDisk(_) => {}
            }
        }
    }
    for pfn in shared.lru.references() {
        frames.entry(pfn).or_default().refs += 1;
    }
    for (_, page) in shared.swap.used() {
        if let Some(pfn) = page.cached {
            frames.entry(shared.frames.head(pfn)).or_default().refs += 1;
        }
    }
}

/// Compares what was counted with the frames' metadata.
pub(super) fn compare_frames(shared: &Shared, counts: &Frames) -> Result<(), Broken> {
    for (pfn, info) in shared.frames.allocated() {
        let counted = counts.get(&pfn).copied().unwrap_or_default();
        let tail = info.flags.contains(FrameFlags::LARGE_TAIL);
        let refs_differ = !tail && info.refs != counted.refs;
        let pmds = if info.flags.contains(FrameFlags::LARGE_HEAD) {
            shared.frames.entire_mapcount(pfn)
        } else {
            0
        };
        if refs_differ || info.maps != counted.ptes || pmds != counted.pmds {
            return Err(Broken::Frame { pfn, info, counted });
        }
        let mappings = counted.ptes + pmds;
        if info.flags.contains(FrameFlags::ANON_EXCLUSIVE) && mappings > 1 {
            return Err(Broken::Exclusive(pfn));
        }
    }
    Ok(())
}

/// Compares what was counted with the references of swap.
pub(super) fn compare_swap(shared: &Shared, places: &Places) -> Result<(), Broken> {
    for (slot, page) in shared.swap.used() {
        let counted = places.get(&slot.offset).copied().unwrap_or_default();
        if page.refs != counted || page.refs == 0 && page.cached.is_none() {
            return Err(Broken::Swap {
                offset: slot.offset,
                refs: page.refs,
                counted,
            });
        }
    }
    Ok(())
}
