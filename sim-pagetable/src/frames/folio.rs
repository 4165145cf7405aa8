//! References and mappings of frames and of 2 MiB folios.

use super::meta::{ONE_MAP, ONE_REF, State};
use super::sharers::{ENTIRE, TOTAL};
use super::{FrameFlags, FrameMeta, Frames, Sharer};
use crate::Pfn;
use crate::addr::HUGE_PAGES;

impl Frames {
    /// The first frame of the folio of `pfn`; a small folio is its own.
    pub fn head(&self, pfn: Pfn) -> Pfn {
        if self
            .meta(pfn)
            .state()
            .flags()
            .contains(FrameFlags::HUGE_TAIL)
        {
            pfn.huge_down()
        } else {
            pfn
        }
    }

    /// Is it part of a 2 MiB folio?
    pub fn is_large(&self, pfn: Pfn) -> bool {
        Self::large(self.meta(pfn).state())
    }

    fn large(state: State) -> bool {
        state
            .flags()
            .intersects(FrameFlags::HUGE_HEAD.union(FrameFlags::HUGE_TAIL))
    }

    /// References to the folio of `pfn` (`folio_ref_count()`).
    pub fn refs(&self, pfn: Pfn) -> u32 {
        self.meta(self.head(pfn)).state().refs()
    }

    /// Takes a reference to the folio of `pfn` (`folio_get()`). Zero pages are not counted.
    pub fn get(&self, pfn: Pfn) {
        if !pfn.is_zero_page() {
            let old = self.meta(self.head(pfn)).add(ONE_REF, self.concurrent());
            debug_assert!(old.refs() > 0, "reference to a free frame {pfn:?}");
        }
    }

    /// Takes `count` references at once.
    pub fn get_many(&self, pfn: Pfn, count: u32) {
        if !pfn.is_zero_page() {
            let amount = ONE_REF * u64::from(count);
            self.meta(self.head(pfn)).add(amount, self.concurrent());
        }
    }

    /// Drops a reference to the folio of `pfn` (`folio_put()`); the last one frees it. True if so.
    ///
    /// # Panics
    /// If there is no reference, or the last one goes while the folio is mapped.
    pub fn put(&self, pfn: Pfn) -> bool {
        if pfn.is_zero_page() {
            return false;
        }
        let head = self.head(pfn);
        let old = self
            .meta(head)
            .add(ONE_REF.wrapping_neg(), self.concurrent());
        assert!(old.refs() > 0, "reference count of {head:?} below zero");
        if old.refs() > 1 {
            return false;
        }
        assert!(
            self.folio_mapcount(head) == 0,
            "mapped folio {head:?} freed"
        );
        self.free(head);
        true
    }

    /// Counts a PTE that maps `pfn` (`folio_add_*_rmap_pte()`). Takes no reference.
    #[inline]
    pub fn map_page(&self, pfn: Pfn, by: Sharer) {
        if pfn.is_zero_page() {
            return;
        }
        let old = self.meta(pfn).add(ONE_MAP, self.concurrent());
        if Self::large(old) {
            self.folio_mapped(pfn.huge_down(), TOTAL, 1, by);
        }
    }

    /// Counts a PTE for each page of the folio whose head is `head`.
    pub fn map_all_pages(&self, head: Pfn, by: Sharer) {
        for meta in self.metas(head, HUGE_PAGES) {
            meta.add(ONE_MAP, self.concurrent());
        }
        self.folio_mapped(head, TOTAL, HUGE_PAGES as u32, by);
    }

    /// Takes back [`Self::map_page`]. Returns how many PTEs map the frame now.
    ///
    /// # Panics
    /// If no PTE mapped it.
    #[inline]
    pub fn unmap_page(&self, pfn: Pfn, by: Sharer) -> u32 {
        if pfn.is_zero_page() {
            return 0;
        }
        let old = self
            .meta(pfn)
            .add(ONE_MAP.wrapping_neg(), self.concurrent());
        assert!(old.maps() > 0, "map count of {pfn:?} below zero");
        if Self::large(old) {
            self.folio_unmapped(pfn.huge_down(), TOTAL, 1, by);
        }
        old.maps() - 1
    }

    /// Counts a PMD that maps the folio whose head is `head` (`folio_add_*_rmap_pmd()`).
    pub fn map_huge(&self, head: Pfn, by: Sharer) {
        if !head.is_zero_page() {
            debug_assert!(self.meta(head).has(FrameFlags::HUGE_HEAD));
            self.folio_mapped(head, ENTIRE, 1, by);
        }
    }

    /// Takes back [`Self::map_huge`]. Returns how many PMDs map it now.
    ///
    /// # Panics
    /// If no PMD mapped it.
    pub fn unmap_huge(&self, head: Pfn, by: Sharer) -> u32 {
        if head.is_zero_page() {
            return 0;
        }
        self.folio_unmapped(head, ENTIRE, 1, by)
    }

