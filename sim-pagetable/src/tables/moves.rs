//! Moving entries to other addresses (mm/mremap.c: `move_page_tables()`).

use sim_sync::prim::atomic::Ordering::{Acquire, Relaxed, Release};

use super::huge::{pop_deposit, push_deposit};
use super::walk::entry_end;
use super::{Leaf, PageTables, PteTable};
use crate::frames::Table;
use crate::{Arch, Entry, Flush, HUGE_SIZE, Level, Va, VaRange};

/// What to move.
#[derive(Clone, Copy, Debug)]
pub struct MoveRequest {
    /// The addresses to empty.
    pub from: VaRange,
    /// Where its start goes.
    pub to: Va,
    /// May whole PTE and PMD tables move at once, entries unseen? Not if entries change on the
    /// way (userfaultfd write-protection that stays behind).
    pub whole_tables: bool,
    /// Do huge leaves of the range have deposited tables? Those of anonymous memory do.
    pub deposits: bool,
}

/// A move that ran out of memory.
#[must_use]
#[derive(Debug)]
pub struct MoveStopped {
    /// Bytes from the start that were moved.
    pub moved: u64,
    /// What to flush.
    pub flush: Flush,
}

/// One step of a move: `extent` bytes from `old` to `new`.
#[derive(Clone, Copy)]
struct Step {
    old: Va,
    new: Va,
    extent: u64,
}

/// A step could not get a table.
struct Stopped;

impl MoveRequest {
    /// The step at `offset` bytes: up to the next boundary of `level` in the old addresses, or in
    /// the new ones.
    fn step(&self, offset: u64, level: Level) -> Step {
        let old = self.from.start().add(offset);
        let new = self.to.add(offset);
        let by_old = entry_end(old, self.from.end(), level).get() - old.get();
        let far = Va::new(!(level.span() - 1));
        let by_new = entry_end(new, far, level).get() - new.get();
        Step {
            old,
            new,
            extent: by_old.min(by_new),
        }
    }
}

impl<A: Arch> PageTables<A> {
    /// Moves the entries of a range. The target must be empty and must not overlap. Where nothing
    /// is mapped below source and target down to the block boundary, and both lie alike in their
    /// blocks, Linux starts the move at the boundary so that the first table moves whole
    /// (`try_realign_addr()`); the caller, who knows the VMAs, asks for the larger range then. `remap` gives
    /// each 4 KiB entry, and each huge one, its new value (soft-dirty, lost write-protection);
    /// whole tables move without it. A huge leaf whose 2 MiB do not move whole to an aligned place
    /// is split by `split` first.
    ///
    /// # Errors
    /// [`MoveStopped`] if a table could not be allocated; entries before that are moved.
    pub fn move_range(
        &self,
        request: MoveRequest,
        mut remap: impl FnMut(Entry<A>) -> Entry<A>,
        mut split: impl FnMut(&Self, Va),
    ) -> Result<Flush, MoveStopped> {
        let length = request.from.end().get() - request.from.start().get();
        let mut offset = 0;
        while offset < length {
            let Ok(extent) = self.move_step(request, offset, &mut remap, &mut split) else {
                let end = request.from.start().add(offset);
                return Err(MoveStopped {
                    moved: offset,
                    flush: Flush::of(VaRange::new(request.from.start(), end)),
                });
            };
            offset += extent;
        }
        Ok(Flush::of(request.from))
    }

    /// Moves one extent; returns its length.
    fn move_step(
        &self,
        request: MoveRequest,
        offset: u64,
        remap: &mut impl FnMut(Entry<A>) -> Entry<A>,
        split: &mut impl FnMut(&Self, Va),
    ) -> Result<u64, Stopped> {
        let step = request.step(offset, Level::Pud);
        if !self.has_pud(step.old) {
            return Ok(step.extent);
        }
        self.pud_table_alloc(step.new).map_err(|_| Stopped)?;
        if request.whole_tables && step.extent == Level::Pud.span() && self.move_pmd_table(step) {
            return Ok(step.extent);
        }
        let step = request.step(offset, Level::Pmd);
        let Some(old_table) = self.pmd_table(step.old) else {
            return Ok(step.extent);
        };
        let old_pmd = old_table.entries[Level::Pmd.index(step.old)].load(Acquire);
        if old_pmd == 0 {
            return Ok(step.extent);
        }
        let new_table = self.pmd_table_alloc(step.new).map_err(|_| Stopped)?;
        if self.table_of(old_pmd).is_none() {
            if step.extent == HUGE_SIZE && Self::move_huge(old_table, new_table, step, remap) {
                if request.deposits {
                    self.move_deposit(old_table, new_table);
                }
                return Ok(step.extent);
            }
            split(self, step.old);
        } else if request.whole_tables
            && step.extent == HUGE_SIZE
            && Self::move_pte_table(old_table, new_table, step)
        {
            return Ok(step.extent);
        }
        self.move_ptes(step, remap)?;
        Ok(step.extent)
    }

