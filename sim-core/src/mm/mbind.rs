//! `mbind`: memory policies as attributes of VMAs. mm/mempolicy.c: `do_mbind()`, 6.18.
//!
//! The simulated machine has one node, number 0.

use super::mseal::checked_range;
use crate::store::{VmaId, VmaStore};
use crate::{AllocKind, Errno, Mm, PageOps, PageRange, Policy, SyscallRange};

/// Nodes with memory.
const NODES: u64 = 1;

/// The policy as Linux keeps it (`mpol_new()`, `mpol_set_nodemask()`): only nodes that exist, one
/// preferred node, an empty preference is `Local`; `None` is the process's policy.
///
/// # Errors
/// `EINVAL` for a mask without a node that exists.
fn effective(policy: Policy) -> Result<Option<Policy>, Errno> {
    let existing = |mask: u64| match mask & NODES {
        0 => Err(Errno::EINVAL),
        nodes => Ok(nodes),
    };
    Ok(Some(match policy {
        Policy::Default => return Ok(None),
        Policy::Local | Policy::Preferred(0) => Policy::Local,
        Policy::Preferred(mask) => Policy::Preferred(lowest_bit(existing(mask)?)),
        Policy::Bind(mask) => Policy::Bind(existing(mask)?),
        Policy::Interleave(mask) => Policy::Interleave(existing(mask)?),
        Policy::PreferredMany(mask) => Policy::PreferredMany(existing(mask)?),
    }))
}

const fn lowest_bit(mask: u64) -> u64 {
    mask & mask.wrapping_neg()
}

impl<S: VmaStore> Mm<S> {
    /// `mbind(2)` without flags.
    ///
    /// # Errors
    /// `EINVAL` for a bad range or policy, `EFAULT` if nothing is mapped there, or there is a hole
    /// and the policy is not the default, `ENOMEM` if a VMA cannot be split.
    pub fn mbind(
        &mut self,
        pages: &mut dyn PageOps,
        range: SyscallRange,
        policy: Policy,
    ) -> Result<(), Errno> {
        // A length that rounds up to 0 is nothing to do here, unlike elsewhere.
        let vanishes = range.len.page_align().get() == 0;
        let range = match checked_range(range) {
            Err(_) if vanishes && range.addr.is_page_aligned() => return Ok(()),
            checked => checked?,
        };
        let Some(range) = range else {
            return Ok(());
        };
        let policy = effective(policy)?;
        self.check_mbind_range(range, policy)?;
        self.for_each_part(range, |mm, id, part| mm.bind_part(pages, id, part, policy))
            .map(drop)
    }

    /// Only the default policy may span holes (`queue_pages_test_walk()`).
    fn check_mbind_range(&self, range: PageRange, policy: Option<Policy>) -> Result<(), Errno> {
        let mut seen = false;
        let coverage = self.visit_parts(range, |_, _, _| {
            seen = true;
            Ok::<_, Errno>(())
        })?;
        if !seen || (policy.is_some() && coverage.require_whole().is_err()) {
            return Err(Errno::EFAULT);
        }
        Ok(())
    }

    fn bind_part(
        &mut self,
        pages: &mut dyn PageOps,
        id: VmaId,
        part: PageRange,
        policy: Option<Policy>,
    ) -> Result<VmaId, Errno> {
        if self.vma(id).policy() == policy {
            return Ok(id);
        }
        let id = self.vma_modify_policy(pages, id, part, policy)?;
        if policy.is_some() {
            self.fail
                .alloc(AllocKind::Policy)
                .map_err(|_| Errno::ENOMEM)?;
        }
        self.vma_mut(id).set_policy(policy);
        Ok(id)
    }
}
