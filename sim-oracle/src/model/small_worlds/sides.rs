//! A small world on both sides: each change made by the engine and by the model.

use std::num::NonZeroU32;
use std::sync::Arc;

use sim_core::{
    Attributes, MmConfig, NewRangeRequest, PageOffset, Policy, Profile, Setup, UffdCtxId, VmFlags,
};

use super::Shown;
use super::engine::{Engine, range};
use super::kind::{Kind, RW};
use super::layout::{BASE, Layout, PAGES};
use crate::model::merge::Wish;
use crate::model::page::Page;
use crate::model::rules::Rules;
use crate::model::space::{Run, Space};

fn space(layout: &Layout) -> Space {
    let run = |&(start, end, kind): &(usize, usize, Kind)| Run {
        start: BASE + start as u64,
        end: BASE + end as u64,
        page: kind.page(),
    };
    Space {
        runs: layout.iter().map(run).collect(),
        ..Space::default()
    }
}

fn shown(space: &Space) -> Vec<Shown> {
    let show = |run: &Run| {
        let page = &run.page;
        Shown {
            pages: (run.start, run.end),
            flags: page.flags,
            delta: page.delta,
            anon: page.anon.as_ref().map(|anon| (anon.own, anon.chain.len())),
            rest: (
                page.map,
                page.uffd.is_some(),
                page.policy,
                page.name.as_deref().map(str::to_owned),
                page.close,
            ),
        }
    };
    space.runs.iter().map(show).collect()
}

/// The machine of a profile, on both sides.
pub(super) struct Sides {
    config: Arc<MmConfig>,
    rules: Rules,
}

impl Sides {
    pub(super) fn new(profile: Profile) -> Self {
        let setup = Setup::new(profile);
        Self {
            config: Arc::new(MmConfig::new(&setup)),
            rules: Rules::new(&setup),
        }
    }

    #[track_caller]
    fn compare(&self, layout: &Layout, engine: &Engine, space: &Space, what: &dyn std::fmt::Debug) {
        let (left, right) = (engine.shown(), shown(space));
        assert_eq!(
            left, right,
            "{what:?}\nof {layout:?}\n{:?}",
            self.rules.features
        );
    }

    /// Every part of every VMA gets other flags, or another policy.
    pub(super) fn change_parts(&self, layout: &Layout) -> usize {
        let mut changes = 0;
        for &(from, to, kind) in layout {
            let parts = (from..to).flat_map(|start| (start + 1..=to).map(move |end| (start, end)));
            for (start, end) in parts {
                let part = (BASE + start as u64, BASE + end as u64);
                for flags in [RW, RW | VmFlags::MAYBE_GUARD, kind.flags() ^ VmFlags::WRITE] {
                    self.change_flags(layout, part, flags);
                    changes += 1;
                }
                self.change_policy(layout, part);
                changes += 1;
            }
        }
        changes
    }

    fn change_flags(&self, layout: &Layout, part: (u64, u64), flags: VmFlags) {
        let mut engine = Engine::new(&self.config, layout);
        let id = engine.at(part.0);
        let mut wanted = flags;
        let id = engine
            .mm
            .vma_modify_flags(&mut engine.pages, id, range(part), &mut wanted);
        let id = id.expect("no limit is near");
        engine.mm.vm_flags_clear(id, VmFlags::all());
        engine.mm.vm_flags_set(id, wanted);
        let mut space = space(layout);
        space
            .set_flags(&self.rules, part, flags)
            .expect("no limit is near");
        self.compare(layout, &engine, &space, &(part, flags));
    }

    fn change_policy(&self, layout: &Layout, part: (u64, u64)) {
        let policy = Some(Policy::Local);
        let mut engine = Engine::new(&self.config, layout);
        let id = engine.at(part.0);
        let id = engine
            .mm
            .vma_modify_policy(&mut engine.pages, id, range(part), policy);
        let id = id.expect("no limit is near");
        engine.mm.replace_policy(id, policy);
        let mut space = space(layout);
        let wish = Page {
            policy,
            ..space.mapped(part.0).page.clone()
        };
        space
            .reshape(&self.rules, part, &wish)
            .expect("no limit is near");
        space.page_mut(part.0).policy = policy;
        self.compare(layout, &engine, &space, &(part, policy));
    }

    /// Every range within a gap is mapped: as new memory, as more of the heap, and as a copy of
    /// each VMA.
    pub(super) fn fill_gaps(&self, layout: &Layout) -> usize {
        let free = |page: usize| {
            !layout
                .iter()
                .any(|&(start, end, _)| start <= page && page < end)
        };
        let mut filled = 0;
        for start in 0..PAGES {
            for end in start + 1..=PAGES {
                if !(start..end).all(free) {
                    break;
                }
                let gap = (BASE + start as u64, BASE + end as u64);
                for only_below in [false, true] {
                    self.fill(layout, gap, &Kind::Plain.page(), None, only_below);
                }
                for index in 0..layout.len() {
                    let page = layout[index].2.page();
                    self.fill(layout, gap, &page, Some(index), false);
                }
                filled += 2 + layout.len();
            }
        }
        filled
    }

    fn fill(
        &self,
        layout: &Layout,
        gap: (u64, u64),
        page: &Page,
        source: Option<usize>,
        only_below: bool,
    ) {
        let mut engine = Engine::new(&self.config, layout);
        let copied = source.map(|index| engine.at(BASE + layout[index].0 as u64));
        let uffd = page.uffd.map(|_| UffdCtxId(NonZeroU32::MIN));
        let request = NewRangeRequest {
            range: range(gap),
            pgoff: PageOffset::new(gap.0.wrapping_add(page.delta)),
            attributes: Attributes {
                uffd,
                policy: page.policy,
                anon_name: page.name.as_ref(),
                ..Attributes::new(page.flags, page.map)
            },
            copied_from: copied,
            just_expand: only_below,
        };
        let merged = engine.mm.merge_new_range(&mut engine.pages, &request);
        let merged = merged.expect("memory is not short").is_some();
        let careful = self.rules.features.mremap_source_anon_vma;
        let wish = Wish {
            pages: gap,
            page,
            anon: page.anon.as_ref().filter(|_| source.is_some()),
            forked: careful && page.is_forked(),
        };
        let given = wish.anon.cloned().filter(|_| careful);
        let mut space = space(layout);
        let granted = space.merge_new(&self.rules, &wish, given, only_below);
        assert_eq!(
            merged, granted,
            "{gap:?} {page:?} {only_below} in {layout:?}"
        );
        self.compare(layout, &engine, &space, &(gap, source, only_below));
    }
}
