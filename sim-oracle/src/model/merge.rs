//! Which boundaries vanish, page by page.
//!
//! Whether two neighbouring pages may be in one VMA is asked of the page that is there (the
//! neighbour) and of what the other one is about to be (the wish). A wish that both neighbours
//! grant makes one VMA of three, unless the neighbours have different anon_vmas.

use sim_core::{Errno, VmFlags};

use super::page::{Anon, Page};
use super::rules::Rules;
use super::space::{Pages, Space};

/// Could the neighbour and the wish be pages of one VMA, were it not for anon_vmas?
fn alike(neighbour: &Page, wish: &Page, rules: &Rules) -> bool {
    let differing = neighbour.flags ^ wish.flags;
    (differing - rules.ignored).is_empty()
        && neighbour.map == wish.map
        && neighbour.delta == wish.delta
        && neighbour.uffd == wish.uffd
        && neighbour.policy == wish.policy
        && neighbour.name == wish.name
}

/// And with them? `forked` says whether the page that the wish is about comes from a fork.
fn anon_fits(neighbour: &Page, wish: Option<&Anon>, forked: bool, rules: &Rules) -> bool {
    match (&neighbour.anon, wish) {
        (None, None) => true,
        (Some(theirs), Some(ours)) => theirs.own == ours.own,
        (Some(theirs), None) => !theirs.is_forked(),
        (None, Some(_)) => rules.features.merge_unfaulted_target && !forked,
    }
}

/// Two neighbours that would become one VMA.
fn clash(below: &Page, above: &Page) -> bool {
    matches!((&below.anon, &above.anon), (Some(a), Some(b)) if a.own != b.own)
}

/// The sides on which a boundary vanishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sides {
    pub(super) below: bool,
    pub(super) above: bool,
}

impl Sides {
    const NONE: Self = Self {
        below: false,
        above: false,
    };

    const fn any(self) -> bool {
        self.below || self.above
    }
}

/// A wish for pages: what they are to be.
pub(super) struct Wish<'a> {
    pub(super) pages: Pages,
    pub(super) page: &'a Page,
    /// The anon_vma that comes with them.
    pub(super) anon: Option<&'a Anon>,
    /// They come from a fork.
    pub(super) forked: bool,
}

impl Space {
    /// On which sides would the wish be granted?
    fn sides(&self, rules: &Rules, wish: &Wish<'_>) -> Sides {
        if wish.page.any(VmFlags::SPECIAL) {
            return Sides::NONE;
        }
        let grants = |neighbour: &Page| {
            alike(neighbour, wish.page, rules)
                && anon_fits(neighbour, wish.anon, wish.forked, rules)
        };
        let below = self.ending(wish.pages.0).map(|run| &run.page);
        let above = self.starting(wish.pages.1).map(|run| &run.page);
        let mut sides = Sides {
            below: below.is_some_and(grants),
            above: above.is_some_and(grants),
        };
        if let (Some(below), Some(above)) = (below, above)
            && sides.below
            && sides.above
            && clash(below, above)
        {
            sides.above = false;
        }
        sides
    }

    /// Lets the wish's pages become pages of the VMAs on these sides. The one below, or else the
    /// one above, is what the whole is like afterwards; it may lack an anon_vma.
    fn give(&mut self, rules: &Rules, wish: &Wish<'_>, sides: Sides, anon: Option<Anon>) {
        let (mut start, mut end) = wish.pages;
        let mut sticky = wish.page.flags;
        let mut like = None;
        let mut anon = anon;
        if sides.above
            && let Some(run) = self.starting(end)
        {
            end = run.end;
            sticky |= run.page.flags;
            anon = run.page.anon.clone().or(anon);
            like = Some(run.page.clone());
        }
        if sides.below
            && let Some(run) = self.ending(start)
        {
            start = run.start;
            sticky |= run.page.flags;
            like = Some(run.page.clone());
        }
        let mut page = like.expect("there is a side");
        page.flags |= sticky & rules.sticky;
        page.anon = page.anon.or(anon);
        self.unite((start, end), page);
    }

    /// New pages: they become part of the VMAs around them if those grant it. `anon` is what those
    /// get that have no anon_vma yet.
    pub(super) fn merge_new(
        &mut self,
        rules: &Rules,
        wish: &Wish<'_>,
        anon: Option<Anon>,
        only_below: bool,
    ) -> bool {
        let mut sides = self.sides(rules, wish);
        if only_below {
            sides.above = false;
        }
        // The VMA above would be taken away.
        let closed = self
            .starting(wish.pages.1)
            .is_some_and(|run| run.page.close);
        if sides.below && sides.above && closed {
            sides.above = false;
        }
        if sides.any() {
            self.give(rules, wish, sides, anon);
        }
        sides.any()
    }

    /// Pages of one VMA are about to change: they become part of the VMAs next to them, or a VMA
    /// of their own. Says whether they merged. The change itself is the caller's.
    pub(super) fn reshape(
        &mut self,
        rules: &Rules,
        pages: Pages,
        wish: &Page,
    ) -> Result<bool, Errno> {
        let run = self.mapped(pages.0);
        let (old, bounds) = (run.page.clone(), (run.start, run.end));
        let wish = Wish {
            pages,
            page: wish,
            anon: old.anon.as_ref(),
            forked: old.is_forked(),
        };
        let mut sides = self.sides(rules, &wish);
        let closed = |run: Option<&super::space::Run>| run.is_some_and(|run| run.page.close);
        if old.close && pages == bounds {
            sides = Sides::NONE;
        } else if sides.below && sides.above && closed(self.starting(pages.1)) {
            sides.above = false;
        }
        if sides.any() {
            self.cut(pages.0);
            self.cut(pages.1);
            self.give(rules, &wish, sides, old.anon.clone());
            return Ok(true);
        }
        for at in [pages.0, pages.1] {
            if bounds.0 < at && at < bounds.1 {
                self.split(rules, at)?;
            }
        }
        Ok(false)
    }

    /// A boundary within a VMA, if one VMA more is allowed.
    fn split(&mut self, rules: &Rules, at: u64) -> Result<(), Errno> {
        if self.runs.len() >= rules.max_map_count {
            return Err(Errno::ENOMEM);
        }
        self.cut(at);
        Ok(())
    }
}
