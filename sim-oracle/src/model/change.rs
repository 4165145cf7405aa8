//! Calls that change attributes of pages that are mapped: each goes through the range part by
//! part, reshapes ([`merge`](super::merge)), then writes the attribute to the VMA that came of it.

use std::sync::Arc;

use sim_core::{Advice, Errno, PAGE_SIZE, Policy, SyscallRange, VmFlags};

use super::admit::{admit, advised};
use super::page::Page;
use super::rules::Rules;
use super::space::{Pages, Space};

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
