//! Arguments: mostly sensible, at boundaries, and now and then senseless.

use rand::Rng as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use sim_core::{Bytes, PAGE_SIZE, PMD_SIZE, Prot, SyscallRange, VirtAddr};

use super::mode::Arena;

/// Chooses arguments and remembers addresses that matter.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) rng: SmallRng,
    arena: Arena,
    /// Starts and ends of ranges used or returned.
    boundaries: Vec<u64>,
    /// One in so many ranges is senseless; 0 for none.
    odd: u32,
}

/// Boundaries above are not used: there is nothing but what the live kernel's workers have.
const HIGHEST: u64 = 0x7fff_f7ff_f000;

/// Boundaries remembered.
const REMEMBERED: usize = 32;

impl Args {
    pub(super) fn new(mut rng: SmallRng, arena: Arena) -> Self {
        let odd = *[0, 0, 30, 12].choose(&mut rng).expect("not empty");
        Self {
            rng,
            arena,
            boundaries: Vec::new(),
            odd,
        }
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        n != 0 && self.rng.random_range(0..n) == 0
    }

    pub(super) fn choose<T: Copy>(&mut self, list: &[T]) -> T {
        *list
            .choose(&mut self.rng)
            .expect("lists of choices are not empty")
    }

    /// An address from 0 (excluded) to the top is remembered.
    pub(super) fn remember(&mut self, addr: u64) {
        if !addr.is_multiple_of(PAGE_SIZE) || addr > HIGHEST || self.boundaries.contains(&addr) {
            return;
        }
        if self.boundaries.len() >= REMEMBERED {
            let at = self.rng.random_range(0..REMEMBERED);
            self.boundaries.swap_remove(at);
        }
        self.boundaries.push(addr);
    }

    /// A page boundary: one remembered, or anywhere in the arena.
    pub(super) fn page(&mut self) -> u64 {
        if !self.boundaries.is_empty() && self.rng.random_bool(0.5) {
            let at = self.rng.random_range(0..self.boundaries.len());
            return self.boundaries[at];
        }
        let start = self.arena.start.get();
        if self.arena.usual > 64 && self.rng.random_bool(0.6) {
            let blocks = self.arena.pages * PAGE_SIZE / PMD_SIZE;
            return start + self.rng.random_range(0..blocks) * PMD_SIZE;
        }
        start + self.rng.random_range(0..self.arena.pages) * PAGE_SIZE
    }

    /// A usual length in bytes: whole pages, small ones more often.
    pub(super) fn len(&mut self) -> u64 {
        let usual = self.arena.usual;
        if usual > 64 && self.rng.random_bool(0.6) {
            return self.rng.random_range(1..=2) * PMD_SIZE;
        }
        let most = if self.rng.random_bool(0.5) { 3 } else { usual };
        self.rng.random_range(1..=most) * PAGE_SIZE
    }

    /// A range: from a boundary, or between two.
    pub(super) fn range(&mut self) -> SyscallRange {
        if self.one_in(self.odd) {
            return self.odd_range();
        }
        let start = self.page();
        let end = if self.rng.random_bool(0.5) {
            self.page()
        } else {
            start + self.len()
        };
        let far = end.abs_diff(start) > 2 * self.arena.pages * PAGE_SIZE;
        let (start, end) = if end == start || far {
            (start, start + self.len())
        } else {
            (start.min(end), start.max(end))
        };
        self.remember(start);
        self.remember(end);
        SyscallRange::new(VirtAddr::new(start), Bytes(end - start))
    }

    /// One block of 2 MiB of the arena, or two.
    pub(super) fn blocks(&mut self) -> SyscallRange {
        let last = self.arena.pages * PAGE_SIZE / PMD_SIZE - 1;
        let block = self.rng.random_range(0..last);
        let start = self.arena.start.get() + block * PMD_SIZE;
        let len = self.choose(&[PMD_SIZE, PMD_SIZE, 2 * PMD_SIZE]);
        SyscallRange::new(VirtAddr::new(start), Bytes(len))
    }

    /// A short range for accesses.
    pub(super) fn touched(&mut self) -> SyscallRange {
        let mut range = self.range();
        let pages = range.len.pages();
        if pages > 16 && self.rng.random_bool(0.7) {
            range.len = Bytes::from_pages(self.rng.random_range(1..=4));
        }
        if range.len.pages() > 4096 {
            range.len = Bytes::from_pages(4);
        }
        range
    }

    /// Unaligned, empty, overflowing, out of the user's addresses.
    fn odd_range(&mut self) -> SyscallRange {
        let page = self.page();
        let len = self.len();
        let (addr, len) = match self.rng.random_range(0..9) {
            0 => (page + 0x10, len),
            1 => (page, 0),
            2 => (page, len - 1),
            3 => (page, len + 1),
            4 => (page, u64::MAX),
            5 => (page, u64::MAX - 0xfff),
            6 => (page, 1 << 47),
            7 => (0x7fff_ffff_f000, len),
            _ => (0, len),
        };
        SyscallRange::new(VirtAddr::new(addr), Bytes(len))
    }

    /// A protection, the usual ones more often.
    pub(super) fn prot(&mut self) -> Prot {
        let rw = Prot::READ | Prot::WRITE;
        let all = rw | Prot::EXEC;
        let odd = [
            Prot::WRITE,
            Prot::EXEC,
            Prot::WRITE | Prot::EXEC,
            all,
            Prot::from_bits_retain(0x40),
        ];
        if self.one_in(12) {
            return self.choose(&odd);
        }
        self.choose(&[
            rw,
            rw,
            rw,
            Prot::READ,
            Prot::READ,
            Prot::empty(),
            Prot::READ | Prot::EXEC,
        ])
    }
}
