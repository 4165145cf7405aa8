//! A small world in the engine.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use sim_core::store::VmaId;
use sim_core::{
    AnonVmaId, AnonVmas, Backing, Detached, FailPoints, Mm, MmConfig, MmShared, NoPages,
    PageOffset, PageRange, Policy, UffdCtxId, VirtAddr, Vma, VmaHooks,
};

use super::Shown;
use super::kind::{Kind, RW};
use super::layout::{BASE, Layout};

/// The engine's address space, with its anon_vmas by the model's numbers.
pub(super) struct Engine {
    pub(super) mm: Mm,
    pub(super) pages: NoPages,
    anons: BTreeMap<AnonVmaId, usize>,
}

fn addr(page: u64) -> VirtAddr {
    VirtAddr::new(page << sim_core::PAGE_SHIFT)
}

pub(super) fn range((start, end): (u64, u64)) -> PageRange {
    PageRange::new(addr(start), addr(end))
}

/// VMAs that are in no address space: they have the anon_vmas that those of a world share.
fn donors(anon_vmas: &AnonVmas) -> Vec<Detached> {
    let fail = FailPoints::default();
    let fresh = || Vma::new(range((1, 2)), PageOffset::new(1), RW, Backing::Anon);
    let (first, second) = (fresh(), fresh());
    for vma in [&first, &second] {
        anon_vmas.prepare(vma, None, &fail).expect("memory");
    }
    let mut forked = [fresh(), fresh()];
    for child in &mut forked {
        anon_vmas.fork(child, &first, &fail).expect("memory");
    }
    let [third, fourth] = forked;
    vec![first, second, third, fourth]
}

impl Engine {
    pub(super) fn new(config: &Arc<MmConfig>, layout: &Layout) -> Self {
        let shared = MmShared::new(&config.limits);
        let donors = donors(&shared.anon_vmas);
        let own =
            |(number, donor): (usize, &Detached)| (donor.anon_vma().expect("it has one"), number);
        let mut engine = Self {
            mm: Mm::new(Arc::clone(config), &shared),
            pages: NoPages::default(),
            anons: donors.iter().enumerate().map(own).collect(),
        };
        for &(start, end, kind) in layout {
            let start = BASE + start as u64;
            let pgoff = PageOffset::new(start.wrapping_add(kind.delta()));
            let pages = range((start, BASE + end as u64));
            let mut vma = Vma::new(pages, pgoff, kind.flags(), kind.backing());
            if let Some((number, _)) = kind.anon() {
                let fail = FailPoints::default();
                let cloned = shared
                    .anon_vmas
                    .clone_chain(&mut vma, &donors[number], &fail);
                cloned.expect("memory");
            }
            if kind == Kind::Uffd {
                vma.set_uffd(Some(UffdCtxId(NonZeroU32::MIN)));
            }
            if kind == Kind::Bound {
                vma.set_policy(Some(Policy::Local));
            }
            if kind == Kind::Named {
                vma.set_anon_name(Some(Arc::from("name")));
            }
            if kind.is_closed() {
                vma.set_hooks(VmaHooks::CLOSE);
            }
            let inserted = engine.mm.insert_vma(&mut engine.pages, vma);
            inserted.expect("memory");
        }
        engine
    }

    pub(super) fn at(&self, page: u64) -> VmaId {
        self.mm.vma_lookup(addr(page)).expect("the page is mapped")
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        let show = |vma: &Vma| Shown {
            pages: (vma.start().page_number(), vma.end().page_number()),
            flags: vma.flags(),
            delta: vma.pgoff().get().wrapping_sub(vma.start().page_number()),
            anon: vma.anon_vma().map(|id| (self.anons[&id], vma.chain_len())),
            rest: (
                vma.backing(),
                vma.uffd().is_some(),
                vma.policy(),
                vma.anon_name().map(ToString::to_string),
                vma.hooks().contains(VmaHooks::CLOSE),
            ),
        };
        self.mm.iter().map(|(_, vma)| show(vma)).collect()
    }
}
