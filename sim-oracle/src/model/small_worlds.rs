//! Small worlds, enumerated: up to four VMAs over six pages, each of any kind that merging looks
//! at; every change of a part of a VMA and every new range in a gap, by the engine and by the
//! model's decision page by page.
//!
//! All of it takes hours: a test runs an even selection, of as many worlds for each kernel as the
//! variable `VMSIM_SMALL_WORLDS` says, or `all` of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use sim_core::store::VmaId;
use sim_core::{
    AnonVmaId, AnonVmas, Attributes, Backing, Detached, FailPoints, FileId, FileRef, MappedKind,
    Mm, MmConfig, MmShared, NewRangeRequest, NoPages, PageOffset, PageRange, Policy, Profile,
    Setup, UffdCtxId, VirtAddr, VmFlags, Vma, VmaHooks,
};

use super::merge::Wish;
use super::page::{Anon, Page};
use super::rules::Rules;
use super::space::{Run, Space};

/// The first page of a world.
const BASE: u64 = 0x10000;
/// Pages in a world.
const PAGES: usize = 6;
/// VMAs in a world.
const MOST: usize = 4;
/// Worlds of the selection, for each profile.
const SELECTED: usize = 1_500;

const RW: VmFlags = VmFlags::READ
    .union(VmFlags::WRITE)
    .union(VmFlags::MAY_FLAGS);

/// What sets a VMA apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Plain,
    Guard,
    SoftDirty,
    /// Has the first, or the second anon_vma.
    Anon(usize),
    /// Has an anon_vma that comes from a fork; all such have the same.
    Forked,
    /// Another process's, from a second fork.
    ForkedAgain,
    ReadOnly,
    /// Its offset does not fit its neighbours'.
    Elsewhere,
    File(u32),
    FileAnon,
    Special,
    Close,
    CloseAnon,
    Uffd,
    Bound,
    Named,
}

const KINDS: [Kind; 18] = [
    Kind::Plain,
    Kind::Guard,
    Kind::SoftDirty,
    Kind::Anon(0),
    Kind::Anon(1),
    Kind::Forked,
    Kind::ForkedAgain,
    Kind::ReadOnly,
    Kind::Elsewhere,
    Kind::File(0),
    Kind::File(1),
    Kind::FileAnon,
    Kind::Special,
    Kind::Close,
    Kind::CloseAnon,
    Kind::Uffd,
    Kind::Bound,
    Kind::Named,
];

impl Kind {
    fn flags(self) -> VmFlags {
        match self {
            Self::Guard => RW | VmFlags::MAYBE_GUARD,
            Self::SoftDirty => RW | VmFlags::SOFTDIRTY,
            Self::ReadOnly => RW - VmFlags::WRITE,
            Self::Special => RW | VmFlags::DONTEXPAND,
            Self::Uffd => RW | VmFlags::UFFD_WP,
            _ => RW,
        }
    }

    fn file(self) -> Option<u32> {
        match self {
            Self::File(number) => Some(number),
            Self::FileAnon => Some(0),
            _ => None,
        }
    }

    /// Its anon_vma: the number of its own, and its chain.
    fn anon(self) -> Option<(usize, &'static [usize])> {
        match self {
            Self::Anon(0) | Self::FileAnon | Self::CloseAnon => Some((0, &[0])),
            Self::Anon(_) => Some((1, &[1])),
            Self::Forked => Some((2, &[0, 2])),
            Self::ForkedAgain => Some((3, &[0, 3])),
            _ => None,
        }
    }

    fn is_closed(self) -> bool {
        matches!(self, Self::Close | Self::CloseAnon)
    }

    fn delta(self) -> u64 {
        if self == Self::Elsewhere { 9 } else { 0 }
    }

    fn backing(self) -> Backing {
        self.file().map_or(Backing::Anon, |number| {
            Backing::File(FileRef {
                id: FileId(number),
                kind: MappedKind::Regular,
            })
        })
    }

