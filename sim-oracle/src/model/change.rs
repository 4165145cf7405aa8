//! Calls that change attributes of pages that are mapped: each goes through the range part by
//! part, reshapes ([`merge`](super::merge)), then writes the attribute to the VMA that came of it.

use std::sync::Arc;

use sim_core::{Advice, Arch, Errno, PAGE_SIZE, Policy, Prot, SyscallRange, VmFlags};

use super::mmap::access_flags;
use super::page::Page;
use super::rules::Rules;
use super::space::{Pages, Space};
use super::touch::World;

/// The pages of a range whose length rounds up; `None` if there are none.
pub(super) fn whole_pages(range: SyscallRange) -> Result<Option<Pages>, Errno> {
    let (addr, len) = (range.addr.get(), range.len.0);
    let rounded = len
        .checked_next_multiple_of(PAGE_SIZE)
        .ok_or(Errno::EINVAL)?;
    let end = addr.checked_add(rounded).ok_or(Errno::EINVAL)?;
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    Ok((len != 0).then_some((addr / PAGE_SIZE, end / PAGE_SIZE)))
}

/// What one part comes to.
type Done = Result<(), Errno>;

impl Space {
    /// Calls `change` for each part that lies in one VMA; what has merged with a part is done.
    /// Are there holes?
    fn each_part(
        &mut self,
        (start, end): Pages,
        mut change: impl FnMut(&mut Self, Pages) -> Done,
    ) -> Result<bool, Errno> {
        let (mut at, mut holes) = (start, false);
        while let Some(part) = self.part(at, end) {
            holes |= part.0 > at;
            change(self, part)?;
            at = part.1.max(self.mapped(part.0).end);
        }
        Ok(holes || at < end)
    }

    /// Gives pages of one VMA other flags. A merge may add sticky ones, which stay if the kernel
    /// asks for them.
    pub(super) fn set_flags(&mut self, rules: &Rules, part: Pages, flags: VmFlags) -> Done {
        let wish = Page {
            flags,
            ..self.mapped(part.0).page.clone()
        };
        let merged = self.reshape(rules, part, &wish)?;
        let page = self.page_mut(part.0);
        if !merged || !rules.features.modify_keeps_sticky {
            page.flags = flags;
        }
        Ok(())
    }

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

