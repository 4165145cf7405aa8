//! mprotect.

use sim_core::{Arch, Errno, PAGE_SIZE, Prot, SyscallRange, VmFlags};

use super::mmap::access_flags;
use super::space::{Pages, Space};
use super::touch::World;

/// What one part comes to.
type Done = Result<(), Errno>;

impl Space {
    pub(super) fn mprotect(
        &mut self,
        world: &mut World<'_>,
        range: SyscallRange,
        prot: Prot,
        pkey: Option<i32>,
    ) -> Done {
        let rules = world.rules;
        let (down, up) = (prot.contains(Prot::GROWSDOWN), prot.contains(Prot::GROWSUP));
        let prot = prot - Prot::GROWSDOWN - Prot::GROWSUP;
        let (addr, len) = (range.addr.get(), range.len.0);
        if (down && up) || !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let end = addr.wrapping_add(len.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1));
        if end <= addr {
            return Err(Errno::ENOMEM);
        }
        let (mut at, end) = (addr / PAGE_SIZE, end / PAGE_SIZE);
        let known = if rules.arch == Arch::Arm64 { 0x1f } else { 0xf };
        if prot.bits() & !known != 0 || pkey.is_some_and(|key| key != -1) {
            return Err(Errno::EINVAL);
        }
        let first = self.runs.get(self.after(at)).filter(|run| run.start < end);
        let first = first.ok_or(Errno::ENOMEM)?;
        if down {
            if !first.page.has(VmFlags::GROWSDOWN) {
                return Err(Errno::EINVAL);
            }
            at = first.start;
        } else if first.start > at {
            return Err(Errno::ENOMEM);
        } else if up {
            return Err(Errno::EINVAL);
        }
        while at < end {
            let run = &self.runs[self.at(at).ok_or(Errno::ENOMEM)?];
            self.protect_part(
                world,
                (at, end.min(run.end)),
                access_flags(prot, rules.arch),
            )?;
            at = self.mapped(at).end;
        }
        Ok(())
    }

    fn protect_part(&mut self, world: &mut World<'_>, part: Pages, access: VmFlags) -> Done {
        let rules = world.rules;
        let page = &self.mapped(part.0).page;
        let old = page.flags;
        let bti = if rules.arch == Arch::Arm64 {
            VmFlags::ARCH_1
        } else {
            VmFlags::empty()
        };
        let mut flags = (old - VmFlags::ACCESS_FLAGS - VmFlags::PKEY - bti) | access;
        for (access, may) in [
            (VmFlags::READ, VmFlags::MAYREAD),
            (VmFlags::WRITE, VmFlags::MAYWRITE),
            (VmFlags::EXEC, VmFlags::MAYEXEC),
        ] {
            if flags.contains(access) && !flags.contains(may) {
                return Err(Errno::EACCES);
            }
        }
        if old.contains(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if flags == old {
            return Ok(());
        }
        let count = part.1 - part.0;
        if flags.contains(VmFlags::WRITE) {
            let limited = |flags: VmFlags| !self.has_room(rules, flags, count);
            if limited(flags) && !limited(old) {
                return Err(Errno::ENOMEM);
            }
            let charged_or_never = VmFlags::ACCOUNT
                | VmFlags::WRITE
                | VmFlags::HUGETLB
                | VmFlags::SHARED
                | VmFlags::NORESERVE;
            if !old.intersects(charged_or_never) {
                if count > rules.commit {
                    return Err(Errno::ENOMEM);
                }
                flags |= VmFlags::ACCOUNT;
            }
        } else if page.map.is_anon() && page.anon.is_none() {
            // What has never been written is not charged for any more.
            flags -= VmFlags::ACCOUNT;
        }
        self.set_flags(rules, part, flags)?;
        let read_only_copy = VmFlags::WRITE | VmFlags::SHARED | VmFlags::LOCKED;
        if old & read_only_copy == VmFlags::LOCKED && flags.contains(VmFlags::WRITE) {
            // A failure shows at the next access.
            let _ = self.populate_part(world, part);
        }
        Ok(())
    }
}
