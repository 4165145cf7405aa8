//! munmap, and making room for `MAP_FIXED`.
//!
//! First the VMAs in the range are gathered, splitting those that stick out; that may fail, and
//! splits made before stay. Then their pages go, then they.

use smallvec::SmallVec;

use super::split::NewPart;
use crate::store::{VmaId, VmaStore};
use crate::{
    Detached, Errno, Event, FreeTables, Mm, PageOps, PageRange, Refusal, SyscallRange, VirtAddr,
    VmFlags, Vma,
};

/// VMAs that are about to go: they fill `range`'s mapped part exactly.
#[derive(Debug)]
pub(crate) struct Gathered {
    range: PageRange,
    vmas: SmallVec<[VmaId; 8]>,
    /// Their pages.
    pub(crate) pages: u64,
    /// Their pages that are charged to the commit limit.
    pub(crate) accounted: u64,
    floor: VirtAddr,
    ceiling: Option<VirtAddr>,
}

impl Gathered {
    /// Of a range in which nothing is mapped.
    pub(crate) fn nothing(range: PageRange) -> Self {
        Self {
            range,
            vmas: SmallVec::new(),
            pages: 0,
            accounted: 0,
            floor: VirtAddr::ZERO,
            ceiling: None,
        }
    }
}

/// VMAs that are in no store any more; their pages are still mapped.
#[derive(Debug)]
#[must_use = "their pages are still mapped"]
pub struct DetachedVmas {
    range: PageRange,
    vmas: SmallVec<[Detached; 1]>,
    accounted: u64,
    floor: VirtAddr,
    ceiling: Option<VirtAddr>,
}

impl<S: VmaStore> Mm<S> {
    /// `munmap(2)` (`mm/vma.c: do_vmi_munmap()`, 6.19).
    ///
    /// # Errors
    /// Those of the system call.
    pub fn munmap(&mut self, pages: &mut dyn PageOps, range: SyscallRange) -> Result<(), Errno> {
        let detached = self.munmap_detach(pages, range)?;
        self.unmap_detached(pages, detached);
        Ok(())
    }

    /// The pages of a range that begins page-aligned and lies in user space.
    pub(crate) fn user_range(&self, range: SyscallRange) -> Option<PageRange> {
        let room = self
            .config
            .layout
            .task_size
            .get()
            .checked_sub(range.addr.get())?;
        if !range.addr.is_page_aligned() || range.len.get() > room {
            return None;
        }
        PageRange::try_new(range.addr, range.addr.checked_add(range.len.page_align())?)
    }

    /// Unmaps a range, whatever is in it (`mm/vma.c: do_vmi_align_munmap()`, 6.19).
    ///
    /// # Errors
    /// `EPERM` for a sealed VMA, `ENOMEM`; splits made before stay.
    pub fn do_munmap(&mut self, pages: &mut dyn PageOps, range: PageRange) -> Result<(), Errno> {
        let detached = self.detach_range(pages, range)?;
        self.unmap_detached(pages, detached);
        Ok(())
    }

