//! Page tables against a flat model, an MMU, and counts.

mod cost;
mod measured;
mod mmu;
mod model;
mod operations;

use std::sync::Arc;

use crate::{
    Access, AllowAll, Arch, Entry, Frames, PAGE_SIZE, PageProt, PageTables, Pfn, Sharing, Va,
    VaRange,
};

fn memory(pages: u64) -> Arc<Frames> {
    let frames = Arc::new(Frames::new(pages, Arc::new(AllowAll)));
    frames.set_concurrent(false);
    frames
}

fn tables<A: Arch>() -> PageTables<A> {
    PageTables::new(memory(1 << 20)).unwrap()
}

fn range(start: u64, pages: u64) -> VaRange {
    VaRange::new(start, start + pages * PAGE_SIZE)
}

const READ_WRITE: Access = Access {
    read: true,
    write: true,
    exec: false,
};

fn read_write<A: Arch>() -> PageProt {
    A::page_prot(READ_WRITE, Sharing::Shared)
}

fn put<A: Arch>(tables: &PageTables<A>, va: Va, entry: Entry<A>) {
    match tables.leaf_alloc(va).unwrap() {
        super::Leaf::Table(table) => table.set(va, entry),
        leaf => panic!("{leaf:?} at {va:?}"),
    }
}

/// A page whose frame number tells its number.
fn page<A: Arch>(number: u64) -> Entry<A> {
    Entry::page(Pfn::DEVICE_BASE.add(number), read_write::<A>())
}
