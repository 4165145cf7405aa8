//! What is run: calls one after another, then some on threads.
//!
//! Histories that are compared with orders are made of calls that Linux makes in one piece, as seen by
//! other threads of the process:
//!
//! | call | in one piece |
//! | --- | --- |
//! | `mmap` `munmap` `mprotect` `mremap` `brk` `mbind` `mseal` `munlock`, names, registration with userfaultfd, advice that changes flags | yes: VMAs change under mmap_lock for writing |
//! | `fork` | yes: the parent's mmap_lock is held for writing throughout |
//! | `read` `write` `exec` | a page at a time |
//! | discarding, guarding, populating, paging out, `msync`, filling and protecting by userfaultfd | a page at a time: page-table entries change under locks of their own, and `mmap` with `MAP_POPULATE` comes to its pages after its VMA |
//! | `mlock`, `mlock2`, `mlockall`, `MAP_LOCKED`, `MADV_WILLNEED`, `MADV_REMOVE` | no: mmap_lock is dropped on the way; even `mlock2(ONFAULT)` populates what another thread maps there meanwhile |
//! | collapse, reclaim of anything, `clear_refs`, truncation and holes in files | no: pages one after another, in several processes |
//! | `exit` `execve` | left to storms, since the calls of other threads would have no process |
//!
//! Nor is a fault that maps pages around its own, which looks for them first, or one that makes a
//! stack grow, which needs mmap_lock for writing. Those histories have neither.
//!
//! So the generator's ranges are cut to a page where a call is in one piece for a page, and the
//! others are left to storms.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sim_core::{
    Advice, Bytes, Call, LruBatches, MapFlags, MmapArgs, MremapArgs, PAGE_SIZE, Pid, Setup,
    SyscallRange,
};

use super::Options;
use crate::generate::{Generator, Mode};

/// Draws of the generator for one call.
const MOST_DRAWS: usize = 200;

/// One history in so many is a storm.
const STORMS: u32 = 4;

/// What is demanded of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An order that explains it, and invariants.
    Orders,
    /// Invariants.
    Storm,
}

/// Calls, and on which thread.
#[derive(Clone, Debug)]
pub struct History {
    /// What is demanded of it.
    pub kind: Kind,
    /// What it starts from.
    pub setup: Setup,
    /// What comes first.
    pub before: Vec<(Pid, Call)>,
    /// What is done at the same time.
    pub threads: Vec<Vec<(Pid, Call)>>,
}

impl History {
    /// How many calls it has.
    pub fn calls(&self) -> usize {
        self.before.len() + self.threads.iter().map(Vec::len).sum::<usize>()
    }

    /// The history of a seed.
    pub(super) fn random(options: &Options, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let kind = if rng.random_range(0..STORMS) == 0 {
            Kind::Storm
        } else {
            Kind::Orders
        };
        let mode = match (kind, options.mode) {
            // Collapse is not in one piece, and a huge page that would have to be split counts as busy
            // while mmap_lock is held for writing (docs/deviations.md).
            (Kind::Orders, Mode::Mixed | Mode::Huge | Mode::HugeParts | Mode::Roomy) => {
                *ORDERED.choose(&mut rng).expect("there are modes")
            }
            (_, mode) => mode,
        };
        let mut generator = Generator::new(mode, seed);
        let mut setup = options.setup.clone();
        generator.prepare(&mut setup);
        // Threads have no batches of pages that wait for reclaim's lists: all happens at once.
        setup.lru_batches = LruBatches::Drained;
        if kind == Kind::Orders {
            setup.fault_around = Bytes(PAGE_SIZE);
        }
        let most = match kind {
            Kind::Orders => 24,
            Kind::Storm => 40,
        };
        let mut source = Source {
            kind,
            processes: vec![Pid::MAIN],
            next_pid: 1,
            generator: &mut generator,
        };
        let calls = rng.random_range(2..most);
        let before = source.before(calls, &mut rng);
        let threads = (0..options.threads)
            .map(|_| {
                let calls = match kind {
                    // Orders grow fast with threads and calls.
                    Kind::Orders => rng.random_range(1..=(10 / options.threads).clamp(1, 4)),
                    Kind::Storm => rng.random_range(4..40),
                };
                source.thread(calls, &mut rng)
            })
            .collect();
        Self {
            kind,
            setup,
            before,
            threads,
        }
    }
}

/// Modes whose calls are mostly in one piece.
const ORDERED: &[Mode] = &[
    Mode::Anon,
    Mode::File,
    Mode::Shared,
    Mode::Processes,
    Mode::Guard,
    Mode::Guard,
    Mode::Limits,
    Mode::AddressChoice,
    Mode::Uffd,
    Mode::Reclaim,
    Mode::Wild,
];

/// Where calls come from.
struct Source<'a> {
    kind: Kind,
    generator: &'a mut Generator,
    /// Processes that were alive before the threads.
    processes: Vec<Pid>,
    next_pid: u32,
}