    /// PMDs that map the folio of `pfn` (`folio_entire_mapcount()`).
    pub fn entire_mapcount(&self, pfn: Pfn) -> u32 {
        if pfn.is_zero_page() || !self.is_large(pfn) {
            return 0;
        }
        self.tail(pfn.huge_down(), ENTIRE)
    }

    /// Entries that map the frame, PTEs and PMDs (`folio_precise_page_mapcount()`).
    pub fn page_mapcount(&self, pfn: Pfn) -> u32 {
        let state = self.meta(pfn).state();
        if Self::large(state) && !pfn.is_zero_page() {
            state.maps() + self.entire_mapcount(pfn)
        } else {
            state.maps()
        }
    }

    /// Entries that map any part of the folio of `pfn` (`folio_mapcount()`).
    pub fn folio_mapcount(&self, pfn: Pfn) -> u32 {
        let state = self.meta(pfn).state();
        if Self::large(state) && !pfn.is_zero_page() {
            let head = pfn.huge_down();
            self.tail(head, ENTIRE) + self.tail(head, TOTAL)
        } else {
            state.maps()
        }
    }

    /// What fork does to a present anonymous page for its PTE in the child: one more reference and
    /// mapping, and no longer exclusive (`folio_try_dup_anon_rmap_pte()`). For file pages the same
    /// without exclusivity. Returns the frame's flags before.
    #[inline]
    pub fn dup_page(&self, pfn: Pfn, child: Sharer) -> FrameFlags {
        if pfn.is_zero_page() {
            return FrameFlags::empty();
        }
        self.dup_page_of(self.meta(pfn), pfn, child)
    }

    #[inline]
    fn dup_page_of(&self, meta: &FrameMeta, pfn: Pfn, child: Sharer) -> FrameFlags {
        let state = meta.state();
        if Self::large(state) {
            return self.dup_part(meta, pfn, child);
        }
        if state.flags().contains(FrameFlags::ANON_EXCLUSIVE) {
            meta.update(self.concurrent(), |s| {
                State(s.without(FrameFlags::ANON_EXCLUSIVE).0 + ONE_REF + ONE_MAP)
            })
            .flags()
        } else {
            meta.add(ONE_REF + ONE_MAP, self.concurrent()).flags()
        }
    }

    #[inline(never)]
    fn dup_part(&self, meta: &FrameMeta, pfn: Pfn, child: Sharer) -> FrameFlags {
        let flags = meta.flags();
        if flags.contains(FrameFlags::ANON_EXCLUSIVE) {
            meta.clear_flags(FrameFlags::ANON_EXCLUSIVE);
        }
        self.map_page(pfn, child);
        self.get(pfn);
        flags
    }

    /// Makes 512 single frames of an unmapped-by-PMD folio (`__split_unmapped_folio()`). Every
    /// frame keeps its PTE mappings, tag and exclusivity and gets the folio's other flags and its
    /// owner; it has a reference for each PTE and `refs_each` more (its place in a cache, the
    /// caller's). What the folio had beyond is the head's. Frames left without a reference are
    /// freed.
    ///
    /// # Panics
    /// If a PMD maps it, or its references do not suffice.
    pub fn split_folio(&self, head: Pfn, refs_each: u32) {
        assert!(
            self.meta(head).has(FrameFlags::HUGE_HEAD),
            "{head:?} is no folio head"
        );
        assert!(
            self.entire_mapcount(head) == 0,
            "folio {head:?} is mapped by a PMD"
        );
        let info = self.meta(head).info();
        let total = self.tail(head, TOTAL);
        let needed = total + refs_each * HUGE_PAGES as u32;
        let rest = info
            .refs
            .checked_sub(needed)
            .expect("references of a folio do not suffice");
        let common =
            info.flags - FrameFlags::HUGE_HEAD - FrameFlags::HUGE_TAIL - FrameFlags::ANON_EXCLUSIVE;
        let mut unused = Vec::new();
        for pfn in (0..HUGE_PAGES).map(|i| head.add(i)) {
            let meta = self.meta(pfn);
            let (maps, tag) = (meta.state().maps(), meta.tag());
            let exclusive = meta.state().flags() & FrameFlags::ANON_EXCLUSIVE;
            let refs = maps + refs_each + if pfn == head { rest } else { 0 };
            meta.reset(refs, common | exclusive);
            meta.set_tag(tag);
            meta.set_owner(info.owner);
            meta.set_state(State::of(refs, maps, common | exclusive));
            if refs == 0 {
                unused.push(pfn);
            }
        }
        for pfn in unused {
            self.free(pfn);
        }
    }
}
