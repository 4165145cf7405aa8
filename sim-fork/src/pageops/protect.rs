//! Changing rights (`mm/mprotect.c: change_protection()`, 6.19).

use sim_core::{PageRange, UffdFeatures, VmFlags, Vma};
use sim_pagetable::{
    Arch, Entry, Flush, FrameFlags, Leaf, Marker, NoMemory, PageProt, PteSlot, PteTable, Run,
    VaRange,
};

use crate::folio;
use crate::pager::{Pager, has_page_mkwrite};
use crate::row::{self, Differ};
use crate::thp;
use crate::va::va_range;

/// What happens to userfaultfd write protection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum UffdWp {
    /// Nothing (mprotect).
    Keep,
    /// It is set (`MM_CP_UFFD_WP`).
    Protect,
    /// It is cleared (`MM_CP_UFFD_WP_RESOLVE`).
    Resolve,
}

/// One change: what each entry becomes.
struct Change<'v> {
    vma: &'v Vma,
    prot: PageProt,
    /// `MM_CP_TRY_CHANGE_WRITABLE`.
    try_writable: bool,
    uffd: UffdWp,
}

/// What a row of entries knows of its pages.
#[derive(Default)]
struct Seen {
    /// Entries of it that are still to come.
    left: u64,
    /// One of them was accessed.
    young: bool,
    /// One of them was written.
    dirty: bool,
}

fn in_row<A: Arch>(
    entries: impl Iterator<Item = Entry<A>>,
    length: u64,
    is: impl Fn(Entry<A>) -> bool,
) -> bool {
    entries.take(length as usize).any(is)
}

