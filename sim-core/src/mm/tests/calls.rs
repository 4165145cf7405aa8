//! Scripts for tests of whole operations: one line of text is a case.
//!
//! Pages count from [`BASE`]. Steps are separated by `;`, each may end with `= ERRNO`.
//!
//! | step | |
//! |--|--|
//! | `map 0..4 rw` | private anonymous memory, fixed; then `shared`, `droppable`, `noreplace`, `growsdown`, `noreserve`, `file` or `memfd` (offset: the page number) |
//! | `unmap 0..4` `protect 0..4 r` `seal 0..4` `lock 0..4` | |
//! | `write 2` | the page's VMA gets an anon_vma |
//! | `remap 0..4 6 maymove fixed to 9` | mremap of 4 pages to 6, flags, address |
//! | `advise 0..4 random` | an advice; page advice acts on nothing |
//! | `bind 0..4 1` | a policy: node mask of `MPOL_BIND`, 0 is the default |
//! | `name 0..4 x` | a name; `-` removes it |
//! | `register 0..4 missing` `unregister 0..4` | userfaultfd 1; `by 2` at the end: another one |
//! | `fork` | goes on in the child |
//! | `brk 4` | the heap's end, in pages above its start at page 1000 |
//!
//! The layout afterwards: `0..4 rw | 6..7 r sl`: range, access (`-` for none, `s` for shared),
//! flags that are neither access nor `MAY*` nor `ACCOUNT`.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::store::DefaultStore;
use crate::{
    Advice, AdviceClass, BrkFields, Bytes, Errno, FileId, LockRange, MapFlags, MappedKind, Mm,
    MmConfig, MmShared, MmapArgs, MremapArgs, MremapFlags, NoPages, PageRange, Policy, Profile,
    Prot, Setup, SyscallRange, Uffd, UffdCtxId, UffdMode, VirtAddr, VmFlags, check_madvise,
};

/// Page 0 of a script.
pub(crate) const BASE: VirtAddr = VirtAddr::new(0x1000_0000);

/// The heap's first page.
const HEAP: u64 = 1000;

/// Flags that the layout does not name.
const SILENT: VmFlags = VmFlags::ACCESS_FLAGS
    .union(VmFlags::MAY_FLAGS)
    .union(VmFlags::SHARED)
    .union(VmFlags::MAYSHARE)
    .union(VmFlags::ACCOUNT);

/// An address space that scripts run in.
pub(crate) struct Script {
    pub(crate) mm: Mm<DefaultStore>,
    pub(crate) pages: NoPages,
}

impl Script {
    pub(crate) fn new(profile: Profile) -> Self {
        Self::with(&Setup::new(profile))
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        let mut config = MmConfig::new(setup);
        config.soft_dirty = false;
        config.anon_names = true;
        let shared = MmShared::new(&config.limits);
        let mut mm = Mm::new(Arc::new(config), &shared);
        let heap = BASE.add_pages(HEAP);
        mm.set_brk_fields(BrkFields {
            start_brk: heap,
            brk: heap,
            start_stack: VirtAddr::ZERO,
        });
        Self {
            mm,
            pages: NoPages::default(),
        }
    }

    /// Runs every step and checks what it returns.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) {
        for step in script.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let (call, expected) = match step.split_once('=') {
                Some((call, errno)) => (call, Err(errno.trim().parse().expect("an errno"))),
                None => (step, Ok(())),
            };
            let words: Vec<_> = call.split_whitespace().collect();
            let got = self.step(&words);
            assert_eq!(got, expected, "step `{step}` of `{script}`");
            self.mm.check_invariants();
        }
    }

    /// Runs one step.
    #[track_caller]
    pub(crate) fn attempt(&mut self, step: &str) -> Result<(), Errno> {
        let words: Vec<_> = step.split_whitespace().collect();
        self.step(&words)
    }

    #[track_caller]
    fn step(&mut self, words: &[&str]) -> Result<(), Errno> {
        let (op, args) = words.split_first().expect("a step has an operation");
        let first = *args.first().unwrap_or(&"");
        let pages = &mut self.pages;
        match *op {
            "map" => self.map(args),
            "unmap" => self.mm.munmap(pages, range(first)),
            "protect" => self.mm.mprotect(pages, range(first), prot(args[1]), None),
            "seal" => self.mm.mseal(pages, range(first)),
            "lock" => self.mm.mlock(pages, range(first), LockRange::Now).map(drop),
            "write" => self.write(first),
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
            "fork" => {
                self.mm = self.mm.fork(pages)?;
                Ok(())
            }
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
                "file" => kind = Some((FileId(0), MappedKind::Regular)),
                "memfd" => kind = Some((FileId(1), MappedKind::Memfd)),
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

    fn write(&mut self, page: &str) -> Result<(), Errno> {
        let addr = BASE.add_pages(number(page));
        let id = self.mm.vma_lookup(addr).ok_or(Errno::EFAULT)?;
        self.mm.anon_vma_prepare(id).map_err(|_| Errno::ENOMEM)
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

    /// The layout now.
    pub(crate) fn layout(&self) -> String {
        let page = |addr: VirtAddr| addr.page_number() - BASE.page_number();
        let vmas = self.mm.iter().map(|(_, vma)| {
            let flags = vma.flags();
            let mut text = format!("{}..{} ", page(vma.start()), page(vma.end()));
            let access = String::from_utf8_lossy(&flags.perms()[..3]).replace('-', "");
            text += if access.is_empty() { "-" } else { &access };
            if flags.contains(VmFlags::MAYSHARE) {
                text.push('s');
            }
            for name in (flags - SILENT).mnemonics() {
                text.push(' ');
                text += name;
            }
            text
        });
        vmas.collect::<Vec<_>>().join(" | ")
    }
}

/// Runs a script on 6.19 and compares the layout afterwards.
#[track_caller]
pub(crate) fn check(case: &str, script: &str, layout: &str) {
    check_on(Profile::V6_19, case, script, layout);
}

/// The same on another kernel.
#[track_caller]
pub(crate) fn check_on(profile: Profile, case: &str, script: &str, layout: &str) {
    let mut world = Script::new(profile);
    world.run(script);
    assert_eq!(world.layout(), layout, "{case}: {script}");
}

#[track_caller]
fn number(text: &str) -> u64 {
    text.parse().expect("a number of pages")
}

/// `0..4` as a system call's range.
#[track_caller]
pub(crate) fn range(text: &str) -> SyscallRange {
    let (start, end) = text.split_once("..").expect("a range");
    let range = PageRange::new(BASE.add_pages(number(start)), BASE.add_pages(number(end)));
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