    /// An advice that changes flags.
    pub(super) fn madvise_flags(&mut self, rules: &Rules, pages: Pages, advice: Advice) -> Done {
        let holes = self.each_part(pages, |space, part| {
            let page = &space.mapped(part.0).page;
            let flags = advised(page, advice)?;
            if flags == page.flags {
                return Ok(());
            }
            space.set_flags(rules, part, flags).map_err(short)
        })?;
        if holes { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// An advice on contents: whether each VMA admits it. Calls `act` for those that do.
    pub(super) fn madvise_pages(
        &mut self,
        pages: Pages,
        advice: Advice,
        mut act: impl FnMut(&mut Self, Pages) -> Done,
    ) -> Done {
        let holes = self.each_part(pages, |space, part| {
            admit(&space.mapped(part.0).page, advice)?;
            act(space, part)
        })?;
        if holes { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    pub(super) fn mseal(&mut self, rules: &Rules, range: SyscallRange) -> Done {
        let Some(pages) = whole_pages(range)? else {
            return Ok(());
        };
        if self.parts(pages).1 {
            return Err(Errno::ENOMEM);
        }
        self.each_part(pages, |space, part| {
            let flags = space.mapped(part.0).page.flags;
            if flags.contains(VmFlags::SEALED) {
                return Ok(());
            }
            let wish = Page {
                flags: flags | VmFlags::SEALED,
                ..space.mapped(part.0).page.clone()
            };
            space.reshape(rules, part, &wish)?;
            space.page_mut(part.0).flags |= VmFlags::SEALED;
            Ok(())
        })
        .map(drop)
    }

    pub(super) fn mbind(&mut self, rules: &Rules, range: SyscallRange, policy: Policy) -> Done {
        let vanishes = range.len.page_align().get() == 0;
        if vanishes && range.addr.get().is_multiple_of(PAGE_SIZE) {
            return Ok(());
        }
        let Some(pages) = whole_pages(range)? else {
            return Ok(());
        };
        let policy = kept(policy)?;
        let (parts, holes) = self.parts(pages);
        if parts.is_empty() || (holes && policy.is_some()) {
            return Err(Errno::EFAULT);
        }
        self.each_part(pages, |space, part| {
            let page = space.mapped(part.0).page.clone();
            if page.policy == policy {
                return Ok(());
            }
            space.reshape(rules, part, &Page { policy, ..page })?;
            space.page_mut(part.0).policy = policy;
            Ok(())
        })
        .map(drop)
    }

    pub(super) fn name(&mut self, rules: &Rules, range: SyscallRange, label: Option<&str>) -> Done {
        let good = |c: char| matches!(c, ' '..='~') && !"\\`$[]".contains(c);
        let valid = label.is_none_or(|label| label.len() < 80 && label.chars().all(good));
        if !rules.anon_names || !valid {
            return Err(Errno::EINVAL);
        }
        let Some(pages) = whole_pages(range)? else {
            return Ok(());
        };
        let name: Option<Arc<str>> = label.map(Arc::from);
        let holes = self.each_part(pages, |space, part| {
            let page = space.mapped(part.0).page.clone();
            if !page.map.is_anon() && !page.is_shmem() {
                return Err(Errno::EBADF);
            }
            if page.name == name {
                return Ok(());
            }
            let flags = page.flags;
            let wish = Page {
                name: name.clone(),
                ..page
            };
            space.reshape(rules, part, &wish).map_err(short)?;
            let page = space.page_mut(part.0);
            // The flags of before are written back: sticky ones that a merge brought are lost.
            page.flags = flags;
            page.name.clone_from(&name);
            Ok(())
        })?;
        if holes { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Registers with a userfaultfd, or with `None` undoes that.
    pub(super) fn set_uffd(
        &mut self,
        rules: &Rules,
        pages: Pages,
        context: Option<u32>,
        mode: VmFlags,
    ) -> Done {
        self.each_part(pages, |space, part| {
            let page = space.mapped(part.0).page.clone();
            let nothing_to_do = match context {
                Some(_) => page.uffd == context && page.has(mode),
                None => page.uffd.is_none(),
            };
            if nothing_to_do {
                return Ok(());
            }
            let wish = Page {
                flags: (page.flags - VmFlags::UFFD) | mode,
                uffd: context,
                ..page
            };
            space.reshape(rules, part, &wish)?;
            let page = space.page_mut(part.0);
            page.flags = (page.flags - VmFlags::UFFD) | mode;
            page.uffd = context;
            Ok(())
        })
        .map(drop)
    }
}

/// Memory that is short for a flag change is worth another try.
const fn short(errno: Errno) -> Errno {
    match errno {
        Errno::ENOMEM => Errno::EAGAIN,
        other => other,
    }
}

/// A policy as it is kept on a machine with one node; `None` is the process's own.
fn kept(policy: Policy) -> Result<Option<Policy>, Errno> {
    let node = |mask: u64| {
        if mask & 1 == 1 {
            Ok(1)
        } else {
            Err(Errno::EINVAL)
        }
    };
    Ok(match policy {
        Policy::Default => None,
        Policy::Local | Policy::Preferred(0) => Some(Policy::Local),
        Policy::Preferred(mask) => Some(Policy::Preferred(node(mask)?)),
        Policy::Bind(mask) => Some(Policy::Bind(node(mask)?)),
        Policy::Interleave(mask) => Some(Policy::Interleave(node(mask)?)),
        Policy::PreferredMany(mask) => Some(Policy::PreferredMany(node(mask)?)),
    })
}

/// Sealed anonymous memory that cannot be written keeps what it has.
fn may_discard(page: &Page) -> Done {
    let kept = page.has(VmFlags::SEALED) && !page.has(VmFlags::WRITE) && page.map.is_anon();
    if kept { Err(Errno::EPERM) } else { Ok(()) }
}

fn unless(bad: bool) -> Done {
    if bad { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The flags after an advice.
fn advised(page: &Page, advice: Advice) -> Result<VmFlags, Errno> {
    let flags = page.flags;
    let reading = VmFlags::RAND_READ | VmFlags::SEQ_READ;
    let huge = VmFlags::HUGEPAGE | VmFlags::NOHUGEPAGE;
    Ok(match advice {
        Advice::Normal => flags - reading,
        Advice::Random => (flags - reading) | VmFlags::RAND_READ,
        Advice::Sequential => (flags - reading) | VmFlags::SEQ_READ,
        Advice::Dontfork => {
            may_discard(page)?;
            flags | VmFlags::DONTCOPY
        }
        Advice::Dofork => {
            unless(page.has(VmFlags::IO))?;
            flags - VmFlags::DONTCOPY
        }
        Advice::Dontdump => flags | VmFlags::DONTDUMP,
        Advice::Dodump => {
            unless(page.any(VmFlags::SPECIAL | VmFlags::DROPPABLE))?;
            flags - VmFlags::DONTDUMP
        }
        Advice::Wipeonfork => {
            may_discard(page)?;
            unless(page.has(VmFlags::SHARED) || !page.map.is_anon())?;
            flags | VmFlags::WIPEONFORK
        }
        Advice::Keeponfork => {
            unless(page.has(VmFlags::DROPPABLE))?;
            flags - VmFlags::WIPEONFORK
        }
        Advice::Mergeable => {
            let never = VmFlags::SHARED
                | VmFlags::MAYSHARE
                | VmFlags::SPECIAL
                | VmFlags::HUGETLB
                | VmFlags::DROPPABLE;
            if page.any(never) {
                flags
            } else {
                flags | VmFlags::MERGEABLE
            }
        }
        Advice::Unmergeable => flags - VmFlags::MERGEABLE,
        Advice::Hugepage => (flags - huge) | VmFlags::HUGEPAGE,
        Advice::Nohugepage => (flags - huge) | VmFlags::NOHUGEPAGE,
        _ => return Err(Errno::EINVAL),
    })
}

/// Does memory admit an advice on its contents?
fn admit(page: &Page, advice: Advice) -> Done {
    let discards = !matches!(
        advice,
        Advice::Cold | Advice::Pageout | Advice::Willneed | Advice::GuardRemove
    );
    if discards {
        may_discard(page)?;
    }
    let raw = page.any(VmFlags::PFNMAP | VmFlags::HUGETLB);
    let locked = page.has(VmFlags::LOCKED);
    match advice {
        Advice::Dontneed | Advice::Cold | Advice::Pageout => unless(raw || locked),
        Advice::DontneedLocked => unless(raw),
        Advice::Free => unless(raw || locked || !page.map.is_anon()),
        Advice::Remove => {
            unless(locked || page.map.is_anon())?;
            let through = page.has(VmFlags::SHARED) && page.has(VmFlags::MAYWRITE);
            if through { Ok(()) } else { Err(Errno::EACCES) }
        }
        Advice::GuardInstall => unless(locked || page.any(VmFlags::SPECIAL | VmFlags::HUGETLB)),
        Advice::GuardRemove => unless(page.any(VmFlags::SPECIAL | VmFlags::HUGETLB)),
        Advice::Willneed => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// Advice that changes flags of VMAs.
pub(super) const fn is_about_flags(advice: Advice) -> bool {
    matches!(
        advice,
        Advice::Normal
            | Advice::Random
            | Advice::Sequential
            | Advice::Dontfork
            | Advice::Dofork
            | Advice::Mergeable
            | Advice::Unmergeable
            | Advice::Hugepage
            | Advice::Nohugepage
            | Advice::Dontdump
            | Advice::Dodump
            | Advice::Wipeonfork
            | Advice::Keeponfork
    )
}
