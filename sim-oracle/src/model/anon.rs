//! anon_vmas: found by looking at every VMA of every process, not by counting.

use std::sync::Arc;

use sim_core::VmFlags;

use super::page::{Anon, AnonId, Page};
use super::rules::Rules;
use super::space::Space;

/// Every anon_vma there ever was, with its parent: a root's is itself.
#[derive(Debug, Default)]
pub(super) struct Anons {
    parents: Vec<AnonId>,
}

impl Anons {
    fn create(&mut self, parent: Option<AnonId>) -> AnonId {
        let id = self.parents.len();
        self.parents.push(parent.unwrap_or(id));
        id
    }

    /// What a child's VMA gets of its parent's at fork: the chain, with one of it as its own that
    /// nobody uses any more and that has at most one child, or with a new one.
    pub(super) fn fork<'a>(
        &mut self,
        parent: &Anon,
        pages: impl Iterator<Item = &'a Page> + Clone,
    ) -> Anon {
        let alive = |id: AnonId| {
            pages
                .clone()
                .any(|page| page.anon.as_ref().is_some_and(|a| a.chain.contains(&id)))
        };
        let active = |id: AnonId| {
            pages
                .clone()
                .any(|page| page.anon.as_ref().is_some_and(|a| a.own == id))
        };
        // A root is a child of itself.
        let children = |id: AnonId| {
            let all = self.parents.iter().enumerate();
            all.filter(|&(child, &of)| of == id && alive(child)).count()
        };
        let reusable = parent
            .chain
            .iter()
            .copied()
            .find(|&id| !active(id) && children(id) < 2);
        if let Some(own) = reusable {
            return Anon {
                own,
                chain: Arc::clone(&parent.chain),
            };
        }
        let own = self.create(Some(parent.own));
        let chain = parent.chain.iter().copied().chain([own]);
        Anon {
            own,
            chain: chain.collect(),
        }
    }
}

/// Might two pages that continue each other be in one VMA one day, after an mprotect?
fn may_share(below: &Page, above: &Page, rules: &Rules) -> bool {
    let differing = (below.flags ^ above.flags) - rules.ignored - VmFlags::ACCESS_FLAGS;
    differing.is_empty()
        && below.map == above.map
        && below.delta == above.delta
        && below.policy == above.policy
}

impl Space {
    /// The first private page of a VMA: it gets an anon_vma, that of the VMA above or below if
    /// they may be one some day and no fork has touched that.
    pub(super) fn prepare(&mut self, rules: &Rules, anons: &mut Anons, at: u64) {
        let run = self.mapped(at);
        if run.page.anon.is_some() {
            return;
        }
        let unforked = |page: &Page| page.anon.clone().filter(|anon| !anon.is_forked());
        let from = |page: Option<&Page>| {
            page.filter(|page| may_share(page, &run.page, rules))
                .and_then(unforked)
        };
        let above = from(self.starting(run.end).map(|run| &run.page));
        let below = || from(self.ending(run.start).map(|run| &run.page));
        let anon = above.or_else(below);
        let anon = anon.unwrap_or_else(|| Anon::first(anons.create(None)));
        self.page_mut(at).anon = Some(anon);
    }
}
