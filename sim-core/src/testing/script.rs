//! Short scripts of calls on a [`World`](super::World): the tests of whole operations. One line of
//! text is a case.
//!
//! Steps are separated by `;`. Numbers are pages of the layout, ranges half-open. A step that is to
//! fail ends with `= ERRNO`.
//!
//! | step | |
//! |--|--|
//! | `map 0..4 rw` | private anonymous memory, at that address; more words are attributes |
//! | `unmap 0..4` `protect 0..4 r` `seal 0..4` | |
//! | `lock 0..4` `onfault 0..4` `unlock 0..4` | |
//! | `write 2` | the page's VMA gets an anon_vma |
//! | `guard 2` | its VMA gets the atomic flag of guard install |
//! | `remap 0..4 6 maymove fixed to 9` | mremap of 4 pages to 6, flags (`keep`: `DONTUNMAP`), address |
//! | `advise 0..4 random` | an advice; page advice acts on nothing |
//! | `bind 0..4 1` | a policy: node mask of `MPOL_BIND`, 0 is the default |
//! | `name 0..4 x` | a name; `-` removes it |
//! | `register 0..4 missing` `unregister 0..4` | userfaultfd 1; `by 2` at the end: another one |
//! | `fork` | goes on in the child; the parent lives on |
//! | `brk 4` | the heap's end, in pages above its start at page 1000 |
//!
//! Attributes of `map`: `shared` `droppable` `noreplace` `growsdown` `noreserve` `locked` `stack`, and
//! what is mapped, its offset being the page number: `file` `memfd` `pfnmap`.

use std::num::NonZeroU32;

use super::world::{HEAP, World};
use super::{BASE, page_range};
use crate::store::VmaId;
use crate::{
    Advice, AdviceClass, AtomicVmFlag, Bytes, Errno, FileId, LockRange, MapFlags, MappedKind,
    MmapArgs, MremapArgs, MremapFlags, Policy, Prot, SyscallRange, Uffd, UffdCtxId, UffdMode,
    VirtAddr, check_madvise,
};

