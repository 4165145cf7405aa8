//! Which profile the running kernel is, found by trying what it does.

use sim_core::{
    Access, Advice, Backend as _, BackendError, Bytes, Call, CopyOnFork, Errno, Features, MapFlags,
    MmapArgs, MremapArgs, MremapFlags, Outcome, PAGE_SIZE, PageState, Pid, Profile, Prot, Setup,
    Snapshot, SnapshotLevel, SyscallRange, UffdCopySource, UffdMode, VirtAddr,
};

use super::powers::Powers;
use super::{LiveError, LiveKernel};

/// Where the probes work.
const ARENA: u64 = 0x1000_0000_0000;
const CHILD: Pid = Pid(1);
const READ_WRITE: Prot = Prot::READ.union(Prot::WRITE);

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The newest profile that does as the kernel does in the most respects.
    pub profile: Profile,
    /// Its features, those that can be seen being the kernel's own.
    pub features: Features,
}

/// The profile of the running kernel and its features, found by trying.
///
/// What cannot be seen from outside (locks, races) is taken from the profile.
///
/// # Errors
/// If the live kernel cannot be used.
pub fn probe() -> Result<Probe, LiveError> {
    let mut setup = Setup::new(Profile::V6_18Stable);
    super::adopt(&mut setup);
    setup.limits.privileged = Powers::now().locks_memory();
    let mut prober = Prober(LiveKernel::new(&setup)?);
    let mut seen = Vec::new();
    for find in [
        unfaulted_target,
        multi_vma_mremap,
        guard_flag,
        fork_of_markers,
        copy_onto_guard,
    ] {
        prober.0.restart()?;
        let set = find(&mut prober).map_err(|error| LiveError::Broken(error.to_string()))?;
        seen.push(set);
    }
    let with_seen = |features: Features| {
        let mut features = features;
        for set in &seen {
            set(&mut features);
        }
        features
    };
    let departures = |profile: Profile| {
        let features = profile.features();
        seen.iter()
            .filter(|set| {
                let mut changed = features;
                set(&mut changed);
                changed != features
            })
            .count()
    };
    let mut best = Profile::V6_15;
    for &profile in Profile::ALL {
        if departures(profile) <= departures(best) {
            best = profile;
        }
    }
    Ok(Probe {
        profile: best,
        features: with_seen(best.features()),
    })
}

/// Sets features to what was seen.
type Set = Box<dyn Fn(&mut Features)>;

struct Prober(LiveKernel);

fn at(page: u64, pages: u64) -> SyscallRange {
    SyscallRange::new(
        VirtAddr::new(ARENA + page * PAGE_SIZE),
        Bytes::from_pages(pages),
    )
}

impl Prober {
    fn call(&mut self, call: &Call) -> Result<Outcome, BackendError> {
        self.0.call(Pid::MAIN, call)
    }

    fn map(&mut self, page: u64, flags: MapFlags) -> Result<Outcome, BackendError> {
        let SyscallRange { addr, len } = at(page, 1);
        self.call(&Call::Mmap(MmapArgs {
            addr,
            len,
            prot: READ_WRITE,
            flags: flags | MapFlags::FIXED | MapFlags::ANONYMOUS,
            file: None,
            offset: 0,
        }))
    }

    fn protect(&mut self, page: u64, prot: Prot) -> Result<Outcome, BackendError> {
        self.call(&Call::Mprotect {
            range: at(page, 1),
            prot,
            pkey: None,
        })
    }

    fn write(&mut self, page: u64) -> Result<Outcome, BackendError> {
        self.call(&Call::Access {
            range: at(page, 1),
            access: Access::Write(Some(1)),
        })
    }

    fn guard(&mut self, page: u64) -> Result<Outcome, BackendError> {
        self.call(&Call::Madvise {
            range: at(page, 1),
            advice: Advice::GuardInstall,
        })
    }

    fn register(&mut self, page: u64, mode: UffdMode) -> Result<Outcome, BackendError> {
        self.call(&Call::UffdRegister {
            range: at(page, 1),
            mode,
        })
    }

    fn fork(&mut self) -> Result<Outcome, BackendError> {
        self.call(&Call::Fork {
            child: CHILD,
            share: false,
        })
    }

    fn state(&mut self, pid: Pid) -> Result<Snapshot, BackendError> {
        self.0.snapshot(pid, SnapshotLevel::All)
    }
}

