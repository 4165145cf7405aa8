//! Where workloads put their VMAs, and calls on them.

use sim_core::{
    Access, Advice, Bytes, Call, MapFlags, MmapArgs, PAGE_SIZE, Prot, SyscallRange, VirtAddr,
};

use super::Step;

/// The lowest address of the first thread: free in ordinary processes too.
const BASE: u64 = 0x1000_0000_0000;
/// What a thread has.
const SHARE: u64 = 0x0100_0000_0000;

/// Read and write.
pub(super) const RW: Prot = Prot::READ.union(Prot::WRITE);

/// The part of the address space that one thread works in, addressed by page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arena {
    base: u64,
}

impl Arena {
    pub(super) const fn of_thread(thread: usize) -> Self {
        Self {
            base: BASE + thread as u64 * SHARE,
        }
    }

    pub(super) const fn address(self, page: u64) -> VirtAddr {
        VirtAddr::new(self.base + page * PAGE_SIZE)
    }

    pub(super) const fn range(self, page: u64, count: u64) -> SyscallRange {
        SyscallRange::new(self.address(page), Bytes(count * PAGE_SIZE))
    }

    pub(super) fn mmap(self, page: u64, count: u64, prot: Prot) -> Step {
        Step::main(Call::Mmap(MmapArgs {
            addr: self.address(page),
            len: Bytes(count * PAGE_SIZE),
            prot,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
            file: None,
            offset: 0,
        }))
    }

    pub(super) const fn munmap(self, page: u64, count: u64) -> Step {
        Step::main(Call::Munmap(self.range(page, count)))
    }

    pub(super) const fn mprotect(self, page: u64, count: u64, prot: Prot) -> Step {
        Step::main(Call::Mprotect {
            range: self.range(page, count),
            prot,
            pkey: None,
        })
    }

    pub(super) const fn madvise(self, page: u64, count: u64, advice: Advice) -> Step {
        Step::main(Call::Madvise {
            range: self.range(page, count),
            advice,
        })
    }

    pub(super) const fn write(self, page: u64, count: u64) -> Step {
        Step::main(Call::Access {
            range: self.range(page, count),
            access: Access::Write(Some(1)),
        })
    }

    /// `count` VMAs of three pages with a page between them, which is the usual neighbourhood.
    pub(super) fn three_page_vmas(self, count: u64) -> Vec<Step> {
        (0..count).map(|i| self.mmap(i * STRIDE, 3, RW)).collect()
    }
}

/// Pages from one of the three-page VMAs to the next.
pub(super) const STRIDE: u64 = 4;