    fn page(self) -> Page {
        let anon = self.anon().map(|(own, chain)| Anon {
            own,
            chain: Arc::from(chain),
        });
        Page {
            anon,
            uffd: (self == Self::Uffd).then_some(1),
            policy: (self == Self::Bound).then_some(Policy::Local),
            name: (self == Self::Named).then(|| Arc::from("name")),
            close: self.is_closed(),
            ..Page::new(self.flags(), self.backing(), self.delta())
        }
    }
}

/// VMAs: first page, page after the last, kind.
type Layout = Vec<(usize, usize, Kind)>;

/// Every way to have up to four VMAs, without their kinds.
fn shapes() -> Vec<Vec<(usize, usize)>> {
    fn extend(from: usize, have: &[(usize, usize)], all: &mut Vec<Vec<(usize, usize)>>) {
        if !have.is_empty() {
            all.push(have.to_vec());
        }
        if have.len() == MOST {
            return;
        }
        for start in from..PAGES {
            for end in start + 1..=PAGES {
                extend(end, &[have, &[(start, end)]].concat(), all);
            }
        }
    }
    let mut all = Vec::new();
    extend(0, &[], &mut all);
    all
}

/// The `index`-th choice of kinds for a shape.
fn layout(shape: &[(usize, usize)], mut index: usize) -> Layout {
    let with_kind = shape.iter().map(|&(start, end)| {
        let kind = KINDS[index % KINDS.len()];
        index /= KINDS.len();
        (start, end, kind)
    });
    with_kind.collect()
}

/// What is compared of a VMA.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Shown {
    pages: (u64, u64),
    flags: VmFlags,
    delta: u64,
    anon: Option<(usize, usize)>,
    rest: (Backing, bool, Option<Policy>, Option<String>, bool),
}

/// The engine's address space, with its anon_vmas by the model's numbers.
struct Engine {
    mm: Mm,
    pages: NoPages,
    anons: BTreeMap<AnonVmaId, usize>,
}

fn addr(page: u64) -> VirtAddr {
    VirtAddr::new(page << sim_core::PAGE_SHIFT)
}

fn range((start, end): (u64, u64)) -> PageRange {
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
    fn new(config: &Arc<MmConfig>, layout: &Layout) -> Self {
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

    fn at(&self, page: u64) -> VmaId {
        self.mm.vma_lookup(addr(page)).expect("the page is mapped")
    }

    fn shown(&self) -> Vec<Shown> {
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
struct Sides {
    config: Arc<MmConfig>,
    rules: Rules,
}

impl Sides {
    fn new(profile: Profile) -> Self {
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
    fn change_parts(&self, layout: &Layout) -> usize {
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
    fn fill_gaps(&self, layout: &Layout) -> usize {
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

/// Every `step`-th world of a profile.
fn run(profile: Profile, step: usize, first: usize) -> usize {
    let sides = Sides::new(profile);
    let mut number = first;
    let mut checked = 0;
    let mut before = 0;
    for shape in shapes() {
        let count = KINDS.len().pow(shape.len() as u32);
        while number < before + count {
            let layout = layout(&shape, number - before);
            checked += sides.change_parts(&layout) + sides.fill_gaps(&layout);
            number += step;
        }
        before += count;
    }
    checked
}

fn worlds() -> usize {
    shapes()
        .iter()
        .map(|shape| KINDS.len().pow(shape.len() as u32))
        .sum()
}

#[test]
fn merges_of_small_worlds() {
    let selected = match std::env::var("VMSIM_SMALL_WORLDS").as_deref() {
        Ok("all") => worlds(),
        Ok(number) => number.parse().expect("a number, or all"),
        Err(_) => SELECTED,
    };
    // A prime step meets every combination of kinds and shapes in the long run.
    let step = match worlds() / selected {
        0 | 1 => 1,
        step => next_prime(step),
    };
    for (first, &profile) in Profile::ALL.iter().enumerate() {
        let checked = run(profile, step, first);
        println!("{profile}: {checked} merges");
        assert!(checked > selected, "{profile}: only {checked} merges");
    }
}

fn next_prime(from: usize) -> usize {
    let is_prime = |n: &usize| {
        (2..*n)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (from..2 * from).find(is_prime).unwrap_or(from)
}