/// A faulted VMA that becomes like its unfaulted left neighbour: do they merge?
fn unfaulted_target(on: &mut Prober) -> Result<Set, BackendError> {
    on.map(1, MapFlags::PRIVATE)?;
    on.write(1)?;
    on.protect(1, Prot::READ)?;
    on.map(0, MapFlags::PRIVATE)?;
    on.protect(1, READ_WRITE)?;
    let merged = on.state(Pid::MAIN)?.vmas.len() == 1;
    Ok(Box::new(move |f| f.merge_unfaulted_target = merged))
}

/// A move of two VMAs at once.
fn multi_vma_mremap(on: &mut Prober) -> Result<Set, BackendError> {
    on.map(0, MapFlags::PRIVATE)?;
    on.map(2, MapFlags::PRIVATE)?;
    let SyscallRange { addr, len } = at(0, 3);
    let moved = on.call(&Call::Mremap(MremapArgs {
        addr,
        old_len: len,
        new_len: len,
        flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
        new_addr: at(8, 1).addr,
    }))?;
    let works = moved.is_ok();
    Ok(Box::new(move |f| f.multi_vma_mremap = works))
}

/// A guard: does the VMA show it, does the flag pass to a neighbour that merges with it, and does
/// it survive a change of protection?
fn guard_flag(on: &mut Prober) -> Result<Set, BackendError> {
    let has_flag = |snapshot: &Snapshot| {
        snapshot
            .vmas
            .iter()
            .map(|vma| vma.flags.contains(sim_core::VmFlags::MAYBE_GUARD))
            .collect::<Vec<_>>()
    };
    on.map(0, MapFlags::PRIVATE)?;
    on.guard(0)?;
    let shown = has_flag(&on.state(Pid::MAIN)?) == [true];
    on.map(1, MapFlags::PRIVATE)?;
    let sticky = has_flag(&on.state(Pid::MAIN)?) == [true];
    on.map(4, MapFlags::PRIVATE)?;
    on.protect(4, Prot::READ)?;
    on.map(3, MapFlags::PRIVATE)?;
    on.guard(3)?;
    on.protect(4, READ_WRITE)?;
    let kept = has_flag(&on.state(Pid::MAIN)?).last() == Some(&true);
    Ok(Box::new(move |f| {
        f.maybe_guard = shown;
        if shown {
            f.sticky_flags = sticky;
            f.modify_keeps_sticky = kept;
        }
    }))
}

/// Shared memory without an anon_vma: are guards in it inherited, and its pages if the parent has
/// userfaultfd write protection and the child has not?
fn fork_of_markers(on: &mut Prober) -> Result<Set, BackendError> {
    on.map(0, MapFlags::SHARED)?;
    on.guard(0)?;
    on.map(4, MapFlags::SHARED)?;
    on.write(4)?;
    on.register(4, UffdMode::WP)?;
    on.fork()?;
    let pages = on.state(CHILD)?.pages;
    let guards = pages.iter().any(|run| run.state == PageState::Guard);
    let copied = pages
        .iter()
        .any(|run| matches!(run.state, PageState::Present { .. }));
    let seen = match (guards, copied) {
        (_, true) => CopyOnFork::Source,
        (true, false) => CopyOnFork::Child,
        (false, false) => CopyOnFork::Legacy,
    };
    Ok(Box::new(move |f| {
        // Without the flag guards are inherited since the VMA has an anon_vma for them.
        if f.maybe_guard {
            f.copy_on_fork = seen;
        }
    }))
}

/// `UFFDIO_COPY` onto a guard.
fn copy_onto_guard(on: &mut Prober) -> Result<Set, BackendError> {
    on.map(0, MapFlags::PRIVATE)?;
    on.register(0, UffdMode::MISSING)?;
    on.guard(0)?;
    let copy = on.call(&Call::UffdCopy {
        range: at(0, 1),
        source: UffdCopySource::Value(1),
        wp: false,
    })?;
    let keeps = copy == Outcome::Errno(Errno::EEXIST);
    Ok(Box::new(move |f| f.uffd_copy_keeps_guard = keeps))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_profile_is_one_of_ours() {
        match super::probe() {
            Ok(found) => {
                println!("{found:?}");
                let release = super::super::kernel_release();
                if release.starts_with("6.18.44") {
                    assert_eq!(found.profile, sim_core::Profile::V6_18Stable);
                    assert_eq!(found.features, found.profile.features());
                }
            }
            Err(error) => println!("SKIPPED: {error}"),
        }
    }
}
