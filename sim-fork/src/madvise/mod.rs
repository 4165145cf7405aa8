//! `madvise`: advice on pages. Advice on VMAs' flags is `sim-core`'s.

mod cold;
mod free;
mod large;
mod populate;
mod remove;
mod willneed;

use sim_core::store::VmaStore;
use sim_core::{
    Advice, AdviceClass, Errno, Features, Outcome, PageRange, PrepareAnonVma, SyscallRange, Vma,
    VmaGuard, admit_page_advice, check_madvise,
};
use sim_pagetable::Arch;

use crate::error::PopulateError;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::space::AddressSpace;
use crate::thp::folio::Held;
use crate::va::va;
use crate::{guard, thp};

/// How an advice on the pages of a VMA can end.
pub(crate) enum Stop {
    /// With an error.
    Errno(Errno),
    /// Never: Linux restarts the call for ever.
    Livelock,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Stop {
    /// What the program sees.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Errno(errno) => Outcome::Errno(errno),
            Self::Livelock => Outcome::Livelock,
        }
    }
}

/// `madvise(2)`.
pub(crate) fn madvise<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: SyscallRange,
    advice: Advice,
) -> Outcome {
    let (range, class) = match check_madvise(range, advice) {
        Ok(Some(checked)) => checked,
        Ok(None) => return Outcome::OK,
        Err(errno) => return Outcome::Errno(errno),
    };
    let space = &*process.space;
    let mut pager = Pager::new(machine.shared(), &space.pages);
    match class {
        AdviceClass::Flags => {
            let mut mm = space.write();
            mm.madvise_flags(&mut pager, range, advice).into()
        }
        AdviceClass::Populate => {
            let write = advice == Advice::PopulateWrite;
            let done = populate::populate(&pager, space, range, write);
            done.map_or_else(PopulateError::outcome, |()| Outcome::OK)
        }
        AdviceClass::Pages => match advice {
            Advice::Collapse => thp::collapse::madvise(machine, process, range),
            Advice::Remove => remove::remove(machine, process, range),
            Advice::Cold | Advice::Pageout => cold::madvise(machine, process, range, advice),
            other => on_pages(machine, process, range, other),
        },
    }
}

/// Advice that only needs the pages of one VMA after the other.
fn on_pages<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    range: PageRange,
    advice: Advice,
) -> Outcome {
    let space = &*process.space;
    let pager = &Pager::new(machine.shared(), &space.pages);
    let locked_for_write = advice == Advice::GuardInstall && !pager.shared.features().atomic_flags;
    if locked_for_write {
        return guard::install_locked(pager, &mut space.write(), range);
    }
    if advice == Advice::GuardInstall {
        // Starts to load the entry while the VMA is looked for: both are far apart in memory, and
        // among many VMAs neither is in the cache.
        std::hint::black_box(pager.tables().entry(va(range.start())));
    }
    if let Some(vma) = lock_vma(pager.shared.features(), space, range, advice) {
        let done = admit_page_advice(&vma, advice).map_err(Stop::from);
        let caller = Caller {
            machine,
            pager,
            held: Held::Vma,
        };
        let done = done.and_then(|()| caller.on_part((&vma, range), advice, &|| Ok(())));
        return done.map_or_else(Stop::outcome, |()| Outcome::OK);
    }
    let mm = space.read();
    let caller = Caller {
        machine,
        pager,
        held: Held::Mmap,
    };
    let done = mm.madvise_pages::<Stop>(range, advice, |id, vma, part| {
        let prepare = || mm.anon_vma_prepare(id);
        caller.on_part((vma, part), advice, &prepare)
    });
    done.map_or_else(Stop::outcome, |()| Outcome::OK)
}

/// The VMA that contains the whole range, locked, if its lock is enough for the advice
/// (`mm/madvise.c: get_lock_mode()`, `try_vma_read_lock()`, 6.19).
fn lock_vma<'a, A: Arch, S: VmaStore>(
    features: &Features,
    space: &'a AddressSpace<A, S>,
    range: PageRange,
    advice: Advice,
) -> Option<VmaGuard<'a>> {
    let on_guards = matches!(advice, Advice::GuardInstall | Advice::GuardRemove);
    let discards = matches!(
        advice,
        Advice::Dontneed | Advice::DontneedLocked | Advice::Free
    );
    let for_vma_lock = discards || (on_guards && features.guard_vma_lock);
    if !for_vma_lock {
        return None;
    }
    let vma = space.lock_vma_with(range)?;
    // An anon_vma may come from a neighbour, which this lock says nothing about.
    let needs_anon_vma = advice == Advice::GuardInstall && (vma.is_anon() || !features.maybe_guard);
    let enough = vma.uffd().is_none() && (!needs_anon_vma || vma.anon_vma().is_some());
    enough.then_some(vma)
}

/// Who goes through VMAs, and under which lock.
struct Caller<'a, A: Arch, S: VmaStore> {
    machine: &'a Machine<A, S>,
    pager: &'a Pager<'a, A>,
    held: Held,
}

impl<A: Arch, S: VmaStore> Caller<'_, A, S> {
    /// The advice for a part of a VMA that has admitted it.
    fn on_part(
        &self,
        (vma, part): (&Vma, PageRange),
        advice: Advice,
        prepare: PrepareAnonVma<'_>,
    ) -> Result<(), Stop> {
        let pager = self.pager;
        match advice {
            Advice::Dontneed | Advice::DontneedLocked => pager.zap_dontneed(vma, part),
            Advice::Free => free::free_lazily(self.machine, pager, (vma, part), self.held),
            Advice::GuardInstall => return guard::install(pager, vma, part, prepare),
            Advice::GuardRemove => guard::remove(pager, part),
            Advice::Willneed => pager.will_need(vma, part),
            other => unreachable!("{other:?} is not for pages of one VMA"),
        }
        Ok(())
    }
}
