//! Which memory admits which advice, and the flags that it leaves.

use sim_core::{Advice, Errno, VmFlags};

use super::page::Page;

/// Whether something is admitted.
type Done = Result<(), Errno>;

/// Sealed anonymous memory that cannot be written keeps what it has.
fn may_discard(page: &Page) -> Done {
    let kept = page.has(VmFlags::SEALED) && !page.has(VmFlags::WRITE) && page.map.is_anon();
    if kept { Err(Errno::EPERM) } else { Ok(()) }
}

fn unless(bad: bool) -> Done {
    if bad { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The flags after an advice.
pub(super) fn advised(page: &Page, advice: Advice) -> Result<VmFlags, Errno> {
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
pub(super) fn admit(page: &Page, advice: Advice) -> Done {
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