    fn has_pud(&self, va: Va) -> bool {
        let pgd = self.root_table().entries[Level::Pgd.index(va)].load(Acquire);
        self.table_of(pgd)
            .is_some_and(|pud| pud.entries[Level::Pud.index(va)].load(Acquire) != 0)
    }

    /// Moves the PMD table of 1 GiB; false if the target has one.
    fn move_pmd_table(&self, step: Step) -> bool {
        let pud_of = |va: Va| {
            let pgd = self.root_table().entries[Level::Pgd.index(va)].load(Acquire);
            self.table_of(pgd).expect("PUD table present")
        };
        let old = &pud_of(step.old).entries[Level::Pud.index(step.old)];
        let new = &pud_of(step.new).entries[Level::Pud.index(step.new)];
        if new.load(Acquire) != 0 {
            return false;
        }
        new.store(old.swap(0, Relaxed), Release);
        true
    }

    /// Moves a PTE table; false if the target has one.
    fn move_pte_table(old: Table<'_>, new: Table<'_>, step: Step) -> bool {
        let new = &new.entries[Level::Pmd.index(step.new)];
        if new.load(Acquire) != 0 {
            return false;
        }
        let old = &old.entries[Level::Pmd.index(step.old)];
        new.store(old.swap(0, Relaxed), Release);
        true
    }

    /// Moves a huge leaf; false if the target is in use.
    fn move_huge(
        old: Table<'_>,
        new: Table<'_>,
        step: Step,
        remap: &mut impl FnMut(Entry<A>) -> Entry<A>,
    ) -> bool {
        let target = &new.entries[Level::Pmd.index(step.new)];
        if target.load(Acquire) != 0 {
            return false;
        }
        let source = &old.entries[Level::Pmd.index(step.old)];
        let entry = remap(Entry::from_raw(source.swap(0, Relaxed)));
        target.store(entry.raw(), Release);
        true
    }

    /// A deposited table goes along (`pmd_move_must_withdraw()`).
    fn move_deposit(&self, old: Table<'_>, new: Table<'_>) {
        let id = pop_deposit(self, old).expect("no table was deposited");
        push_deposit(new, self.frames.table(id));
    }

    /// Moves entries one by one (`move_ptes()`).
    fn move_ptes(
        &self,
        step: Step,
        remap: &mut impl FnMut(Entry<A>) -> Entry<A>,
    ) -> Result<(), Stopped> {
        let Leaf::Table(old) = self.leaf(step.old) else {
            return Ok(());
        };
        if step.old.huge_down() == step.new.huge_down() {
            move_entries(&old, &old, step, remap);
            return Ok(());
        }
        match self.leaf_alloc(step.new).map_err(|_| Stopped)? {
            Leaf::Table(new) => move_entries(&old, &new, step, remap),
            Leaf::Absent | Leaf::Huge(_) => panic!("target of a move is in use"),
        }
        Ok(())
    }
}

fn move_entries<A: Arch>(
    old: &PteTable<'_, A>,
    new: &PteTable<'_, A>,
    step: Step,
    remap: &mut impl FnMut(Entry<A>) -> Entry<A>,
) {
    let old = old.slots(VaRange::new(step.old, step.old.add(step.extent)));
    let new = new.slots(VaRange::new(step.new, step.new.add(step.extent)));
    for (old, new) in old.zip(new) {
        let entry = old.get();
        if !entry.is_none() {
            old.set(Entry::NONE);
            new.set(remap(entry));
        }
    }
}
