//! VMA flags: bits, names, smaps mnemonics and groups as in Linux 6.19
//! (`include/linux/mm.h`, `fs/proc/task_mmu.c: show_smap_vma_flags()`).

use bitflags::bitflags;

bitflags! {
    /// The flags of a VMA (`vm_flags`), at Linux 6.19's bit positions.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
    pub struct VmFlags: u64 {
        /// Pages can be read.
        const READ = 1 << 0;
        /// Pages can be written.
        const WRITE = 1 << 1;
        /// Pages can be executed.
        const EXEC = 1 << 2;
        /// Writes go to the mapped object.
        const SHARED = 1 << 3;
        /// mprotect may set READ.
        const MAYREAD = 1 << 4;
        /// mprotect may set WRITE.
        const MAYWRITE = 1 << 5;
        /// mprotect may set EXEC.
        const MAYEXEC = 1 << 6;
        /// The mapping was created shared; the `s` in maps.
        const MAYSHARE = 1 << 7;
        /// Grows down on a fault below it.
        const GROWSDOWN = 1 << 8;
        /// userfaultfd is registered for missing pages.
        const UFFD_MISSING = 1 << 9;
        /// Raw frames without `struct page`.
        const PFNMAP = 1 << 10;
        /// May contain guard regions; clear: certainly contains none.
        const MAYBE_GUARD = 1 << 11;
        /// userfaultfd is registered for write protection.
        const UFFD_WP = 1 << 12;
        /// Pages are locked in memory.
        const LOCKED = 1 << 13;
        /// Memory-mapped device.
        const IO = 1 << 14;
        /// `MADV_SEQUENTIAL`.
        const SEQ_READ = 1 << 15;
        /// `MADV_RANDOM`.
        const RAND_READ = 1 << 16;
        /// Not inherited by fork.
        const DONTCOPY = 1 << 17;
        /// Cannot be grown by mremap.
        const DONTEXPAND = 1 << 18;
        /// Locked pages are brought in when touched, not at once.
        const LOCKONFAULT = 1 << 19;
        /// Charged to the commit limit.
        const ACCOUNT = 1 << 20;
        /// Never charged to the commit limit.
        const NORESERVE = 1 << 21;
        /// hugetlbfs mapping.
        const HUGETLB = 1 << 22;
        /// `MAP_SYNC` on a DAX file.
        const SYNC = 1 << 23;
        /// arm64: branch target identification.
        const ARCH_1 = 1 << 24;
        /// Reads as zero in the child of a fork.
        const WIPEONFORK = 1 << 25;
        /// Left out of core dumps.
        const DONTDUMP = 1 << 26;
        /// Soft-dirty tracking: everything in it counts as dirty.
        const SOFTDIRTY = 1 << 27;
        /// A mix of `struct page` and raw frames.
        const MIXEDMAP = 1 << 28;
        /// `MADV_HUGEPAGE`.
        const HUGEPAGE = 1 << 29;
        /// `MADV_NOHUGEPAGE`.
        const NOHUGEPAGE = 1 << 30;
        /// Same-page merging may act on it.
        const MERGEABLE = 1 << 31;
        /// Protection key, bit 0.
        const PKEY_BIT0 = 1 << 32;
        /// Protection key, bit 1.
        const PKEY_BIT1 = 1 << 33;
        /// Protection key, bit 2.
        const PKEY_BIT2 = 1 << 34;
        /// Protection key, bit 3.
        const PKEY_BIT3 = 1 << 35;
        /// Reclaim may drop its pages without writing them (`MAP_DROPPABLE`).
        const DROPPABLE = 1 << 40;
        /// userfaultfd is registered for minor faults.
        const UFFD_MINOR = 1 << 41;
        /// `mseal(2)`.
        const SEALED = 1 << 42;

        /// What an access may need.
        const ACCESS_FLAGS = Self::READ.bits() | Self::WRITE.bits() | Self::EXEC.bits();
        /// The ceiling for mprotect.
        const MAY_FLAGS = Self::MAYREAD.bits() | Self::MAYWRITE.bits() | Self::MAYEXEC.bits();
        /// Never merged, never locked, no guards (`VM_SPECIAL`).
        const SPECIAL = Self::IO.bits() | Self::DONTEXPAND.bits() | Self::PFNMAP.bits()
            | Self::MIXEDMAP.bits();
        /// A userfaultfd is registered.
        const UFFD = Self::UFFD_MISSING.bits() | Self::UFFD_WP.bits() | Self::UFFD_MINOR.bits();
        /// `VM_LOCKED_MASK`.
        const LOCKED_MASK = Self::LOCKED.bits() | Self::LOCKONFAULT.bits();
        /// Any of them in the child makes fork copy page tables (`VM_COPY_ON_FORK`, 6.19).
        const COPY_ON_FORK = Self::PFNMAP.bits() | Self::MIXEDMAP.bits() | Self::UFFD_WP.bits()
            | Self::MAYBE_GUARD.bits();
        /// The protection key.
        const PKEY = Self::PKEY_BIT0.bits() | Self::PKEY_BIT1.bits() | Self::PKEY_BIT2.bits()
            | Self::PKEY_BIT3.bits();
        /// Never collapsed (`VM_NO_KHUGEPAGED`).
        const NO_KHUGEPAGED = Self::SPECIAL.bits() | Self::HUGETLB.bits();
    }
}

