//! An address space as a flat list: pages in address order, with boundaries between some of them.
//!
//! Pages between two boundaries have equal attributes, so that they are kept as one run, which is
//! what Linux calls a VMA. A boundary does not vanish because both sides are equal: only an
//! operation there lets it ([`merge`](super::merge)).

use rangemap::RangeSet;
use sim_core::VmFlags;

use super::page::{Page, is_data};
use super::rules::Rules;

/// Pages `[start, end)` by number, without a boundary among them.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) page: Page,
}

impl Run {
    pub(super) const fn pages(&self) -> u64 {
        self.end - self.start
    }
}

/// Page numbers `[start, end)`.
pub(super) type Pages = (u64, u64);

/// The pages of an address space.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    pub(super) runs: Vec<Run>,
    /// Pages with a guard marker.
    pub(super) guards: RangeSet<u64>,
    /// Pages that are there without an anon_vma: kernels that do not look after the anon_vma of a
    /// moved VMA let it merge into one that has none.
    pub(super) adrift: RangeSet<u64>,
    /// Flags that every new mapping gets.
    pub(super) def_flags: VmFlags,
    pub(super) start_brk: u64,
    pub(super) brk: u64,
    /// Its own userfaultfd, once opened.
    pub(super) uffd: Option<u32>,
    /// Objects' memory was write-protected by a userfaultfd: its markers may outlive that, if it is
    /// registered for something else meanwhile.
    pub(super) marked: bool,
    /// Pages counted as locked that no longer are: `MREMAP_DONTUNMAP` forgets them.
    pub(super) stray_locked: u64,
}

impl Space {
    /// The first run that ends above a page.
    pub(super) fn after(&self, page: u64) -> usize {
        self.runs.partition_point(|run| run.end <= page)
    }

    /// The run with this page.
    pub(super) fn at(&self, page: u64) -> Option<usize> {
        let index = self.after(page);
        (self.runs.get(index)?.start <= page).then_some(index)
    }

    /// The run with this page, which is mapped.
    #[track_caller]
    pub(super) fn mapped(&self, page: u64) -> &Run {
        &self.runs[self.at(page).expect("the page is mapped")]
    }

    /// The attributes of this mapped page and all others of its run.
    #[track_caller]
    pub(super) fn page_mut(&mut self, page: u64) -> &mut Page {
        let index = self.at(page).expect("the page is mapped");
        &mut self.runs[index].page
    }

    /// The run that ends where this page begins.
    pub(super) fn ending(&self, page: u64) -> Option<&Run> {
        self.runs[..self.after(page)]
            .last()
            .filter(|run| run.end == page)
    }

    /// The run that begins with this page.
    pub(super) fn starting(&self, page: u64) -> Option<&Run> {
        self.runs
            .get(self.after(page))
            .filter(|run| run.start == page)
    }

    /// Is any of the pages mapped?
    pub(super) fn is_used(&self, (start, end): Pages) -> bool {
        self.runs
            .get(self.after(start))
            .is_some_and(|run| run.start < end)
    }

    /// The runs that have some of the pages.
    pub(super) fn within(&self, (start, end): Pages) -> impl Iterator<Item = &Run> {
        self.runs[self.after(start)..]
            .iter()
            .take_while(move |run| run.start < end)
    }

    /// The first part of `[at, end)` that lies in one run.
    pub(super) fn part(&self, at: u64, end: u64) -> Option<Pages> {
        let run = self.runs.get(self.after(at))?;
        let part = (at.max(run.start), end.min(run.end));
        (part.0 < part.1).then_some(part)
    }

    /// All such parts, if every page is mapped up to the last of them, and whether there are holes.
    pub(super) fn parts(&self, (start, end): Pages) -> (Vec<Pages>, bool) {
        let (mut at, mut holes, mut parts) = (start, false, Vec::new());
        while let Some(part) = self.part(at, end) {
            holes |= part.0 > at;
            parts.push(part);
            at = part.1;
        }
        (parts, holes || at < end)
    }

    /// Draws a boundary below a page.
    pub(super) fn cut(&mut self, page: u64) {
        let Some(index) = self.at(page) else { return };
        let run = &mut self.runs[index];
        if run.start < page {
            let upper = Run {
                start: page,
                end: run.end,
                page: run.page.clone(),
            };
            run.end = page;
            self.runs.insert(index + 1, upper);
        }
    }

    /// Takes pages away, whatever they were; boundaries are at both ends already.
    pub(super) fn erase(&mut self, (start, end): Pages) {
        let (first, last) = (self.after(start), self.after(end - 1));
        let beyond = self.runs.get(last).is_some_and(|run| run.start < end);
        let removed = first..last + usize::from(beyond);
        debug_assert!(
            self.runs[removed.clone()]
                .iter()
                .all(|run| start <= run.start && run.end <= end),
            "pages are erased up to boundaries"
        );
        self.runs.drain(removed);
    }

    /// Puts pages where there are none, with boundaries at both ends.
    pub(super) fn put(&mut self, (start, end): Pages, page: Page) {
        let index = self.after(start);
        self.runs.insert(index, Run { start, end, page });
    }

    /// All of these pages become alike, and no boundary is left among them.
    pub(super) fn unite(&mut self, pages: Pages, page: Page) {
        self.erase(pages);
        self.put(pages, page);
    }

    /// Forgets guard markers.
    pub(super) fn unguard(&mut self, (start, end): Pages) {
        if !self.guards.is_empty() {
            self.guards.remove(start..end);
        }
    }

    /// What single pages have moves to other pages.
    pub(super) fn move_marks(&mut self, (start, end): Pages, to: u64) {
        for marks in [&mut self.guards, &mut self.adrift] {
            if start == end || marks.is_empty() {
                continue;
            }
            let there = |page: u64| page.clamp(start, end) - start + to;
            let moved = marks.overlapping(start..end);
            let moved: Vec<_> = moved.map(|r| there(r.start)..there(r.end)).collect();
            marks.remove(start..end);
            marks.extend(moved);
        }
    }

    fn count(&self, which: impl Fn(&Page) -> bool) -> u64 {
        let counted = self.runs.iter().filter(|run| which(&run.page));
        counted.map(Run::pages).sum()
    }

    /// Pages mapped.
    pub(super) fn total(&self) -> u64 {
        self.count(|_| true)
    }

    /// Pages that count as locked.
    pub(super) fn locked(&self) -> u64 {
        self.count(|page| page.has(VmFlags::LOCKED)) + self.stray_locked
    }

    /// May so many pages with these flags come in addition, by `RLIMIT_AS` and `RLIMIT_DATA`?
    pub(super) fn has_room(&self, rules: &Rules, flags: VmFlags, pages: u64) -> bool {
        let fits = |used: u64, limit: u64| limit == u64::MAX || used.saturating_add(pages) <= limit;
        fits(self.total(), rules.address_space)
            && (!is_data(flags) || fits(self.count(Page::is_data), rules.data))
    }

    /// May so many pages with these flags be locked in addition?
    pub(super) fn may_lock(&self, rules: &Rules, flags: VmFlags, pages: u64) -> bool {
        !flags.contains(VmFlags::LOCKED)
            || rules.memlock == u64::MAX
            || self.locked().saturating_add(pages) <= rules.memlock
    }
}