impl Source<'_> {
    /// Calls that come first. What they come to is not known here: that a fork succeeds is assumed.
    fn before(&mut self, calls: usize, rng: &mut SmallRng) -> Vec<(Pid, Call)> {
        let mut list = Vec::new();
        for _ in 0..calls {
            let pid = *self.processes.choose(rng).expect("main is there");
            let Some(call) = self.draw(false) else {
                continue;
            };
            if let Call::Fork { child, .. } = call {
                self.processes.push(child);
            }
            list.push((pid, call));
        }
        list
    }

    /// The calls of a thread. It runs in processes that were there before, or that it made.
    fn thread(&mut self, calls: usize, rng: &mut SmallRng) -> Vec<(Pid, Call)> {
        let mut own = self.processes.clone();
        // Threads that meet are threads of one process, mostly.
        let home = if rng.random_bool(0.8) {
            Pid::MAIN
        } else {
            *own.choose(rng).expect("main is there")
        };
        let mut list = Vec::new();
        for _ in 0..calls {
            let pid = if rng.random_bool(0.8) {
                home
            } else {
                *own.choose(rng).expect("main is there")
            };
            let Some(call) = self.draw(true) else {
                continue;
            };
            if let Call::Fork { child, .. } = call {
                own.push(child);
            }
            list.push((pid, call));
        }
        list
    }

    /// A call; on a thread one that is in one piece, if orders are asked for.
    fn draw(&mut self, on_thread: bool) -> Option<Call> {
        for _ in 0..MOST_DRAWS {
            let (_, call) = self.generator.next_call();
            let call = match (self.kind, on_thread) {
                (Kind::Storm, true) => Some(call),
                (Kind::Storm, false) => Some(call).filter(|call| !ends(call)),
                (Kind::Orders, true) => in_one_piece(call),
                (Kind::Orders, false) => Some(call).filter(|call| !ends(call) && !locks(call)),
            };
            let Some(call) = call else {
                continue;
            };
            return Some(match call {
                Call::Mmap(args) if self.kind == Kind::Orders => Call::Mmap(MmapArgs {
                    flags: args.flags - MapFlags::GROWSDOWN,
                    ..args
                }),
                Call::Fork { share, .. } => {
                    let child = Pid(self.next_pid);
                    self.next_pid += 1;
                    Call::Fork { child, share }
                }
                call => call,
            });
        }
        None
    }
}

/// Does a process lose its memory?
const fn ends(call: &Call) -> bool {
    matches!(call, Call::Exit | Call::Execve { .. })
}

/// Does it leave locked memory, which later calls populate?
fn locks(call: &Call) -> bool {
    match call {
        Call::Mlock { onfault, .. } => !onfault,
        Call::Mlockall(_) => true,
        Call::Mmap(args) => args.flags.contains(MapFlags::LOCKED),
        _ => false,
    }
}

/// The call, or a smaller one like it, if it is made in one piece.
fn in_one_piece(call: Call) -> Option<Call> {
    Some(match call {
        Call::Mmap(args) => {
            let later = MapFlags::POPULATE | MapFlags::LOCKED | MapFlags::NONBLOCK;
            Call::Mmap(MmapArgs {
                flags: args.flags - later,
                ..args
            })
        }
        Call::Munmap(_)
        | Call::Mprotect { .. }
        | Call::Mremap(MremapArgs { .. })
        | Call::Munlock(_)
        | Call::Mseal(_)
        | Call::Brk(_)
        | Call::Mincore(_)
        | Call::Mbind { .. }
        | Call::VmaName { .. }
        | Call::UffdRegister { .. }
        | Call::UffdUnregister(_)
        | Call::Fork { .. } => call,
        Call::Madvise { range, advice } => Call::Madvise {
            range: advised(range, advice)?,
            advice,
        },
        Call::Msync(range) => Call::Msync(page(range)),
        Call::Access { range, access } => Call::Access {
            range: page(range),
            access,
        },
        Call::UffdWriteprotect { range, on } => Call::UffdWriteprotect {
            range: page(range),
            on,
        },
        Call::UffdCopy { range, source, wp } => Call::UffdCopy {
            range: page(range),
            source,
            wp,
        },
        Call::UffdContinue { range, wp } => Call::UffdContinue {
            range: page(range),
            wp,
        },
        Call::UffdZeropage(range) => Call::UffdZeropage(page(range)),
        Call::UffdPoison(range) => Call::UffdPoison(page(range)),
        Call::UffdMove { range, from } => Call::UffdMove {
            range: page(range),
            from,
        },
        Call::Mlock { .. }
        | Call::Mlockall(_)
        | Call::Munlockall
        | Call::Exit
        | Call::Execve { .. }
        | Call::Khugepaged { .. }
        | Call::Reclaim(_)
        | Call::ReclaimPages(_)
        | Call::ClearRefs(_)
        | Call::Truncate { .. }
        | Call::PunchHole { .. }
        | Call::InjectAllocFailure { .. } => return None,
    })
}

/// The part of a range in which an advice is in one piece.
const fn advised(range: SyscallRange, advice: Advice) -> Option<SyscallRange> {
    match advice {
        Advice::Normal
        | Advice::Random
        | Advice::Sequential
        | Advice::Dontfork
        | Advice::Dofork
        | Advice::Mergeable
        | Advice::Unmergeable
        | Advice::Hugepage
        | Advice::Nohugepage
        | Advice::Dontdump
        | Advice::Dodump
        | Advice::Wipeonfork
        | Advice::Keeponfork
        | Advice::Hwpoison
        | Advice::SoftOffline
        | Advice::Other(_) => Some(range),
        Advice::Dontneed
        | Advice::DontneedLocked
        | Advice::Free
        | Advice::Cold
        | Advice::Pageout
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::GuardInstall
        | Advice::GuardRemove => Some(page(range)),
        Advice::Willneed | Advice::Remove | Advice::Collapse => None,
    }
}

/// What of a range is in its first page.
const fn page(range: SyscallRange) -> SyscallRange {
    let left = PAGE_SIZE - range.addr.get() % PAGE_SIZE;
    if range.len.get() > left {
        SyscallRange::new(range.addr, Bytes(left))
    } else {
        range
    }
}
