//! `madvise`: advice on pages. Advice on VMAs' flags is `sim-core`'s.

mod cold;
mod free;
mod populate;
mod remove;
mod willneed;

use sim_core::store::VmaStore;
use sim_core::{Advice, AdviceClass, Errno, Outcome, PageRange, SyscallRange, check_madvise};
use sim_pagetable::Arch;

use crate::error::PopulateError;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
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
            let mut mm = space.mm.write();
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
            other => on_pages(&pager, process, range, other),
        },
    }
}

/// Advice that only needs the pages of one VMA after the other.
fn on_pages<A: Arch, S: VmaStore>(
    pager: &Pager<'_, A>,
    process: &Process<A, S>,
    range: PageRange,
    advice: Advice,
) -> Outcome {
    let locked_for_write = advice == Advice::GuardInstall && !pager.shared.features().atomic_flags;
    if locked_for_write {
        return guard::install_locked(pager, &mut process.space.mm.write(), range);
    }
    let mm = process.space.mm.read();
    // Starts to load the entry while the VMA is looked for: both are far apart in memory, and among
    // many VMAs neither is in the cache.
    std::hint::black_box(pager.tables().entry(va(range.start())));
    let done = mm.madvise_pages::<Stop>(range, advice, |id, vma, part| {
        match advice {
            Advice::Dontneed | Advice::DontneedLocked => pager.zap_dontneed(vma, part),
            Advice::Free => pager.free_lazily(vma, part),
            Advice::GuardInstall => {
                return guard::install(pager, vma, part, &|| mm.anon_vma_prepare(id));
            }
            Advice::GuardRemove => guard::remove(pager, part),
            Advice::Willneed => pager.will_need(vma, part),
            other => unreachable!("{other:?} is not for pages of one VMA"),
        }
        Ok(())
    });
    done.map_or_else(Stop::outcome, |()| Outcome::OK)
}
