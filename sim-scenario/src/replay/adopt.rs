//! Regions that the log shows in use but not being made.

use sim_core::{
    BackendError, Bytes, Call, MapFlags, MmapArgs, Outcome, PageRange, Pid, Prot, SnapshotLevel,
    SyscallRange, VirtAddr,
};

use super::target::ReplayTarget;

/// The pages that a raw range touches, if it has any and does not wrap.
pub(super) fn pages_of(range: SyscallRange) -> Option<PageRange> {
    let start = range.addr.page_down();
    let end = range.addr.checked_add(range.len)?.page_up()?;
    PageRange::try_new(start, end).filter(|pages| !pages.is_empty())
}

/// Maps anonymous memory wherever `range` has a hole; returns what it filled.
pub(super) fn fill_holes<T: ReplayTarget + ?Sized>(
    target: &mut T,
    pid: Pid,
    range: PageRange,
) -> Result<Vec<PageRange>, BackendError> {
    let snapshot = target.snapshot(pid, SnapshotLevel::Vma)?;
    let mut holes = Vec::new();
    let mut at = range.start();
    for vma in &snapshot.vmas {
        if let Some(common) = vma.range.intersect(range) {
            holes.push(PageRange::new(at, common.start()));
            at = common.end();
        }
    }
    holes.push(PageRange::new(at, range.end()));
    holes.retain(|hole| !hole.is_empty());
    let mut filled = Vec::new();
    for hole in holes {
        let call = place(hole, Prot::READ | Prot::WRITE);
        if target.call(pid, &call)?.is_ok() {
            filled.push(hole);
        }
    }
    Ok(filled)
}

/// Takes all above `floor` that the back end would choose for a mapping; returns what it took.
///
/// The kernel places mappings from the top down. Where the log shows its first choice after execve,
/// everything above is taken: by the loader, the vdso, the random offset of the area.
pub(super) fn close_ceiling<T: ReplayTarget + ?Sized>(
    target: &mut T,
    pid: Pid,
    floor: VirtAddr,
) -> Result<Option<PageRange>, BackendError> {
    let page = Bytes::from_pages(1);
    let probe = Call::Mmap(MmapArgs {
        addr: VirtAddr::ZERO,
        len: page,
        prot: Prot::empty(),
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::NORESERVE,
        file: None,
        offset: 0,
    });
    let Outcome::Value(top) = target.call(pid, &probe)? else {
        return Ok(None);
    };
    let top = VirtAddr::new(top);
    target.call(pid, &Call::Munmap(SyscallRange::new(top, page)))?;
    let range = top
        .checked_add(page)
        .and_then(|end| PageRange::try_new(floor, end))
        .filter(|range| !range.is_empty());
    let Some(range) = range else {
        return Ok(None);
    };
    let taken = target.call(pid, &place(range, Prot::empty()))?.is_ok();
    Ok(taken.then_some(range))
}

fn place(range: PageRange, prot: Prot) -> Call {
    Call::Mmap(MmapArgs {
        addr: range.start(),
        len: range.len(),
        prot,
        flags: MapFlags::PRIVATE
            | MapFlags::ANONYMOUS
            | MapFlags::NORESERVE
            | MapFlags::FIXED_NOREPLACE,
        file: None,
        offset: 0,
    })
}