impl World {
    /// Runs a script, and checks what each step returns.
    #[track_caller]
    pub(crate) fn script(&mut self, script: &str) {
        for step in script.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let (call, expected) = match step.split_once('=') {
                Some((call, errno)) => (call, Err(errno.trim().parse().expect("an errno"))),
                None => (step, Ok(())),
            };
            assert_eq!(self.step(call), expected, "step `{step}` of `{script}`");
            self.check();
        }
    }

    /// Runs one step.
    #[track_caller]
    pub(crate) fn step(&mut self, step: &str) -> Result<(), Errno> {
        let words: Vec<_> = step.split_whitespace().collect();
        let (op, args) = words.split_first().expect("a step has an operation");
        let first = *args.first().unwrap_or(&"");
        let pages = &mut self.pages;
        match *op {
            "map" => self.map(args),
            "unmap" => self.mm.munmap(pages, range(first)),
            "protect" => self.mm.mprotect(pages, range(first), prot(args[1]), None),
            "seal" => self.mm.mseal(pages, range(first)),
            "lock" => self.lock(first, LockRange::Now),
            "onfault" => self.lock(first, LockRange::OnFault),
            "unlock" => self.mm.munlock(pages, range(first)),
            "write" => self.write(first),
            "guard" => self.guard(first),
            "remap" => self.remap(args),
            "advise" => self.advise(first, args[1]),
            "bind" => {
                let policy = match number(args[1]) {
                    0 => Policy::Default,
                    mask => Policy::Bind(mask),
                };
                self.mm.mbind(pages, range(first), policy)
            }
            "name" => {
                let label = (args[1] != "-").then_some(args[1]);
                self.mm.set_vma_name(pages, range(first), label)
            }
            "register" => self.register(args),
            "unregister" => self.mm.uffd_unregister(pages, uffd(args), range(first)),
            "fork" => self.fork(),
            "brk" => self.brk(first),
            other => panic!("no operation {other}"),
        }
    }

    fn map(&mut self, args: &[&str]) -> Result<(), Errno> {
        let SyscallRange { addr, len } = range(args[0]);
        let mut call = MmapArgs {
            addr,
            len,
            prot: prot(args[1]),
            flags: MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::ANONYMOUS,
            file: None,
            offset: 0,
        };
        let mut kind = None;
        for word in &args[2..] {
            match *word {
                "shared" => {
                    call.flags.remove(MapFlags::PRIVATE);
                    call.flags.insert(MapFlags::SHARED);
                }
                "droppable" => {
                    call.flags.remove(MapFlags::PRIVATE);
                    call.flags.insert(MapFlags::DROPPABLE);
                }
                "noreplace" => {
                    call.flags.remove(MapFlags::FIXED);
                    call.flags.insert(MapFlags::FIXED_NOREPLACE);
                }
                "growsdown" => call.flags.insert(MapFlags::GROWSDOWN),
                "noreserve" => call.flags.insert(MapFlags::NORESERVE),
                "locked" => call.flags.insert(MapFlags::LOCKED),
                "stack" => call.flags.insert(MapFlags::STACK),
                "file" => kind = Some((FileId(0), MappedKind::Regular)),
                "memfd" => kind = Some((FileId(1), MappedKind::Memfd)),
                "pfnmap" => kind = Some((FileId(2), MappedKind::Pfnmap)),
                other => panic!("no attribute {other}"),
            }
        }
        if let Some((file, _)) = kind {
            call.flags.remove(MapFlags::ANONYMOUS);
            call.file = Some(file);
            call.offset = addr.get() - BASE.get();
        }
        let kind = kind.map(|(_, kind)| kind);
        self.mm.mmap(&mut self.pages, &call, kind).map(drop)
    }

    fn lock(&mut self, pages: &str, how: LockRange) -> Result<(), Errno> {
        self.mm.mlock(&mut self.pages, range(pages), how).map(drop)
    }

    fn vma_at(&self, page: &str) -> Result<VmaId, Errno> {
        let addr = BASE.add_pages(number(page));
        self.mm.vma_lookup(addr).ok_or(Errno::EFAULT)
    }

    fn write(&mut self, page: &str) -> Result<(), Errno> {
        let id = self.vma_at(page)?;
        self.mm.anon_vma_prepare(id).map_err(|_| Errno::ENOMEM)
    }

    fn guard(&mut self, page: &str) -> Result<(), Errno> {
        let id = self.vma_at(page)?;
        self.mm.vma(id).set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
        Ok(())
    }

    fn fork(&mut self) -> Result<(), Errno> {
        let child = self.mm.fork(&mut self.pages)?;
        let parent = std::mem::replace(&mut self.mm, child);
        self.parents.push(parent);
        Ok(())
    }

    fn remap(&mut self, args: &[&str]) -> Result<(), Errno> {
        let old = range(args[0]);
        let mut call = MremapArgs {
            addr: old.addr,
            old_len: old.len,
            new_len: Bytes::from_pages(number(args[1])),
            flags: MremapFlags::empty(),
            new_addr: VirtAddr::ZERO,
        };
        for word in &args[2..] {
            match *word {
                "maymove" => call.flags.insert(MremapFlags::MAYMOVE),
                "fixed" => call.flags.insert(MremapFlags::FIXED),
                "keep" => call.flags.insert(MremapFlags::DONTUNMAP),
                "to" => {}
                page => call.new_addr = BASE.add_pages(number(page)),
            }
        }
        self.mm.mremap(&mut self.pages, &call).map(drop)
    }

    fn advise(&mut self, pages: &str, advice: &str) -> Result<(), Errno> {
        let advice = Advice::from_name(advice).expect("an advice");
        let Some((range, class)) = check_madvise(range(pages), advice)? else {
            return Ok(());
        };
        match class {
            AdviceClass::Flags => self.mm.madvise_flags(&mut self.pages, range, advice),
            AdviceClass::Pages => self.mm.madvise_pages(range, advice, |_, _, _| Ok(())),
            AdviceClass::Populate => Ok(()),
        }
    }

    fn register(&mut self, args: &[&str]) -> Result<(), Errno> {
        let mode = match args[1] {
            "missing" => UffdMode::MISSING,
            "wp" => UffdMode::WP,
            "minor" => UffdMode::MINOR,
            other => panic!("no mode {other}"),
        };
        self.mm
            .uffd_register(&mut self.pages, uffd(args), range(args[0]), mode)
    }

    fn brk(&mut self, pages: &str) -> Result<(), Errno> {
        let to = BASE.add_pages(HEAP + number(pages));
        let got = self.mm.sys_brk(&mut self.pages, to).addr;
        if got == to {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }
}

#[track_caller]
fn number(text: &str) -> u64 {
    text.parse().expect("a number of pages")
}

/// `0..4` as a system call's range.
#[track_caller]
pub(crate) fn range(text: &str) -> SyscallRange {
    let (start, end) = text.split_once("..").expect("a range");
    let range = page_range(number(start), number(end));
    SyscallRange::new(range.start(), range.len())
}

fn prot(text: &str) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, text.contains('r'));
    prot.set(Prot::WRITE, text.contains('w'));
    prot.set(Prot::EXEC, text.contains('x'));
    prot
}

/// userfaultfd 1, or the one after `by`; number 3 is asynchronous.
fn uffd(args: &[&str]) -> Uffd {
    let by = args.iter().position(|&word| word == "by");
    let number = by.map_or(1, |at| args[at + 1].parse().expect("a number"));
    Uffd {
        context: UffdCtxId(NonZeroU32::new(number).expect("from 1")),
        wp_async: number == 3,
    }
}
