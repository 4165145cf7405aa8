//! Short scripts of calls on a [`World`](super::World): the tests of whole operations.
//!
//! Steps are separated by `;`. Numbers are pages of the layout, ranges half-open. A step that is to
//! fail ends with `!ERRNO`.
//!
//! | step | |
//! |--|--|
//! | `map 1 11 rw` | private anonymous memory at a fixed address, `NORESERVE`; more words are flags |
//! | `unmap 1 3`, `prot 1 3 r`, `seal 1 3` | |
//! | `touch 4` | a write to the page |
//! | `lock 1 3`, `onfault 1 3`, `unlock 1 3` | |
//! | `move 1 6 20` | mremap of `[1, 6)` to page 20; `keep`: with `DONTUNMAP` |
//! | `resize 1 6 8` | mremap of `[1, 6)` to 8 pages, in place |
//! | `advise 1 3 hugepage` | a flag-changing advice |
//! | `policy 1 3`, `name 1 3 text` | |
//! | `fork` | goes on in the child; the parent lives on |
//! | `guard 2` | the atomic flag of guard install |

use super::world::World;
use super::{BASE, page_range};
use crate::store::NoMemory;
use crate::{
    Advice, AtomicVmFlag, Bytes, Errno, FileId, LockRange, MapFlags, MappedKind, MmapArgs,
    MremapArgs, MremapFlags, PAGE_SIZE, Policy, Prot, SyscallRange,
};

/// A step's words.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    #[track_caller]
    fn number(&self, index: usize) -> u64 {
        self.0[index].parse().expect("a page number")
    }

    #[track_caller]
    fn range(&self) -> SyscallRange {
        let range = page_range(self.number(1), self.number(2));
        SyscallRange::new(range.start(), range.len())
    }

    fn rest(&self, from: usize) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().skip(from).copied()
    }
}

pub(crate) fn prot(letters: &str) -> Prot {
    letters.chars().fold(Prot::empty(), |prot, letter| {
        prot | match letter {
            'r' => Prot::READ,
            'w' => Prot::WRITE,
            'x' => Prot::EXEC,
            _ => Prot::empty(),
        }
    })
}

