//! Page tables: what a page costs to map, to fork, to walk and to unmap.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_pagetable::{
    Access, AllowAll, Arch, Arm64, CopyRun, Entry, FrameFlags, Frames, Leaf, PageTables, Sharer,
    Sharing, Va, VaRange, X86_64,
};

/// Pages of the mapping: 256 MiB.
const PAGES: u64 = 65_536;
const START: u64 = 0x7f00_0000_0000;

const ANON: FrameFlags = FrameFlags::ANON
    .union(FrameFlags::ANON_EXCLUSIVE)
    .union(FrameFlags::SWAPBACKED);

fn area() -> VaRange {
    VaRange::new(START, START + PAGES * 4096)
}

fn memory(threads: Threads) -> Arc<Frames> {
    let frames = Arc::new(Frames::new(PAGES * 2, Arc::new(AllowAll)));
    frames.set_concurrent(matches!(threads, Threads::Many));
    frames
}

/// Whether locks and atomic read-modify-write are on.
#[derive(Clone, Copy, Debug)]
enum Threads {
    One,
    Many,
}

fn fresh<A: Arch>(frames: &Arc<Frames>) -> PageTables<A> {
    PageTables::new(frames.clone()).expect("memory suffices")
}

/// A first write fault: frame, counts, tables, entry.
fn fault<A: Arch>(tables: &PageTables<A>, frames: &Frames, va: Va) {
    let access = Access {
        read: true,
        write: true,
        exec: false,
    };
    let prot = A::page_prot(access, Sharing::Private);
    let pfn = frames.alloc(ANON).expect("memory suffices");
    frames.map_page(pfn, Sharer::new(0));
    let Ok(Leaf::Table(table)) = tables.leaf_alloc(va) else {
        unreachable!("no huge pages here")
    };
    table.set(va, Entry::page(pfn, prot).mk_dirty().mk_write());
}

fn populate<A: Arch>(frames: &Arc<Frames>) -> PageTables<A> {
    let tables = fresh(frames);
    for va in area().page_addresses() {
        fault::<A>(&tables, frames, va);
    }
    tables
}

/// fork of private anonymous memory: counts, exclusivity, both sides write-protected, the child's
/// entry old and without userfaultfd's bit. Returns the pages copied (RSS).
fn fork<A: Arch>(parent: &PageTables<A>, child: &PageTables<A>, frames: &Frames) -> u64 {
    let mut resident = 0;
    let copied = parent.copy_range(child, area(), |run| {
        let CopyRun::Tables { parent, child, .. } = run else {
            return Err(());
        };
        for (from, to) in parent.iter().zip(child) {
            let entry = Entry::<A>::from_raw(from.load(Relaxed));
            let Some(pfn) = entry.pfn() else { continue };
            if entry.is_special() {
                to.store(entry.wrprotect().raw(), Relaxed);
                continue;
            }
            frames.dup_page(pfn, Sharer::new(0));
            resident += 1;
            let shared = entry.wrprotect();
            if entry.is_writable() {
                from.store(shared.raw(), Relaxed);
            }
            to.store(shared.mk_old().with_uffd_wp(false).raw(), Relaxed);
        }
        Ok(())
    });
    copied.expect("memory suffices");
    resident
}

/// Takes back what [`fork`] did to the child, and gives the parent its rights back.
fn unfork<A: Arch>(parent: &PageTables<A>, child: PageTables<A>, frames: &Frames) {
    zap(&child, frames);
    for run in parent.walk(area()) {
        let Leaf::Table(table) = run.leaf else {
            continue;
        };
        for slot in table.slots(run.range) {
            let entry = slot.get();
            if let Some(pfn) = entry.pfn() {
                frames.meta(pfn).set_flags(FrameFlags::ANON_EXCLUSIVE);
                slot.set(entry.mk_write());
            }
        }
    }
}

fn zap<A: Arch>(tables: &PageTables<A>, frames: &Frames) {
    for run in tables.walk(area()) {
        let Leaf::Table(table) = run.leaf else {
            continue;
        };
        for slot in table.slots(run.range) {
            if let Some(pfn) = slot.take().pfn() {
                frames.unmap_page(pfn, Sharer::new(0));
                frames.put(pfn);
            }
        }
    }
}

fn repeat(times: u64, mut once: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| once()).sum()
}

fn bench_arch<A: Arch>(criterion: &mut Criterion, threads: Threads) {
    let name = format!("pagetable/{}/{threads:?}", A::NAME);
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(PAGES))
        .sample_size(20);
    group.bench_function("fault", |b| {
        b.iter_custom(|times| {
            repeat(times, || {
                let frames = memory(threads);
                let start = Instant::now();
                black_box(populate::<A>(&frames));
                start.elapsed()
            })
        });
    });
    let frames = memory(threads);
    let parent = populate::<A>(&frames);
    group.bench_function("fork", |b| {
        b.iter_custom(|times| {
            repeat(times, || {
                let child = fresh(&frames);
                let start = Instant::now();
                black_box(fork::<A>(&parent, &child, &frames));
                let elapsed = start.elapsed();
                unfork(&parent, child, &frames);
                elapsed
            })
        });
    });
    group.bench_function("zap", |b| {
        b.iter_custom(|times| {
            repeat(times, || {
                let child = fresh(&frames);
                fork::<A>(&parent, &child, &frames);
                let start = Instant::now();
                zap(&child, &frames);
                start.elapsed()
            })
        });
    });
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    bench_arch::<X86_64>(criterion, Threads::One);
    bench_arch::<X86_64>(criterion, Threads::Many);
    bench_arch::<Arm64>(criterion, Threads::One);
}

criterion_group!(benches, bench);
criterion_main!(benches);
