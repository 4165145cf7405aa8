//! Writes to `/proc/PID/clear_refs` (`fs/proc/task_mmu.c: clear_refs_write()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{Errno, Outcome, VmFlags, Vma};
use sim_pagetable::{Arch, Entry, EntryView, Flush, FrameFlags, Leaf, Run};

use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::va::va_range;

/// What is to be forgotten. DEVIATION: Linux does not flush the TLB, so that an access right after may
/// not be noted (`enum clear_refs_types`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// 1: accesses to all memory.
    Accesses,
    /// 2: accesses to memory without a file.
    AnonAccesses,
    /// 3: accesses to mapped files.
    FileAccesses,
    /// 4: soft-dirty state.
    SoftDirty,
    /// 5: the peak of resident memory, which nothing shows here.
    Peak,
}

impl What {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Accesses,
            2 => Self::AnonAccesses,
            3 => Self::FileAccesses,
            4 => Self::SoftDirty,
            5 => Self::Peak,
            _ => return None,
        })
    }

    /// Does it concern the VMA (`clear_refs_test_walk()`)?
    fn concerns(self, vma: &Vma) -> bool {
        !vma.flags().contains(VmFlags::PFNMAP)
            && match self {
                Self::Accesses | Self::SoftDirty => true,
                Self::AnonAccesses => vma.file().is_none(),
                Self::FileAccesses => vma.file().is_some(),
                Self::Peak => false,
            }
    }
}

/// Clears referenced or soft-dirty state.
pub(crate) fn clear_refs<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    value: u8,
) -> Outcome {
    let Some(what) = What::from_number(value) else {
        return Outcome::Errno(Errno::EINVAL);
    };
    let pager = Pager::new(machine.shared(), &process.space.pages);
    let mut mm = process.space.write();
    if what == What::SoftDirty {
        let ids: Vec<_> = mm.iter().map(|(id, _)| id).collect();
        for id in ids {
            mm.vm_flags_clear(id, VmFlags::SOFTDIRTY);
        }
    }
    for (_, vma) in mm.iter().filter(|(_, vma)| what.concerns(vma)) {
        if what != What::SoftDirty {
            pager.forget_accesses(vma);
        } else if A::SOFT_DIRTY != 0 {
            pager.clear_soft_dirty(vma);
        }
    }
    Outcome::OK
}

impl<A: Arch> Pager<'_, A> {
    /// Pages of the VMA count as not accessed; the TLB is not flushed for that.
    fn forget_accesses(&self, vma: &Vma) {
        for Run { range, leaf } in self.tables().walk(va_range(vma.range())) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Huge(slot) if slot.entry().is_present() => {
                    slot.change(self.not_accessed(slot.entry()));
                }
                Leaf::Huge(_) => {}
                Leaf::Table(table) => {
                    for slot in table.slots(range) {
                        let entry = slot.get();
                        if entry.is_present() {
                            slot.set(self.not_accessed(entry));
                        }
                    }
                }
            }
        }
    }

    fn not_accessed(&self, entry: Entry<A>) -> Entry<A> {
        let Some(pfn) = Self::normal_page(entry) else {
            return entry;
        };
        let head = self.frames().head(pfn);
        self.frames().meta(head).clear_flags(FrameFlags::REFERENCED);
        entry.mk_old()
    }

    /// Pages of the VMA count as clean; the next write to each is noticed.
    fn clear_soft_dirty(&self, vma: &Vma) {
        for Run { range, leaf } in self.tables().walk(va_range(vma.range())) {
            match leaf {
                Leaf::Absent => {}
                Leaf::Huge(slot) => slot.change(clean(slot.entry())),
                Leaf::Table(table) => {
                    for slot in table.slots(range) {
                        let entry = slot.get();
                        slot.set(clean(entry));
                    }
                }
            }
        }
        self.tables().flush(Flush::of(va_range(vma.range())));
    }
}

/// `fs/proc/task_mmu.c: clear_soft_dirty()`.
fn clean<A: Arch>(entry: Entry<A>) -> Entry<A> {
    match entry.view() {
        EntryView::None => entry,
        EntryView::Present(_) => entry.wrprotect().with_soft_dirty(false),
        EntryView::Swap(_)
        | EntryView::Marker(_)
        | EntryView::Migration(_)
        | EntryView::HwPoison(_)
        | EntryView::Device(..) => entry.with_soft_dirty(false),
    }
}
