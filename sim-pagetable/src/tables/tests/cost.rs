//! What a gibibyte costs.

use sim_sync::prim::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{memory, read_write};
use crate::{
    Arch, Arm64, CopyRun, Entry, FrameFlags, Leaf, PageTables, Pfn, Sharer, Va, VaRange, X86_64,
};

const GIB: u64 = 1 << 30;

/// Faults in 1 GiB page by page and forks it, counts and all.
fn map_and_fork<A: Arch>() {
    let frames = memory(1 << 19);
    let parent = PageTables::<A>::new(frames.clone()).unwrap();
    let all = VaRange::new(GIB, 2 * GIB);
    let prot = read_write::<A>();
    for va in all.page_addresses() {
        let flags = FrameFlags::ANON | FrameFlags::ANON_EXCLUSIVE | FrameFlags::SWAPBACKED;
        let pfn = frames.alloc(flags).unwrap();
        frames.map_page(pfn, Sharer::new(0));
        let Leaf::Table(table) = parent.leaf_alloc(va).unwrap() else {
            panic!("no huge pages here")
        };
        table.set(va, Entry::page(pfn, prot).mk_dirty().mk_write());
    }
    let child = PageTables::<A>::new(frames.clone()).unwrap();
    let copied = parent.copy_range(&child, all, |run| {
        let CopyRun::Tables { parent, child, .. } = run else {
            return Err(());
        };
        for (from, to) in parent.iter().zip(child) {
            let entry = Entry::<A>::from_raw(from.load(Relaxed));
            let pfn = entry.pfn().ok_or(())?;
            frames.dup_page(pfn, Sharer::new(0));
            let shared = entry.wrprotect();
            from.store(shared.raw(), Relaxed);
            to.store(shared.mk_old().raw(), Relaxed);
        }
        Ok(())
    });
    copied.unwrap();
    let last = Va::new(2 * GIB - 4096);
    assert_eq!(child.translate(last), parent.translate(last));
    assert_eq!(frames.page_mapcount(Pfn::RAM_BASE), 2);
    assert_eq!(frames.used(), (1 << 18) + 2 * (1 + 1 + 1 + 512));
}

#[test]
fn a_gibibyte_is_mapped_and_forked_quickly() {
    let start = Instant::now();
    map_and_fork::<X86_64>();
    map_and_fork::<Arm64>();
    // Far above what it takes even unoptimised on a busy machine; the benchmark has the figure.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
