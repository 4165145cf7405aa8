//! Counters of an address space and the limits on them.

use crate::store::VmaStore;
use crate::{Bytes, Errno, Mm, VmFlags};

/// Pages by kind (`total_vm`, `locked_vm`, `data_vm`, `exec_vm`, `stack_vm`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// All pages of VMAs.
    pub total_vm: u64,
    /// Pages of locked VMAs.
    pub locked_vm: u64,
    /// Pages of private writable VMAs that are no stack.
    pub data_vm: u64,
    /// Pages of executable VMAs that are neither writable nor stack.
    pub exec_vm: u64,
    /// Pages of stacks.
    pub stack_vm: u64,
    /// The part of `locked_vm` that no VMA accounts for: mremap with `DONTUNMAP` unlocks the
    /// source without counting it off (observed on 6.18).
    pub stray_locked: u64,
}

/// Is it private, writable and no stack? (`mm/internal.h: is_data_mapping()`)
pub(crate) const fn is_data_mapping(flags: VmFlags) -> bool {
    flags.contains(VmFlags::WRITE) && !flags.intersects(VmFlags::SHARED.union(VmFlags::GROWSDOWN))
}

const fn is_exec_mapping(flags: VmFlags) -> bool {
    flags.contains(VmFlags::EXEC) && !flags.intersects(VmFlags::WRITE.union(VmFlags::GROWSDOWN))
}

impl Counters {
    /// The counter beside `total_vm` that a VMA counts in.
    fn kind(&mut self, flags: VmFlags) -> Option<&mut u64> {
        if is_exec_mapping(flags) {
            Some(&mut self.exec_vm)
        } else if flags.contains(VmFlags::GROWSDOWN) {
            Some(&mut self.stack_vm)
        } else if is_data_mapping(flags) {
            Some(&mut self.data_vm)
        } else {
            None
        }
    }

    /// Adds pages (`mm/mmap.c: vm_stat_account()`).
    pub fn add(&mut self, flags: VmFlags, pages: u64) {
        self.total_vm += pages;
        if let Some(kind) = self.kind(flags) {
            *kind += pages;
        }
    }

    /// Takes pages away.
    pub fn sub(&mut self, flags: VmFlags, pages: u64) {
        self.total_vm -= pages;
        if let Some(kind) = self.kind(flags) {
            *kind -= pages;
        }
    }
}

/// Pages that a limit in bytes allows.
pub(crate) fn limit_pages(limit: Option<Bytes>) -> u64 {
    limit.map_or(u64::MAX, Bytes::pages)
}

/// Pages that `RLIMIT_DATA` allows: a soft limit of 0 stands for the hard one, which is unlimited here
/// (`mm/vma.c: may_expand_vm()` lets Valgrind have its way).
fn data_pages(limit: Option<Bytes>) -> u64 {
    limit_pages(limit.filter(|&bytes| bytes != Bytes(0)))
}

impl<S: VmaStore> Mm<S> {
    /// May so many pages with these flags be added? (`mm/vma.c: may_expand_vm()`, RLIMIT_AS and
    /// RLIMIT_DATA)
    pub fn may_expand_vm(&self, flags: VmFlags, pages: u64) -> bool {
        let limits = &self.config.limits;
        if self.counters.total_vm.saturating_add(pages) > limit_pages(limits.address_space) {
            return false;
        }
        !is_data_mapping(flags)
            || self.counters.data_vm.saturating_add(pages) <= data_pages(limits.data)
    }

    /// Would locking so many more pages stay within RLIMIT_MEMLOCK? (`mm/mmap.c:
    /// mlock_future_ok()`)
    pub fn mlock_future_ok(&self, flags: VmFlags, pages: u64) -> bool {
        if !flags.contains(VmFlags::LOCKED) || self.config.limits.privileged {
            return true;
        }
        let limit = limit_pages(self.config.limits.memlock);
        self.counters.locked_vm.saturating_add(pages) <= limit
    }

    /// May the process lock memory at all? (`mm/mlock.c: can_do_mlock()`)
    pub fn can_do_mlock(&self) -> bool {
        let limits = &self.config.limits;
        limits.memlock != Some(Bytes(0)) || limits.privileged
    }

    /// Charges pages to the commit limit.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn charge(&self, pages: u64) -> Result<(), Errno> {
        self.commit.charge(pages)
    }

    /// Charges pages that will be given back in the same operation.
    pub(crate) fn charge_unchecked(&self, pages: u64) {
        self.commit.charge_unchecked(pages);
    }

    /// Gives charged pages back.
    pub fn uncharge(&self, pages: u64) {
        self.commit.uncharge(pages);
    }

    /// Is the limit on VMAs reached, so that none may be split? (`sysctl_max_map_count`)
    pub fn at_map_limit(&self) -> bool {
        self.map_count() >= self.config.limits.max_map_count as usize
    }

    /// Is it exceeded, so that nothing may be mapped?
    pub fn above_map_limit(&self) -> bool {
        self.map_count() > self.config.limits.max_map_count as usize
    }

    /// Adds to or takes from the counters, for tests of merging alone.
    #[cfg(test)]
    pub(crate) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }
}
