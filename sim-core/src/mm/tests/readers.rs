//! What readers of the store without a lock can see: after each complete change, every page that is
//! always mapped is in the store.

use std::cell::RefCell;
use std::sync::Arc;

use crate::store::{
    Entry, MapleReader, MapleStore, Neighbours, NoMemory, StoreReader as _, VmaId, VmaStore,
};
use crate::testing::{BASE, page_range};
use crate::{
    Bytes, LockRange, MapFlags, Mm, MmConfig, MmShared, MmapArgs, MremapArgs, MremapFlags, NoPages,
    PageRange, Profile, Prot, Setup, SyscallRange, VirtAddr,
};

thread_local! {
    /// Pages that are mapped all the time.
    static MAPPED: RefCell<Vec<VirtAddr>> = const { RefCell::new(Vec::new()) };
}

/// A store that looks for them after each complete change.
#[derive(Default, Debug)]
struct Watched {
    store: MapleStore,
    open: u32,
}

impl Watched {
    fn changed(&self) {
        if self.open > 0 {
            return;
        }
        let reader = self.store.reader();
        MAPPED.with_borrow(|mapped| {
            for addr in mapped {
                let seen = reader.get(*addr).expect("no change is under way");
                assert!(seen.is_some(), "{addr} is always mapped");
            }
        });
    }
}

impl VmaStore for Watched {
    const NAME: &'static str = "watched";

    type Reader = MapleReader;

    fn reader(&self) -> MapleReader {
        self.store.reader()
    }

    fn begin_change(&mut self) {
        self.open += 1;
        self.store.begin_change();
    }

    fn end_change(&mut self) {
        self.open -= 1;
        self.store.end_change();
        self.changed();
    }

    fn len(&self) -> usize {
        self.store.len()
    }

    fn get(&self, addr: VirtAddr) -> Option<Entry> {
        self.store.get(addr)
    }

    fn find(&self, addr: VirtAddr) -> Option<Entry> {
        self.store.find(addr)
    }

    fn neighbours(&self, addr: VirtAddr) -> Neighbours {
        self.store.neighbours(addr)
    }

    fn iter_from(&self, addr: VirtAddr) -> impl Iterator<Item = Entry> + '_ {
        self.store.iter_from(addr)
    }

    fn reserve(&mut self, inserts: usize) -> Result<(), NoMemory> {
        self.store.reserve(inserts)
    }

    fn insert(&mut self, range: PageRange, id: VmaId) {
        self.store.insert(range, id);
        self.changed();
    }

    fn remove(&mut self, start: VirtAddr) -> Entry {
        let entry = self.store.remove(start);
        self.changed();
        entry
    }

    fn resize(&mut self, start: VirtAddr, to: PageRange) {
        self.store.resize(start, to);
        self.changed();
    }

    fn lowest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        self.store.lowest_gap(within, len)
    }

    fn highest_gap(&self, within: PageRange, len: Bytes) -> Option<PageRange> {
        self.store.highest_gap(within, len)
    }

    fn check_invariants(&self) {
        assert_eq!(self.open, 0, "no change is left open");
        self.store.check_invariants();
    }

    fn dump(&self) -> String {
        self.store.dump()
    }
}

/// An address space with a watched store.
struct Space {
    mm: Mm<Watched>,
    pages: NoPages,
}

fn syscall_range(start: u64, end: u64) -> SyscallRange {
    let range = page_range(start, end);
    SyscallRange::new(range.start(), range.len())
}

impl Space {
    fn new() -> Self {
        MAPPED.take();
        let config = MmConfig::new(&Setup::new(Profile::V6_19));
        let shared = MmShared::new(&config.limits);
        Self {
            mm: Mm::new(Arc::new(config), &shared),
            pages: NoPages::default(),
        }
    }

    fn map(&mut self, start: u64, end: u64, prot: Prot) {
        let range = page_range(start, end);
        let args = MmapArgs {
            addr: range.start(),
            len: range.len(),
            prot,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
            file: None,
            offset: 0,
        };
        let mapped = self.mm.mmap(&mut self.pages, &args, None);
        let _ = mapped.expect("nothing fails");
    }

    fn protect(&mut self, start: u64, end: u64, prot: Prot) {
        let range = syscall_range(start, end);
        let result = self.mm.mprotect(&mut self.pages, range, prot, None);
        result.expect("nothing fails");
    }

    fn unmap(&mut self, start: u64, end: u64) {
        let result = self.mm.munmap(&mut self.pages, syscall_range(start, end));
        result.expect("nothing fails");
    }

    fn remap(&mut self, from: (u64, u64), to: (u64, u64), flags: MremapFlags) {
        let (old, new) = (page_range(from.0, from.1), page_range(to.0, to.1));
        let args = MremapArgs {
            addr: old.start(),
            old_len: old.len(),
            new_len: new.len(),
            flags,
            new_addr: new.start(),
        };
        let mapped = self.mm.mremap(&mut self.pages, &args);
        let _ = mapped.expect("nothing fails");
    }

    /// From now on these pages stay mapped.
    fn watch(&self, start: u64, end: u64) {
        let pages = (start..end).map(|page| BASE.add_pages(page));
        MAPPED.with_borrow_mut(|mapped| mapped.extend(pages));
        self.mm.check_invariants();
    }
}

const RW: Prot = Prot::READ.union(Prot::WRITE);
const PROTS: [Prot; 3] = [RW, Prot::READ, Prot::empty()];

/// mprotect, mlock and mmap over what is there, at random, keep 40 pages mapped.
#[test]
fn changes_within_a_mapping_never_show_a_hole() {
    let mut space = Space::new();
    space.map(0, 40, RW);
    space.watch(0, 40);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % bound
    };
    for _ in 0..if cfg!(miri) { 30 } else { 4_000 } {
        let start = below(40);
        let end = start + 1 + below((40 - start).min(9));
        let prot = PROTS[below(3) as usize];
        match below(4) {
            0 => space.map(start, end, prot),
            1 => {
                let range = syscall_range(start, end);
                let locked = space.mm.mlock(&mut space.pages, range, LockRange::OnFault);
                let _ = locked.expect("nothing fails");
            }
            _ => space.protect(start, end, prot),
        }
    }
    space.mm.check_invariants();
}

/// What stays of a mapping that is unmapped, moved, shrunk or grown in part is there all the time.
#[test]
fn what_stays_is_always_there() {
    let mut space = Space::new();
    space.map(0, 20, RW);
    space.watch(0, 5);
    space.watch(10, 12);
    space.unmap(5, 10);
    space.map(5, 10, RW);
    space.remap(
        (12, 20),
        (50, 58),
        MremapFlags::MAYMOVE | MremapFlags::FIXED,
    );
    space.remap((10, 12), (10, 15), MremapFlags::empty());
    space.watch(12, 13);
    space.remap((10, 15), (10, 13), MremapFlags::empty());
    space.map(58, 60, RW);
    space.watch(50, 60);
    let keep = MremapFlags::MAYMOVE | MremapFlags::FIXED | MremapFlags::DONTUNMAP;
    space.remap((50, 60), (80, 90), keep);
    space.mm.check_invariants();
}
