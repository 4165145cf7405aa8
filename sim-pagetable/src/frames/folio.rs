//! References and mappings of frames and of large folios.

use super::meta::{ONE_MAP, ONE_REF, State};
use super::sharers::{ENTIRE, TOTAL};
use super::{FrameFlags, FrameMeta, Frames, Sharer};
use crate::Pfn;
use crate::addr::HUGE_PAGES;

impl Frames {
    /// The first frame of the folio of `pfn`; a small folio is its own.
    #[inline]
    pub fn head(&self, pfn: Pfn) -> Pfn {
        let meta = self.meta(pfn);
        if meta.state().flags().contains(FrameFlags::LARGE_TAIL) {
            Self::head_of(pfn, meta)
        } else {
            pfn
        }
    }

    /// The same of a frame of a large folio. Folios are aligned to their size.
    fn head_of(pfn: Pfn, meta: &FrameMeta) -> Pfn {
        Pfn::new(pfn.get() & !(meta.flags().folio_pages() - 1))
    }

    /// Is it part of a large folio (`folio_test_large()`)?
    #[inline]
    pub fn is_large(&self, pfn: Pfn) -> bool {
        Self::large(self.meta(pfn).state())
    }

    /// Is it part of a folio of 2 MiB (`folio_test_pmd_mappable()`)?
    pub fn is_huge(&self, pfn: Pfn) -> bool {
        self.folio_pages(pfn) == HUGE_PAGES
    }

    /// The pages of the folio of `pfn` (`folio_nr_pages()`).
    pub fn folio_pages(&self, pfn: Pfn) -> u64 {
        self.meta(pfn).flags().folio_pages()
    }

    fn large(state: State) -> bool {
        state.flags().intersects(FrameFlags::LARGE)
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
        self.put_many(pfn, 1)
    }

    /// Drops `count` references at once (`folio_put_refs()`).
    ///
    /// # Panics
    /// If there are not as many, or the last one goes while the folio is mapped.
    pub fn put_many(&self, pfn: Pfn, count: u32) -> bool {
        if pfn.is_zero_page() {
            return false;
        }
        let head = self.head(pfn);
        let amount = (ONE_REF * u64::from(count)).wrapping_neg();
        let old = self.meta(head).add(amount, self.concurrent());
        assert!(
            old.refs() >= count,
            "reference count of {head:?} below zero"
        );
        if old.refs() > count {
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
        let meta = self.meta(pfn);
        let old = meta.add(ONE_MAP, self.concurrent());
        if Self::large(old) {
            self.folio_mapped(Self::head_of(pfn, meta), TOTAL, 1, by);
        }
    }

    /// Counts a PTE for each page of the 2 MiB folio whose head is `head`.
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
        let meta = self.meta(pfn);
        let old = meta.add(ONE_MAP.wrapping_neg(), self.concurrent());
        assert!(old.maps() > 0, "map count of {pfn:?} below zero");
        if Self::large(old) {
            self.folio_unmapped(Self::head_of(pfn, meta), TOTAL, 1, by);
        }
        old.maps() - 1
    }

    /// Counts a PMD that maps the folio whose head is `head` (`folio_add_*_rmap_pmd()`).
    pub fn map_huge(&self, head: Pfn, by: Sharer) {
        if !head.is_zero_page() {
            debug_assert!(self.meta(head).has(FrameFlags::LARGE_HEAD) && self.is_huge(head));
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
        self.tail(self.head(pfn), ENTIRE)
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
            let head = self.head(pfn);
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

    /// Makes single frames of a large folio that no PMD maps (`__split_unmapped_folio()`, uniform).
    /// Every frame keeps its PTE mappings, tag and exclusivity and gets the folio's other flags and its
    /// owner; it has a reference for each PTE and `refs_each` more (its place in a cache, the
    /// caller's). What the folio had beyond is the head's. Frames left without a reference are
    /// freed.
    ///
    /// # Panics
    /// If a PMD maps it, or its references do not suffice.
    pub fn split_folio(&self, head: Pfn, refs_each: u32) {
        let pages = self.folio_pages(head);
        let singles = (0..pages).map(|i| (head.add(i), 1));
        self.carve(head, singles, refs_each);
    }

    /// Halves a large folio that nobody maps until the page `at` is one by itself
    /// (`__split_unmapped_folio()`, not uniform; 6.15). References as in [`Self::split_folio`].
    ///
    /// # Panics
    /// If it is mapped, or its references do not suffice.
    pub fn split_folio_around(&self, at: Pfn, refs_each: u32) {
        let (head, pages) = (self.head(at), self.folio_pages(at));
        assert!(self.folio_mapcount(head) == 0, "folio {head:?} is mapped");
        let inside = at.get() - head.get();
        // The half without the page, of every size; then the page.
        let half = |order: u32| {
            let size = 1 << order;
            let first = inside & !(size - 1) ^ size;
            (head.add(first), size)
        };
        let halves = (0..pages.ilog2()).map(half);
        let parts = halves.chain(std::iter::once((at, 1)));
        self.carve(head, parts, refs_each);
    }

    /// Makes smaller folios of a large one: `parts` of it with their sizes in pages.
    fn carve(&self, head: Pfn, parts: impl Iterator<Item = (Pfn, u64)>, refs_each: u32) {
        assert!(
            self.meta(head).has(FrameFlags::LARGE_HEAD),
            "{head:?} is no folio head"
        );
        assert!(
            self.entire_mapcount(head) == 0,
            "folio {head:?} is mapped by a PMD"
        );
        let info = self.meta(head).info();
        let pages = info.flags.folio_pages();
        let needed = self.tail(head, TOTAL) + refs_each * pages as u32;
        let rest = info.refs.checked_sub(needed);
        let rest = rest.expect("references of a folio do not suffice");
        self.forget_counts(head, pages);
        let common = info.flags - FrameFlags::FOLIO - FrameFlags::ANON_EXCLUSIVE;
        let mut unused = Vec::new();
        for (first, pages) in parts {
            let beyond = if first == head { rest } else { 0 };
            let flags = common | Self::size_flags(FrameFlags::LARGE_HEAD, pages);
            let refs = self.make_part((first, pages), (flags, info.owner), refs_each, beyond);
            if refs == 0 {
                unused.push(first);
            }
        }
        for pfn in unused {
            self.free(pfn);
        }
    }

    /// The flags that say which part of a folio of so many pages a frame is.
    fn size_flags(part: FrameFlags, pages: u64) -> FrameFlags {
        if pages == 1 {
            FrameFlags::empty()
        } else {
            part | FrameFlags::halvings(pages)
        }
    }

    /// Makes a folio of some frames. How many references it has.
    fn make_part(
        &self,
        (head, pages): (Pfn, u64),
        (flags, owner): (FrameFlags, u16),
        refs_each: u32,
        beyond: u32,
    ) -> u32 {
        let tail = Self::common_to_tails(flags) | Self::size_flags(FrameFlags::LARGE_TAIL, pages);
        let mut refs = beyond;
        for pfn in (0..pages).map(|i| head.add(i)) {
            let meta = self.meta(pfn);
            let (maps, tag) = (meta.state().maps(), meta.tag());
            let exclusive = meta.state().flags() & FrameFlags::ANON_EXCLUSIVE;
            refs += maps + refs_each;
            let flags = if pfn == head { flags } else { tail };
            meta.reset(0, flags);
            meta.set_tag(tag);
            meta.set_state(State::of(0, maps, flags | exclusive));
        }
        let meta = self.meta(head);
        meta.set_owner(owner);
        meta.add(ONE_REF * u64::from(refs), self.concurrent());
        refs
    }
}