impl World {
    /// Runs a script.
    #[track_caller]
    pub(crate) fn script(&mut self, script: &str) {
        for step in script.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let (step, wanted) = match step.split_once('!') {
                Some((step, errno)) => (step, Err(errno.parse().expect("an errno"))),
                None => (step, Ok(())),
            };
            assert_eq!(self.step(step), wanted, "{step}");
            self.check();
        }
    }

    /// Runs one step.
    #[track_caller]
    pub(crate) fn step(&mut self, step: &str) -> Result<(), Errno> {
        let words = Words(step.split_whitespace().collect());
        match words.0[0] {
            "map" => self.step_map(&words),
            "unmap" => self.mm.munmap(&mut self.pages, words.range()),
            "prot" => {
                let prot = prot(words.0[3]);
                self.mm.mprotect(&mut self.pages, words.range(), prot, None)
            }
            "seal" => self.mm.mseal(&mut self.pages, words.range()),
            "lock" => self.step_lock(&words, LockRange::Now),
            "onfault" => self.step_lock(&words, LockRange::OnFault),
            "unlock" => self.mm.munlock(&mut self.pages, words.range()),
            "move" => self.step_move(&words, MremapFlags::empty()),
            "keep" => self.step_move(&words, MremapFlags::DONTUNMAP),
            "resize" => self.step_resize(&words),
            "touch" => self.step_touch(&words),
            "guard" => self.step_guard(&words),
            "fork" => self.step_fork(),
            "advise" => self.step_advise(&words),
            "policy" => {
                let policy = Policy::Bind(1);
                self.mm.mbind(&mut self.pages, words.range(), policy)
            }
            "name" => {
                let name = Some(words.0[3]);
                self.mm.set_vma_name(&mut self.pages, words.range(), name)
            }
            other => panic!("unknown step {other}"),
        }
    }

    fn step_map(&mut self, words: &Words<'_>) -> Result<(), Errno> {
        let range = words.range();
        let mut args = MmapArgs {
            addr: range.addr,
            len: range.len,
            prot: prot(words.0[3]),
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED | MapFlags::NORESERVE,
            file: None,
            offset: 0,
        };
        let mut kind = None;
        for word in words.rest(4) {
            match word {
                "reserve" => args.flags.remove(MapFlags::NORESERVE),
                "shared" => {
                    args.flags.remove(MapFlags::PRIVATE);
                    args.flags |= MapFlags::SHARED;
                }
                "memfd" | "pfnmap" => {
                    args.flags.remove(MapFlags::ANONYMOUS);
                    args.file = Some(FileId(0));
                    args.offset = words.number(1) * PAGE_SIZE;
                    kind = Some(match word {
                        "memfd" => MappedKind::Memfd,
                        _ => MappedKind::Pfnmap,
                    });
                }
                "locked" => args.flags |= MapFlags::LOCKED,
                "stack" => args.flags |= MapFlags::STACK,
                "growsdown" => args.flags |= MapFlags::GROWSDOWN,
                "noreplace" => args.flags |= MapFlags::FIXED_NOREPLACE,
                "droppable" => {
                    args.flags.remove(MapFlags::TYPE);
                    args.flags |= MapFlags::DROPPABLE;
                }
                other => panic!("unknown flag {other}"),
            }
        }
        self.mm.mmap(&mut self.pages, &args, kind).map(drop)
    }

    fn step_lock(&mut self, words: &Words<'_>, how: LockRange) -> Result<(), Errno> {
        self.mm.mlock(&mut self.pages, words.range(), how).map(drop)
    }

    fn step_move(&mut self, words: &Words<'_>, more: MremapFlags) -> Result<(), Errno> {
        let range = words.range();
        let args = MremapArgs {
            addr: range.addr,
            old_len: range.len,
            new_len: range.len,
            flags: MremapFlags::MAYMOVE | MremapFlags::FIXED | more,
            new_addr: BASE.add_pages(words.number(3)),
        };
        self.mm.mremap(&mut self.pages, &args).map(drop)
    }

    fn step_resize(&mut self, words: &Words<'_>) -> Result<(), Errno> {
        let range = words.range();
        let args = MremapArgs {
            addr: range.addr,
            old_len: range.len,
            new_len: Bytes::from_pages(words.number(3)),
            flags: MremapFlags::empty(),
            new_addr: BASE,
        };
        self.mm.mremap(&mut self.pages, &args).map(drop)
    }

    fn step_touch(&mut self, words: &Words<'_>) -> Result<(), Errno> {
        let addr = BASE.add_pages(words.number(1));
        let id = self.mm.vma_lookup(addr).ok_or(Errno::EFAULT)?;
        self.mm
            .anon_vma_prepare(id)
            .map_err(|NoMemory| Errno::ENOMEM)
    }

    fn step_guard(&mut self, words: &Words<'_>) -> Result<(), Errno> {
        let addr = BASE.add_pages(words.number(1));
        let id = self.mm.vma_lookup(addr).ok_or(Errno::EFAULT)?;
        self.mm.vma(id).set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
        Ok(())
    }

    fn step_fork(&mut self) -> Result<(), Errno> {
        let child = self.mm.fork(&mut self.pages)?;
        let parent = std::mem::replace(&mut self.mm, child);
        self.parents.push(parent);
        Ok(())
    }

    fn step_advise(&mut self, words: &Words<'_>) -> Result<(), Errno> {
        let advice = Advice::from_name(words.0[3]).expect("an advice");
        let range = page_range(words.number(1), words.number(2));
        self.mm.madvise_flags(&mut self.pages, range, advice)
    }
}
