//! mprotect.

use super::mmap_checks::prot_flags;
use crate::store::{VmaId, VmaStore};
use crate::{
    Arch, Errno, Mm, PageOps, PageRange, Prot, ProtectionChange, SyscallRange, VirtAddr, VmFlags,
};

impl<S: VmaStore> Mm<S> {
    /// `mprotect(2)`, or `pkey_mprotect(2)` with a key (`mm/mprotect.c: do_mprotect_pkey()`,
    /// 6.19).
    ///
    /// # Errors
    /// Those of the system call; VMAs below the one that failed stay changed.
    pub fn mprotect(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        prot: Prot,
        pkey: Option<i32>,
    ) -> Result<(), Errno> {
        let grows = prot & (Prot::GROWSDOWN | Prot::GROWSUP);
        let prot = prot.difference(grows);
        if grows == Prot::GROWSDOWN | Prot::GROWSUP || !range.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        if range.len.get() == 0 {
            return Ok(());
        }
        let end = range.addr.get().wrapping_add(range.len.page_align().get());
        let range = PageRange::try_new(range.addr, VirtAddr::new(end))
            .filter(|range| !range.is_empty())
            .ok_or(Errno::ENOMEM)?;
        if !self.knows_prot(prot) {
            return Err(Errno::EINVAL);
        }
        // No protection key is ever allocated, not even key 0: the simulated CPUs have none.
        if pkey.is_some_and(|key| key != -1) {
            return Err(Errno::EINVAL);
        }
        let (first, range) = self.first_to_protect(range, grows)?;
        self.protect_range(pages, first, range, prot)
    }

    /// `arch_validate_prot()`.
    fn knows_prot(&self, prot: Prot) -> bool {
        let basic = Prot::READ | Prot::WRITE | Prot::EXEC | Prot::SEM;
        match self.config.arch {
            Arch::X86_64 => basic.contains(prot),
            Arch::Arm64 => (basic | Prot::BTI).contains(prot),
        }
    }

    /// The VMA to begin with, and the range, which the growth flags change.
    fn first_to_protect(&self, range: PageRange, grows: Prot) -> Result<(VmaId, PageRange), Errno> {
        let first = self.find_in(range).ok_or(Errno::ENOMEM)?;
        let vma = self.vma(first);
        if grows.contains(Prot::GROWSDOWN) {
            if !vma.flags().contains(VmFlags::GROWSDOWN) {
                return Err(Errno::EINVAL);
            }
            return Ok((first, PageRange::new(vma.start(), range.end())));
        }
        if vma.start() > range.start() {
            return Err(Errno::ENOMEM);
        }
        if grows.contains(Prot::GROWSUP) {
            // No VMA grows up on these architectures.
            return Err(Errno::EINVAL);
        }
        Ok((first, range))
    }

    fn protect_range(
        &mut self,
        pages: &mut dyn PageOps,
        first: VmaId,
        range: PageRange,
        prot: Prot,
    ) -> Result<(), Errno> {
        let access = prot_flags(prot, self.config.arch);
        let (mut id, mut start) = (first, range.start());
        loop {
            self.start_modify(id);
            let vma = self.vma(id);
            let flags = access
                | vma
                    .flags()
                    .difference(cleared_by_mprotect(self.config.arch));
            if !may_access(flags) {
                return Err(Errno::EACCES);
            }
            let part = PageRange::new(start, vma.end().min(range.end()));
            let id_done = self.protect_part(pages, id, part, flags)?;
            start = self.vma(id_done).end();
            if start >= range.end() {
                return Ok(());
            }
            id = self.vma_lookup(start).ok_or(Errno::ENOMEM)?;
        }
    }

    /// Changes a part of a VMA (`mm/mprotect.c: mprotect_fixup()`, 6.19). Returns the VMA that the
    /// part is in then.
    pub(super) fn protect_part(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        part: PageRange,
        flags: VmFlags,
    ) -> Result<VmaId, Errno> {
        let vma = self.vma(id);
        let old = vma.flags();
        if old.contains(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if flags == old {
            return Ok(id);
        }
        let unfaulted_anon = vma.is_anon() && vma.anon_vma().is_none();
        let count = part.pages();
        let (mut flags, charged) = self.account_protection(old, flags, unfaulted_anon, count)?;
        let id = self
            .vma_modify_flags(pages, id, part, &mut flags)
            .inspect_err(|_| self.commit.uncharge(charged))?;
        self.vma_mut(id).set_flags(flags);
        let change = ProtectionChange {
            range: part,
            old,
            new: flags,
        };
        pages.change_protection(self.vma(id), change);
        if old.contains(VmFlags::ACCOUNT) && !flags.contains(VmFlags::ACCOUNT) {
            self.uncharge(count);
        }
        let locked_private = VmFlags::WRITE | VmFlags::SHARED | VmFlags::LOCKED;
        if old & locked_private == VmFlags::LOCKED && flags.contains(VmFlags::WRITE) {
            pages.populate(self.vma(id), part, &|| self.anon_vma_prepare(id));
        }
        self.counters.sub(old, count);
        self.counters.add(flags, count);
        Ok(id)
    }

    /// The flags with `ACCOUNT` as it is to be, and the pages charged for them.
    fn account_protection(
        &self,
        old: VmFlags,
        flags: VmFlags,
        unfaulted_anon: bool,
        count: u64,
    ) -> Result<(VmFlags, u64), Errno> {
        if !flags.contains(VmFlags::WRITE) {
            let drops = old.contains(VmFlags::ACCOUNT) && unfaulted_anon;
            let dropped = if drops {
                VmFlags::ACCOUNT
            } else {
                VmFlags::empty()
            };
            return Ok((flags.difference(dropped), 0));
        }
        // Limits bind only where memory becomes data by this call.
        if !self.may_expand_vm(flags, count) && self.may_expand_vm(old, count) {
            return Err(Errno::ENOMEM);
        }
        let never_charged = VmFlags::ACCOUNT
            | VmFlags::WRITE
            | VmFlags::HUGETLB
            | VmFlags::SHARED
            | VmFlags::NORESERVE;
        if old.intersects(never_charged) {
            return Ok((flags, 0));
        }
        self.charge(count)?;
        Ok((flags | VmFlags::ACCOUNT, count))
    }
}

/// Flags that mprotect replaces (`VM_ACCESS_FLAGS | VM_FLAGS_CLEAR`).
const fn cleared_by_mprotect(arch: Arch) -> VmFlags {
    match arch {
        Arch::X86_64 => VmFlags::ACCESS_FLAGS.union(VmFlags::PKEY),
        Arch::Arm64 => VmFlags::ACCESS_FLAGS
            .union(VmFlags::PKEY)
            .union(VmFlags::ARCH_1),
    }
}

/// Is each access covered by its `MAY` flag?
const fn may_access(flags: VmFlags) -> bool {
    const MAY_SHIFT: u32 = 4;
    flags.bits() & !(flags.bits() >> MAY_SHIFT) & VmFlags::ACCESS_FLAGS.bits() == 0
}
