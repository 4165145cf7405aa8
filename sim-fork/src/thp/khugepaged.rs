//! khugepaged: the list of processes that it scans, and the scan (`mm/khugepaged.c:
//! khugepaged_scan_mm_slot()`, 6.19).

use sim_core::store::VmaStore;
use sim_core::{
    AllocKind, BackendError, Outcome, PMD_PAGES, PMD_SIZE, ScanResult, ThpEnabled, VirtAddr,
    VmFlags, Vma,
};
use sim_pagetable::Arch;

use super::collapse::{self, By};
use super::eligible::{self, Purpose};
use crate::machine::Machine;
use crate::pager::Pager;
use crate::shared::Shared;
use crate::space::AddressSpace;

/// What khugepaged remembers (`struct khugepaged_scan`).
#[derive(Debug, Default)]
pub struct Khugepaged {
    /// Address spaces on its list, in the order in which they came, by number.
    pub spaces: Vec<u32>,
    /// Where it goes on: an address space of the list and an address. `None`: at the beginning.
    pub cursor: Option<(u32, VirtAddr)>,
    /// Scans of all of them (`full_scans`).
    pub full_scans: u64,
    /// Huge pages made (`pages_collapsed`).
    pub pages_collapsed: u64,
}

impl Khugepaged {
    fn is_listed(&self, space: u32) -> bool {
        self.spaces.contains(&space)
    }

    /// The cursor moves to the address space after this one; after the last a full scan is done.
    fn advance(&mut self, space: u32) {
        let place = self.spaces.iter().position(|&number| number == space);
        let next = place.and_then(|place| self.spaces.get(place + 1));
        self.cursor = next.map(|&number| (number, VirtAddr::ZERO));
        if self.cursor.is_none() {
            self.full_scans += 1;
        }
    }
}

/// A VMA may have become fit for huge pages (`khugepaged_enter_vma()`).
pub(crate) fn enter<A: Arch>(pager: &Pager<'_, A>, vma: &Vma, flags: VmFlags) {
    let shared = pager.shared;
    if is_running(shared) && eligible::allowed(shared, vma, flags, Purpose::Khugepaged) {
        list(shared, pager.pages.number);
    }
}

/// Appends an address space; without memory for a place on the list it stays off it.
fn list(shared: &Shared, space: u32) {
    let mut khugepaged = shared.khugepaged.lock();
    if !khugepaged.is_listed(space) && shared.fail().alloc(AllocKind::Other).is_ok() {
        khugepaged.spaces.push(space);
    }
}

/// Do the settings let khugepaged work at all? (`hugepage_pmd_enabled()`)
fn is_running(shared: &Shared) -> bool {
    match shared.setup.thp.enabled {
        ThpEnabled::Always | ThpEnabled::Madvise => true,
        ThpEnabled::Never => false,
    }
}

/// A child was forked (`khugepaged_fork()`).
pub(crate) fn forked(shared: &Shared, parent: u32, child: u32) {
    let listed = shared.khugepaged.lock().is_listed(parent);
    if listed {
        list(shared, child);
    }
}

/// An address space ends (`khugepaged_exit()`).
pub(crate) fn exit(shared: &Shared, space: u32) {
    let mut khugepaged = shared.khugepaged.lock();
    if khugepaged.cursor.is_some_and(|(number, _)| number == space) {
        khugepaged.advance(space);
    }
    khugepaged.spaces.retain(|&number| number != space);
}

/// Scans every registered process so many times. Between two processes, and after each block whose
/// scan let go of mmap_lock, khugepaged may pause; where, `pages_to_scan` says. Nothing happens
/// meanwhile, so that does not show.
pub(crate) fn run<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    passes: u32,
) -> Result<Outcome, BackendError> {
    let shared = machine.shared();
    if !is_running(shared) {
        return Ok(Outcome::OK);
    }
    shared.drain_lru();
    let until = shared.khugepaged.lock().full_scans + u64::from(passes);
    loop {
        let mut khugepaged = shared.khugepaged.lock();
        if khugepaged.full_scans >= until {
            return Ok(Outcome::OK);
        }
        let Some(&first) = khugepaged.spaces.first() else {
            return Ok(Outcome::OK);
        };
        let (space, from) = *khugepaged.cursor.get_or_insert((first, VirtAddr::ZERO));
        drop(khugepaged);
        let spaces = machine.spaces();
        let found = spaces.iter().find(|known| known.pages.number == space);
        let stopped = found.and_then(|found| scan_space(machine, found, from));
        let mut khugepaged = shared.khugepaged.lock();
        match stopped {
            Some(next) => khugepaged.cursor = Some((space, next)),
            None => khugepaged.advance(space),
        }
    }
}

/// Scans an address space from an address on; where to go on, or `None` at its end.
fn scan_space<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    from: VirtAddr,
) -> Option<VirtAddr> {
    let shared = machine.shared();
    let mut progress: u64 = 1;
    let mut from = from;
    loop {
        let at = next_block(shared, space, from)?;
        let result = collapse::block(machine, space, at, By::Khugepaged);
        if result == ScanResult::Succeed {
            shared.khugepaged.lock().pages_collapsed += 1;
        }
        from = VirtAddr::new(at.get() + PMD_SIZE);
        progress += PMD_PAGES;
        let let_go = result == ScanResult::Succeed || result == ScanResult::AllocHugePageFail;
        if let_go || progress >= u64::from(shared.setup.thp.pages_to_scan) {
            return Some(from);
        }
    }
}

/// The next block at or above an address that khugepaged may collapse.
fn next_block<A: Arch, S: VmaStore>(
    shared: &Shared,
    space: &AddressSpace<A, S>,
    from: VirtAddr,
) -> Option<VirtAddr> {
    let mm = space.read();
    mm.iter_from(from).find_map(|(_, vma)| {
        if !eligible::allowed(shared, vma, vma.flags(), Purpose::Khugepaged) {
            return None;
        }
        let start = vma.start().get().max(from.get());
        let start = start.checked_next_multiple_of(PMD_SIZE)?;
        (start < vma.end().pmd_down().get()).then(|| VirtAddr::new(start))
    })
}
