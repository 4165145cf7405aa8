//! Reading `/proc/PID/pagemap`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use sim_core::{PAGE_SIZE, PMD_SIZE, PageRange, PageRun, PageState, VirtAddr, VmaSnapshot};

/// VMAs of more pages are first asked which of them have entries.
const SMALL: u64 = 512;

/// The runs of pages with an entry in these VMAs. Where kinds of entries are not shown, those that
/// are not present and no guards come as swap entries.
pub(crate) fn read(file: &File, vmas: &[VmaSnapshot], kinds: bool) -> io::Result<Vec<PageRun>> {
    let mut runs = Runs {
        runs: Vec::new(),
        kinds,
    };
    for vma in vmas {
        for range in populated(file, vma.range)? {
            pages(file, range, &mut runs)?;
        }
    }
    Ok(runs.runs)
}

/// A part of a VMA, and whether PMDs map it.
struct Part {
    range: PageRange,
    huge: bool,
}

fn populated(file: &File, range: PageRange) -> io::Result<Vec<Part>> {
    let block = PageRange::try_new(
        VirtAddr::new(range.start().get().next_multiple_of(PMD_SIZE)),
        range.end(),
    );
    let can_be_huge = block.is_some_and(|block| block.len().get() >= PMD_SIZE);
    if range.pages() <= SMALL && !can_be_huge {
        return Ok(vec![Part { range, huge: false }]);
    }
    scan(file, range)
}

fn pages(file: &File, part: Part, runs: &mut Runs) -> io::Result<()> {
    let mut entries = vec![0; part.range.len().get().min(1 << 21) as usize / 512];
    let mut at = part.range.start();
    while at < part.range.end() {
        let want = entries
            .len()
            .min(((part.range.end() - at).pages() * 8) as usize);
        let got = file.read_at(&mut entries[..want], at.page_number() * 8)?;
        if got == 0 {
            break;
        }
        for entry in entries[..got].chunks_exact(8) {
            let entry = u64::from_ne_bytes(entry.try_into().expect("a chunk has eight bytes"));
            if let Some(state) = decode(entry, part.huge, runs.kinds) {
                runs.push(at, state);
            }
            at = at.add_pages(1);
        }
    }
    Ok(())
}

/// What an entry says (`fs/proc/task_mmu.c: pagemap_read()`, 6.18).
fn decode(entry: u64, huge: bool, kinds: bool) -> Option<PageState> {
    const GUARD_TYPE: u64 = 31;
    let bit = |n: u32| entry >> n & 1 == 1;
    let (uffd_wp, soft_dirty) = (bit(57), bit(55));
    if bit(63) {
        return Some(PageState::Present {
            exclusive: bit(56),
            file: bit(61),
            huge,
            uffd_wp,
            soft_dirty,
        });
    }
    if !bit(62) {
        return None;
    }
    if !kinds && !bit(58) {
        return Some(PageState::Swap {
            uffd_wp,
            soft_dirty,
        });
    }
    let (kind, offset) = (entry & 31, entry >> 5 & ((1 << 50) - 1));
    Some(match kind {
        _ if bit(58) => PageState::Guard,
        GUARD_TYPE if offset & 2 != 0 => PageState::Poison,
        GUARD_TYPE => PageState::Marker,
        25..=27 => PageState::Migration,
        _ => PageState::Swap {
            uffd_wp,
            soft_dirty,
        },
    })
}

struct Runs {
    runs: Vec<PageRun>,
    kinds: bool,
}

impl Runs {
    fn push(&mut self, addr: VirtAddr, state: PageState) {
        if let Some(last) = self.runs.last_mut()
            && last.range.end() == addr
            && last.state == state
        {
            last.range = PageRange::new(last.range.start(), addr.add_pages(1));
            return;
        }
        self.runs.push(PageRun {
            range: PageRange::page_of(addr),
            state,
        });
    }
}

const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_HUGE: u64 = 1 << 6;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

#[repr(C)]
#[derive(Default)]
struct PmScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// The parts that have entries, by the `PAGEMAP_SCAN` request, which skips empty tables.
fn scan(file: &File, range: PageRange) -> io::Result<Vec<Part>> {
    /// `_IOWR('f', 16, struct pm_scan_arg)`.
    const PAGEMAP_SCAN: u64 = 0xc060_6610;
    const BATCH: usize = 512;
    let mut parts: Vec<Part> = Vec::new();
    let mut start = range.start().get();
    let mut found = [PageRegion::default(); BATCH];
    while start < range.end().get() {
        let mut arg = PmScanArg {
            size: size_of::<PmScanArg>() as u64,
            start,
            end: range.end().get(),
            vec: found.as_mut_ptr() as u64,
            vec_len: BATCH as u64,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_HUGE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..PmScanArg::default()
        };
        // SAFETY: the request reads and writes `arg` and the vector it points to, with its length.
        let count = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        parts.extend(
            found[..count.cast_unsigned() as usize]
                .iter()
                .map(|r| Part {
                    range: PageRange::new(VirtAddr::new(r.start), VirtAddr::new(r.end)),
                    huge: r.categories & PAGE_IS_HUGE != 0,
                }),
        );
        if arg.walk_end <= start {
            break;
        }
        start = arg.walk_end;
    }
    debug_assert!(parts.iter().all(|p| p.range.len().get() >= PAGE_SIZE));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::decode;
    use sim_core::PageState;

    #[test]
    fn entries_are_decoded() {
        for (entry, state) in [
            (0, None),
            (0x4400_0000_0000_009f, Some(PageState::Guard)),
            (0x4200_0000_0000_003f, Some(PageState::Marker)),
            (0x4000_0000_0000_005f, Some(PageState::Poison)),
            (
                0x8100_0000_0012_3456,
                Some(PageState::Present {
                    exclusive: true,
                    file: false,
                    huge: false,
                    uffd_wp: false,
                    soft_dirty: false,
                }),
            ),
            (
                0x4000_0000_0000_0020,
                Some(PageState::Swap {
                    uffd_wp: false,
                    soft_dirty: false,
                }),
            ),
        ] {
            assert_eq!(decode(entry, false, true), state, "{entry:#x}");
        }
    }
}
