//! Entries that are alike but for their frames, which follow each other (`mm/internal.h:
//! folio_pte_batch()`): pages that were faulted in one after the other usually lie so.

use super::Entry;
use crate::addr::HUGE_PAGES;
use crate::{Arch, PAGE_SIZE};

impl<A: Arch> Entry<A> {
    /// How many of the first of these entries of a PTE table map frames that follow each other, with
    /// the same bits, within an aligned 2 MiB of physical memory; 1 if the first one maps nothing.
    pub fn batch(entries: &[Self]) -> usize {
        let Some(first) = entries.first() else {
            return 0;
        };
        let Some(pfn) = first.pfn().filter(|_| A::is_valid(first.raw())) else {
            return 1;
        };
        let most = (HUGE_PAGES - pfn.get() % HUGE_PAGES) as usize;
        let following = entries.iter().take(most).zip(0..);
        following
            .take_while(|(entry, i)| entry.raw() == first.raw() + i * PAGE_SIZE)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Access, Sharing};
    use crate::{Arm64, Pfn, X86_64};

    fn entries<A: Arch>(frames: &[u64], access: Access) -> Vec<Entry<A>> {
        let prot = A::page_prot(access, Sharing::Private);
        let entry = |pfn: &u64| match pfn {
            0 => Entry::NONE,
            pfn => Entry::page(Pfn::new(*pfn), prot),
        };
        frames.iter().map(entry).collect()
    }

    fn check<A: Arch>() {
        let read = Access {
            read: true,
            write: false,
            exec: false,
        };
        let none = Access {
            read: false,
            ..read
        };
        for (frames, access, expected) in [
            (&[][..], read, 0),
            (&[0, 2048], read, 1),
            (&[2048, 2049, 2050], read, 3),
            (&[2048, 2049, 0, 2051], read, 2),
            (&[2048, 2050], read, 1),
            (&[2048, 2047], read, 1),
            // The next 2 MiB of physical memory.
            (&[2558, 2559, 2560], read, 2),
            // On x86 such entries hold their frames inverted.
            (&[2048, 2049], none, 1),
        ] {
            let entries = entries::<A>(frames, access);
            assert_eq!(Entry::batch(&entries), expected, "{frames:?} {access:?}");
        }
        let mut differ = entries::<A>(&[2048, 2049], read);
        differ[1] = differ[1].mk_dirty();
        assert_eq!(Entry::batch(&differ), 1);
    }

    #[test]
    fn a_batch_is_of_the_same_kind_in_a_row() {
        check::<X86_64>();
        check::<Arm64>();
    }
}
