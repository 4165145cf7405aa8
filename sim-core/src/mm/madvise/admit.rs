//! What each VMA says to an advice: whether it admits it, and the flags that it has afterwards.
//!
//! Follows mm/madvise.c: `madvise_vma_behavior()`, mm/mseal.c, mm/ksm.c: `ksm_madvise()`, 6.18.

use crate::{Advice, Errno, VmFlags, Vma};

/// Does the advice throw contents away (`is_discard()`)?
const fn is_discard(advice: Advice) -> bool {
    matches!(
        advice,
        Advice::Free
            | Advice::Dontneed
            | Advice::DontneedLocked
            | Advice::Remove
            | Advice::Dontfork
            | Advice::Wipeonfork
            | Advice::GuardInstall
    )
}

/// A sealed anonymous VMA that cannot be written must not lose its contents
/// (`can_madvise_modify()`).
fn check_sealed(vma: &Vma, advice: Advice) -> Result<(), Errno> {
    let flags = vma.flags();
    let protected =
        flags.contains(VmFlags::SEALED) && vma.is_anon() && !flags.contains(VmFlags::WRITE);
    if protected && is_discard(advice) {
        Err(Errno::EPERM)
    } else {
        Ok(())
    }
}

/// Refuses with `EINVAL` a VMA that has one of these flags.
fn forbid(vma: &Vma, flags: VmFlags) -> Result<(), Errno> {
    if vma.flags().intersects(flags) {
        Err(Errno::EINVAL)
    } else {
        Ok(())
    }
}

/// Does a VMA admit an advice on its pages?
///
/// # Errors
/// `EPERM` if it is sealed, `EINVAL` if the advice is not for such memory, `EACCES` if a hole is to
/// be punched through a mapping that cannot write.
pub fn admit_page_advice(vma: &Vma, advice: Advice) -> Result<(), Errno> {
    check_sealed(vma, advice)?;
    match advice {
        Advice::Dontneed => forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB),
        Advice::DontneedLocked => forbid(vma, VmFlags::PFNMAP | VmFlags::HUGETLB),
        Advice::Free => {
            forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB)?;
            if vma.is_anon() {
                Ok(())
            } else {
                Err(Errno::EINVAL)
            }
        }
        Advice::Cold | Advice::Pageout => {
            forbid(vma, VmFlags::LOCKED | VmFlags::PFNMAP | VmFlags::HUGETLB)
        }
        Advice::Remove => admit_remove(vma),
        Advice::GuardInstall => forbid(vma, VmFlags::SPECIAL | VmFlags::HUGETLB | VmFlags::LOCKED),
        Advice::GuardRemove => forbid(vma, VmFlags::SPECIAL | VmFlags::HUGETLB),
        Advice::Willneed | Advice::Collapse => Ok(()),
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
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::Hwpoison
        | Advice::SoftOffline
        | Advice::Other(_) => Err(Errno::EINVAL),
    }
}

/// `madvise_remove()`: a shared mapping that may write, and not locked.
fn admit_remove(vma: &Vma) -> Result<(), Errno> {
    forbid(vma, VmFlags::LOCKED)?;
    if vma.file().is_none() {
        return Err(Errno::EINVAL);
    }
    let writes_through = VmFlags::SHARED | VmFlags::MAYWRITE;
    if vma.flags().contains(writes_through) {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

/// KSM leaves such memory alone, whatever is asked (`vma_ksm_compatible()`).
const KSM_IGNORES: VmFlags = VmFlags::SHARED
    .union(VmFlags::MAYSHARE)
    .union(VmFlags::SPECIAL)
    .union(VmFlags::HUGETLB)
    .union(VmFlags::DROPPABLE);

/// The flags of a VMA after an advice of class [`AdviceClass::Flags`](crate::AdviceClass::Flags).
///
/// # Errors
/// `EPERM` if it is sealed, `EINVAL` if the advice is not for such memory.
pub fn advised_flags(vma: &Vma, advice: Advice) -> Result<VmFlags, Errno> {
    check_sealed(vma, advice)?;
    let flags = vma.flags();
    Ok(match advice {
        Advice::Normal => flags - (VmFlags::RAND_READ | VmFlags::SEQ_READ),
        Advice::Sequential => (flags - VmFlags::RAND_READ) | VmFlags::SEQ_READ,
        Advice::Random => (flags - VmFlags::SEQ_READ) | VmFlags::RAND_READ,
        Advice::Dontfork => flags | VmFlags::DONTCOPY,
        Advice::Dofork => {
            forbid(vma, VmFlags::IO)?;
            flags - VmFlags::DONTCOPY
        }
        Advice::Wipeonfork => {
            forbid(vma, VmFlags::SHARED)?;
            if !vma.is_anon() {
                return Err(Errno::EINVAL);
            }
            flags | VmFlags::WIPEONFORK
        }
        Advice::Keeponfork => {
            forbid(vma, VmFlags::DROPPABLE)?;
            flags - VmFlags::WIPEONFORK
        }
        Advice::Dontdump => flags | VmFlags::DONTDUMP,
        Advice::Dodump => {
            forbid(vma, VmFlags::SPECIAL | VmFlags::DROPPABLE)?;
            flags - VmFlags::DONTDUMP
        }
        Advice::Mergeable if flags.intersects(KSM_IGNORES) => flags,
        Advice::Mergeable => flags | VmFlags::MERGEABLE,
        Advice::Unmergeable => flags - VmFlags::MERGEABLE,
        Advice::Hugepage => (flags - VmFlags::NOHUGEPAGE) | VmFlags::HUGEPAGE,
        Advice::Nohugepage => (flags - VmFlags::HUGEPAGE) | VmFlags::NOHUGEPAGE,
        Advice::Willneed
        | Advice::Dontneed
        | Advice::Free
        | Advice::Remove
        | Advice::Cold
        | Advice::Pageout
        | Advice::DontneedLocked
        | Advice::Collapse
        | Advice::GuardInstall
        | Advice::GuardRemove
        | Advice::PopulateRead
        | Advice::PopulateWrite
        | Advice::Hwpoison
        | Advice::SoftOffline
        | Advice::Other(_) => return Err(Errno::EINVAL),
    })
}