    /// The first half of [`munmap`](Self::munmap): the VMAs are gone, their pages are not.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn munmap_detach(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
    ) -> Result<DetachedVmas, Errno> {
        let range = self.user_range(range).ok_or(Errno::EINVAL)?;
        if range.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.detach_range(pages, range)
    }

    /// Takes all VMAs of a range out of the store, splitting those that stick out.
    pub(crate) fn detach_range(
        &mut self,
        pages: &mut dyn PageOps,
        range: PageRange,
    ) -> Result<DetachedVmas, Errno> {
        let gathered = self.gather(pages, range)?;
        Ok(self.detach(gathered))
    }

    /// Takes gathered VMAs out of the store and counts them off.
    fn detach(&mut self, gathered: Gathered) -> DetachedVmas {
        let mut detached = DetachedVmas {
            range: gathered.range,
            vmas: SmallVec::with_capacity(gathered.vmas.len()),
            accounted: gathered.accounted,
            floor: gathered.floor,
            ceiling: gathered.ceiling,
        };
        self.store.begin_change();
        for id in gathered.vmas {
            let vma = self.vma(id);
            let (flags, count, start) = (vma.flags(), vma.pages(), vma.start());
            self.counters.sub(flags, count);
            if flags.contains(VmFlags::LOCKED) {
                self.counters.locked_vm -= count;
            }
            self.store.remove(start);
            detached.vmas.push(self.take_vma(id));
        }
        self.store.end_change();
        detached
    }

    /// The second half: unmaps the pages of detached VMAs, for which mmap_lock held for reading is
    /// enough, and frees the VMAs (`mm/vma.c: vms_complete_munmap_vmas()`, 6.19).
    pub fn unmap_detached(&self, pages: &mut dyn PageOps, detached: DetachedVmas) {
        let DetachedVmas {
            range,
            floor,
            ceiling,
            ..
        } = detached;
        let tables = FreeTables {
            range,
            floor,
            ceiling,
        };
        unmap_all(pages, detached.vmas.iter().map(|vma| &**vma), tables);
        self.free_detached(pages, detached);
    }

    /// Frees detached VMAs, whose pages were unmapped, and gives back what they were charged.
    fn free_detached(&self, pages: &mut dyn PageOps, detached: DetachedVmas) {
        for vma in detached.vmas {
            if let Some(file) = vma.file() {
                pages.file_unlinked(file, &vma);
            }
            let range = vma.range();
            vma.free(&self.anon_vmas);
            self.events.record(|| Event::Remove { range });
        }
        if detached.accounted > 0 {
            self.uncharge(detached.accounted);
        }
    }

    /// Finds the VMAs in a range and splits those that stick out
    /// (`mm/vma.c: vms_gather_munmap_vmas()`, 6.19).
    pub(crate) fn gather(
        &mut self,
        pages: &mut dyn PageOps,
        range: PageRange,
    ) -> Result<Gathered, Errno> {
        let mut gathered = Gathered::nothing(range);
        let Some(first) = self.find_in(range) else {
            return Ok(gathered);
        };
        self.split_first(pages, first, range)?;
        let mut next = Some(first);
        while let Some(id) = next.filter(|&id| self.vma(id).start() < range.end()) {
            if self.vma(id).flags().contains(VmFlags::SEALED) {
                return Err(Errno::EPERM);
            }
            if self.vma(id).end() > range.end() {
                self.split_unlimited(pages, id, range.end(), NewPart::Above)?;
            }
            self.start_write(id);
            let vma = self.vma(id);
            gathered.vmas.push(id);
            gathered.pages += vma.pages();
            if vma.flags().contains(VmFlags::ACCOUNT) {
                gathered.accounted += vma.pages();
            }
            let end = vma.end();
            next = self.find_vma(end);
        }
        gathered.ceiling = next.map(|id| self.vma(id).start());
        gathered.floor = match self.prev_of(first) {
            Some(prev) => self.vma(prev).end(),
            None => VirtAddr::ZERO,
        };
        Ok(gathered)
    }

    /// Cuts off the part of the first VMA that lies below the range.
    fn split_first(
        &mut self,
        pages: &mut dyn PageOps,
        first: VmaId,
        range: PageRange,
    ) -> Result<(), Errno> {
        let vma = self.vma(first);
        if vma.start() >= range.start() {
            return Ok(());
        }
        // A hole makes one VMA more; cutting off an end does not.
        if range.end() < vma.end() && self.at_map_limit() {
            self.events.record(|| Event::Refused {
                range: vma.range(),
                why: Refusal::MapCountLimit,
            });
            return Err(Errno::ENOMEM);
        }
        if vma.flags().contains(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        self.split_unlimited(pages, first, range.start(), NewPart::Below)?;
        Ok(())
    }

    /// Unmaps the pages of gathered VMAs (`mm/vma.c: vms_clear_ptes()`).
    pub(crate) fn clear_pages(&self, pages: &mut dyn PageOps, gathered: &Gathered) {
        let tables = FreeTables {
            range: gathered.range,
            floor: gathered.floor,
            ceiling: gathered.ceiling,
        };
        unmap_all(pages, gathered.vmas.iter().map(|&id| self.vma(id)), tables);
    }

    /// Takes gathered VMAs, whose pages were unmapped, away and counts them off
    /// (`mm/vma.c: vms_complete_munmap_vmas()`).
    pub(crate) fn remove_gathered(&mut self, pages: &mut dyn PageOps, gathered: Gathered) {
        let detached = self.detach(gathered);
        self.free_detached(pages, detached);
    }
}

/// Unmaps the pages of VMAs, and frees the tables that nobody needs then; without VMAs nothing.
fn unmap_all<'a>(pages: &mut dyn PageOps, vmas: impl Iterator<Item = &'a Vma>, tables: FreeTables) {
    let mut vmas = vmas.peekable();
    if vmas.peek().is_none() {
        return;
    }
    for vma in vmas {
        pages.unmap(vma, vma.range());
    }
    pages.free_tables(tables);
}
