//! `MADV_GUARD_INSTALL` (`mm/madvise.c: madvise_guard_install()`, 6.19).

use sim_core::store::{NoMemory, VmaId, VmaStore};
use sim_core::{
    Advice, AtomicVmFlag, Errno, Mm, Outcome, PageRange, VmFlags, Vma, admit_page_advice,
};
use sim_pagetable::{Arch, Entry, Leaf, Marker, Run};
use sim_sync::{Mutant, prim};

use crate::madvise::Stop;
use crate::pageops::ZapMode;
use crate::pager::Pager;
use crate::va::va_range;

/// Rounds of marking and zapping before the call restarts (`MAX_MADVISE_GUARD_RETRIES`).
const ROUNDS: usize = 3;
/// Restarts while other threads may be faulting pages in; a zap that leaves something behind every
/// time is a livelock.
const RESTARTS: usize = 1000;

/// Writes guard markers over a part of a VMA, which must have admitted that. A read lock suffices:
/// the flag is set atomically, and before the first marker.
///
/// # Errors
/// `ENOMEM`, or a livelock over markers that zapping keeps.
pub(crate) fn install<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    range: PageRange,
    prepare: &dyn Fn() -> Result<(), NoMemory>,
) -> Result<(), Stop> {
    let flagged = pager.shared.features().maybe_guard;
    if flagged && !Mutant::GuardFlagLate.is_active() {
        vma.set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
    }
    let done = install_markers(pager, vma, range, prepare);
    prim::crossing();
    if flagged && Mutant::GuardFlagLate.is_active() {
        vma.set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
    }
    done
}

/// The same for a part of the address space, with its lock held for writing, which kernels without
/// atomic flags need to set the flag.
pub(crate) fn install_locked<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    mm: &mut Mm<S>,
    range: PageRange,
) -> Outcome {
    if pager.shared.features().maybe_guard {
        let flagged: Vec<VmaId> = mm
            .iter_in(range)
            .take_while(|(_, vma)| admit_page_advice(vma, Advice::GuardInstall).is_ok())
            .map(|(id, _)| id)
            .collect();
        for id in flagged {
            mm.vm_flags_set(id, VmFlags::MAYBE_GUARD);
        }
    }
    let mm = &*mm;
    let done = mm.madvise_pages::<Stop>(range, Advice::GuardInstall, |id, vma, part| {
        install_markers(pager, vma, part, &|| mm.anon_vma_prepare(id))
    });
    done.map_or_else(Stop::outcome, |()| Outcome::OK)
}

fn install_markers<A: Arch>(
    pager: &Pager<'_, A>,
    vma: &Vma,
    range: PageRange,
    prepare: &dyn Fn() -> Result<(), NoMemory>,
) -> Result<(), Stop> {
    // Before there was a flag to look at, an anon_vma made fork copy the markers.
    if vma.is_anon() || !pager.shared.features().maybe_guard {
        prepare().map_err(|NoMemory| Errno::ENOMEM)?;
    }
    let restarts = if pager.shared.is_concurrent() {
        RESTARTS
    } else {
        1
    };
    for _round in 0..ROUNDS * restarts {
        if mark(pager, range).map_err(|_| Errno::ENOMEM)? {
            return Ok(());
        }
        pager.zap(vma, range, ZapMode::Discard);
    }
    // Nobody else has faulted pages in meanwhile: what is left now stays for ever.
    Err(Stop::Livelock)
}

/// Makes every entry of the range a guard; false if there is something that must be zapped first.
fn mark<A: Arch>(pager: &Pager<'_, A>, range: PageRange) -> Result<bool, sim_pagetable::NoMemory> {
    for run in pager.tables().walk_alloc(va_range(range)) {
        let Run { range, leaf } = run?;
        let Leaf::Table(table) = leaf else {
            return Ok(false);
        };
        for slot in table.slots(range) {
            let entry = slot.get();
            if entry.is_none() {
                slot.set(Entry::marker(Marker::GUARD));
            } else if !entry.is_guard() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