/// Flags and their smaps mnemonics, in bit order, which is the order in which smaps prints them.
const MNEMONICS: &[(VmFlags, &str)] = &[
    (VmFlags::READ, "rd"),
    (VmFlags::WRITE, "wr"),
    (VmFlags::EXEC, "ex"),
    (VmFlags::SHARED, "sh"),
    (VmFlags::MAYREAD, "mr"),
    (VmFlags::MAYWRITE, "mw"),
    (VmFlags::MAYEXEC, "me"),
    (VmFlags::MAYSHARE, "ms"),
    (VmFlags::GROWSDOWN, "gd"),
    (VmFlags::UFFD_MISSING, "um"),
    (VmFlags::PFNMAP, "pf"),
    (VmFlags::MAYBE_GUARD, "gu"),
    (VmFlags::UFFD_WP, "uw"),
    (VmFlags::LOCKED, "lo"),
    (VmFlags::IO, "io"),
    (VmFlags::SEQ_READ, "sr"),
    (VmFlags::RAND_READ, "rr"),
    (VmFlags::DONTCOPY, "dc"),
    (VmFlags::DONTEXPAND, "de"),
    (VmFlags::LOCKONFAULT, "lf"),
    (VmFlags::ACCOUNT, "ac"),
    (VmFlags::NORESERVE, "nr"),
    (VmFlags::HUGETLB, "ht"),
    (VmFlags::SYNC, "sf"),
    (VmFlags::ARCH_1, "bt"),
    (VmFlags::WIPEONFORK, "wf"),
    (VmFlags::DONTDUMP, "dd"),
    (VmFlags::SOFTDIRTY, "sd"),
    (VmFlags::MIXEDMAP, "mm"),
    (VmFlags::HUGEPAGE, "hg"),
    (VmFlags::NOHUGEPAGE, "nh"),
    (VmFlags::MERGEABLE, "mg"),
    (VmFlags::DROPPABLE, "dp"),
    (VmFlags::UFFD_MINOR, "ui"),
    (VmFlags::SEALED, "sl"),
];

impl VmFlags {
    /// The two-letter codes of the set bits in smaps' order. Protection-key bits have none.
    pub fn mnemonics(self) -> impl Iterator<Item = &'static str> {
        MNEMONICS
            .iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| *name)
    }

    /// The flag with this two-letter code.
    pub fn from_mnemonic(name: &str) -> Option<Self> {
        MNEMONICS
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(flag, _)| *flag)
    }

    /// Every flag that has a mnemonic, with it, in bit order.
    pub fn all_mnemonics() -> impl Iterator<Item = (Self, &'static str)> {
        MNEMONICS.iter().copied()
    }

    /// The permission letters of `/proc/PID/maps`: `rwxp` style.
    pub fn perms(self) -> [u8; 4] {
        let letter = |flag, set, unset| if self.contains(flag) { set } else { unset };
        [
            letter(Self::READ, b'r', b'-'),
            letter(Self::WRITE, b'w', b'-'),
            letter(Self::EXEC, b'x', b'-'),
            letter(Self::MAYSHARE, b's', b'p'),
        ]
    }

    /// The protection key, 0 to 15.
    pub const fn pkey(self) -> u8 {
        (self.bits() >> 32 & 0xf) as u8
    }

    /// Writes to it go to private copies: `is_cow_mapping()`.
    pub const fn is_cow(self) -> bool {
        !self.contains(Self::SHARED) && self.contains(Self::MAYWRITE)
    }

    /// Some access is allowed: `vma_is_accessible()`.
    pub const fn is_accessible(self) -> bool {
        self.intersects(Self::ACCESS_FLAGS)
    }
}

/// A flag that may be set atomically while only a read lock is held (`VM_ATOMIC_SET_ALLOWED`,
/// 6.19). No other flag has a value of this type, so none can be passed where it is wanted.
///
/// ```
/// use sim_core::{AtomicVmFlag, Vma};
///
/// fn install_guard(vma: &Vma) {
///     vma.set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
/// }
/// ```
///
/// Other flags are no values of the type, and none can be made:
///
/// ```compile_fail,E0308
/// use sim_core::{VmFlags, Vma};
///
/// fn lock(vma: &Vma) {
///     vma.set_flag_atomic(VmFlags::LOCKED);
/// }
/// ```
///
/// ```compile_fail,E0423
/// use sim_core::{AtomicVmFlag, VmFlags};
///
/// let flag = AtomicVmFlag(VmFlags::LOCKED);
/// ```
///
/// Everything else needs the VMA for writing, which only mmap_lock held for writing gives:
///
/// ```compile_fail,E0596
/// use sim_core::{VmFlags, Vma};
///
/// fn lock(vma: &Vma) {
///     vma.insert_flags(VmFlags::LOCKED);
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AtomicVmFlag(VmFlags);

impl AtomicVmFlag {
    /// `VM_MAYBE_GUARD`.
    pub const MAYBE_GUARD: Self = Self(VmFlags::MAYBE_GUARD);

    /// The flag.
    pub const fn flag(self) -> VmFlags {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_are_in_bit_order_and_unique() {
        let mut last = 0;
        for (flag, name) in VmFlags::all_mnemonics() {
            assert_eq!(flag.bits().count_ones(), 1);
            assert!(flag.bits() > last);
            last = flag.bits();
            assert_eq!(VmFlags::from_mnemonic(name), Some(flag));
        }
    }

    #[test]
    fn guard_precedes_userfault_write_protection() {
        let flags = VmFlags::UFFD_WP | VmFlags::MAYBE_GUARD | VmFlags::UFFD_MISSING;
        assert_eq!(flags.mnemonics().collect::<Vec<_>>(), ["um", "gu", "uw"]);
    }
}