impl<A: Arch> Pager<'_, A> {
    /// Gives the entries of a range the VMA's protection, and changes write protection.
    ///
    /// # Errors
    /// Only for [`UffdWp::Protect`], which needs page tables for markers.
    pub(crate) fn protect(
        &self,
        vma: &Vma,
        range: PageRange,
        uffd: UffdWp,
    ) -> Result<(), NoMemory> {
        let change = Change {
            vma,
            prot: self.page_prot(vma),
            try_writable: uffd != UffdWp::Protect && wants_manual_upgrade(vma),
            uffd,
        };
        if range.is_empty() {
            return Ok(());
        }
        let range = va_range(range);
        if uffd == UffdWp::Protect && self.uses_markers(vma) {
            for run in self.tables().walk_alloc(range) {
                self.protect_run(&change, run?)?;
            }
        } else {
            for run in self.tables().walk(range) {
                self.protect_run(&change, run)?;
            }
        }
        self.tables().flush(Flush::of(range));
        Ok(())
    }

    /// Are empty entries write-protected by markers? (`userfaultfd_wp_use_markers()`)
    fn uses_markers(&self, vma: &Vma) -> bool {
        // The second brings the first along.
        let unpopulated = UffdFeatures::WP_UNPOPULATED | UffdFeatures::WP_ASYNC;
        !vma.is_anon() || self.shared.uffd_features().intersects(unpopulated)
    }

    fn protect_run(&self, change: &Change<'_>, run: Run<'_, A>) -> Result<(), NoMemory> {
        let Run { range, leaf } = run;
        match leaf {
            Leaf::Absent => {}
            Leaf::Table(table) => self.protect_table(change, &table, range),
            Leaf::Huge(slot) if range.is_huge_block() && !Self::splits_huge(change) => {
                let old = slot.entry();
                if let Some(new) = self.changed_present(change, old) {
                    slot.change(new);
                }
            }
            Leaf::Huge(slot) => {
                drop(slot);
                thp::mapping::split(self, change.vma, range.start());
                if let Some(table) = self.table_after_split(change, range)? {
                    self.protect_table(change, &table, range);
                }
            }
        }
        Ok(())
    }

    /// The huge pages of objects have no markers: protecting them needs single pages
    /// (`mm/mprotect.c: pgtable_split_needed()`).
    fn splits_huge(change: &Change<'_>) -> bool {
        change.uffd == UffdWp::Protect && !change.vma.is_anon()
    }

    /// What a split left: no table where it unmapped, unless markers need one.
    fn table_after_split(
        &self,
        change: &Change<'_>,
        range: VaRange,
    ) -> Result<Option<PteTable<'_, A>>, NoMemory> {
        let needed = change.uffd == UffdWp::Protect && self.uses_markers(change.vma);
        let leaf = if needed {
            self.tables().leaf_alloc(range.start())?
        } else {
            self.tables().leaf(range.start())
        };
        match leaf {
            Leaf::Table(table) => Ok(Some(table)),
            Leaf::Absent | Leaf::Huge(_) => Ok(None),
        }
    }

    fn protect_table(&self, change: &Change<'_>, table: &PteTable<'_, A>, range: VaRange) {
        let mut seen = Seen::default();
        for slot in table.slots(range) {
            let stored = slot.get();
            let new = if stored.is_present() {
                let rest = VaRange::new(slot.va(), range.end());
                let old = self.with_row(&mut seen, table, rest, stored);
                self.changed_present(change, old)
            } else if stored.is_none() {
                self.changed_empty(change)
            } else {
                changed_absent(change, stored)
            };
            if let Some(new) = new
                && new != stored
            {
                slot.set(new);
            }
        }
    }

    /// An entry as it is changed: what a row of a huge folio has seen is everybody's
    /// (`modify_prot_start_ptes()`, since 6.17).
    fn with_row(
        &self,
        seen: &mut Seen,
        table: &PteTable<'_, A>,
        rest: VaRange,
        entry: Entry<A>,
    ) -> Entry<A> {
        if !self.shared.features().mprotect_rows {
            return entry;
        }
        if seen.left == 0 {
            let entries = || table.slots(rest).map(PteSlot::get);
            seen.left = row::length(self.frames(), entries(), Differ::InNothing);
            seen.young = seen.left > 1 && in_row(entries(), seen.left, Entry::is_young);
            seen.dirty = seen.left > 1 && in_row(entries(), seen.left, Entry::is_dirty);
        }
        seen.left -= 1;
        let entry = if seen.young { entry.mk_young() } else { entry };
        if seen.dirty { entry.mk_dirty() } else { entry }
    }

    fn changed_present(&self, change: &Change<'_>, old: Entry<A>) -> Option<Entry<A>> {
        if !old.is_present() {
            return None;
        }
        let mut new = old.modify(change.prot);
        match change.uffd {
            UffdWp::Keep => {}
            UffdWp::Protect => new = new.with_uffd_wp(true),
            UffdWp::Resolve => new = new.with_uffd_wp(false),
        }
        if change.try_writable && !new.is_writable() && self.may_become_writable(change.vma, new) {
            new = new.mk_write();
        }
        Some(new)
    }

    fn changed_empty(&self, change: &Change<'_>) -> Option<Entry<A>> {
        let marker = change.uffd == UffdWp::Protect && self.uses_markers(change.vma);
        marker.then(|| Entry::marker(Marker::UFFD_WP))
    }

    /// Can the write fault be saved? (`mm/mprotect.c: can_change_pte_writable()`)
    fn may_become_writable(&self, vma: &Vma, entry: Entry<A>) -> bool {
        let flags = vma.flags();
        if !flags.contains(VmFlags::WRITE) || entry.is_prot_none() {
            return false;
        }
        let tracked = A::SOFT_DIRTY != 0 && !flags.contains(VmFlags::SOFTDIRTY);
        if tracked && !entry.is_soft_dirty() {
            return false;
        }
        let armed = vma.uffd().is_some() && flags.contains(VmFlags::UFFD_WP);
        if armed && entry.is_uffd_wp() {
            return false;
        }
        if flags.contains(VmFlags::SHARED) {
            return entry.is_dirty();
        }
        let exclusive = FrameFlags::ANON | FrameFlags::ANON_EXCLUSIVE;
        Self::normal_page(entry)
            .is_some_and(|pfn| folio::flags_of(self.frames(), pfn).contains(exclusive))
    }
}

/// `vma_wants_manual_pte_write_upgrade()`. It asks `vma_wants_writenotify()` with a protection that has
/// lost its write bit for userfaultfd or soft-dirty tracking, which is taken for a driver's own: of
/// shared mappings only those whose file system wants to know of writes are left.
fn wants_manual_upgrade(vma: &Vma) -> bool {
    let shared = vma.flags().contains(VmFlags::SHARED);
    vma.flags().contains(VmFlags::WRITE) && (!shared || vma.file().is_some_and(has_page_mkwrite))
}

/// What becomes of an entry without a page. Guards and poison are left alone.
fn changed_absent<A: Arch>(change: &Change<'_>, old: Entry<A>) -> Option<Entry<A>> {
    if let Some(marker) = old.as_marker() {
        let resolved = change.uffd == UffdWp::Resolve && marker == Marker::UFFD_WP;
        return resolved.then_some(Entry::NONE);
    }
    match change.uffd {
        UffdWp::Keep => None,
        UffdWp::Protect => Some(old.with_uffd_wp(true)),
        UffdWp::Resolve => Some(old.with_uffd_wp(false)),
    }
}
