//! A reason with what it is about: which flag, which file, whose anon_vma.

use sim_core::{AnonVmaId, MergeScene, Policy, Refusal, VmFlags, VmaView};
use sim_scenario::Scenario;

/// A side of a merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The VMA below.
    Below,
    /// The VMA above.
    Above,
}

impl Side {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::Above => "above",
        }
    }

    /// The VMA on this side.
    pub(crate) const fn of(self, scene: &MergeScene) -> Option<&VmaView> {
        match self {
            Self::Below => scene.below.as_ref(),
            Self::Above => scene.above.as_ref(),
        }
    }
}

/// What a reason means in this scene.
pub(crate) fn detail(
    why: Refusal,
    side: Side,
    scene: &MergeScene,
    scenario: &Scenario,
) -> Option<String> {
    let range = &scene.wanted;
    let Some(vma) = side.of(scene) else {
        return alone(why, side);
    };
    match why {
        Refusal::NotAdjacent => Some(not_adjacent(side, vma, scene)),
        Refusal::PgoffNotContiguous => Some(offsets(side, vma, range)),
        Refusal::FlagsDiffer(flags) => Some(who_has(flags, vma, range)),
        Refusal::FileDiffers => Some(format!(
            "it maps {}, the range {}",
            object(vma, scenario),
            object(range, scenario)
        )),
        Refusal::PolicyDiffers => Some(format!(
            "its policy is {}, the range's is {}",
            policy(vma.policy),
            policy(range.policy)
        )),
        Refusal::UffdCtxDiffers => {
            let context = |vma: &VmaView| {
                vma.uffd
                    .map_or("none".to_owned(), |ctx| format!("#{}", ctx.0))
            };
            let (its, ranges) = (context(vma), context(range));
            Some(format!("its userfaultfd is {its}, the range's is {ranges}"))
        }
        Refusal::AnonNameDiffers => {
            let name = |vma: &VmaView| {
                let named = vma.anon_name.as_ref();
                named.map_or("no name".to_owned(), |name| format!("\"{name}\""))
            };
            let (its, ranges) = (name(vma), name(range));
            Some(format!("it has {its}, the range has {ranges}"))
        }
        Refusal::AnonVmaDiffers => Some(other_anon_vma(side, vma, scene)),
        Refusal::AnonVmaForked => Some(forked(vma, range)),
        Refusal::SpecialMapping(_) => Some("VMAs with such a flag never merge".to_owned()),
        Refusal::CloseHook => Some("its driver wants to hear when it goes".to_owned()),
        Refusal::ExpandOnly => Some("the caller only lets the VMA below grow".to_owned()),
        Refusal::NoMemory => Some("memory for the change was short".to_owned()),
        Refusal::MapCountLimit => Some("there are as many VMAs as allowed".to_owned()),
    }
}

/// Nothing is mapped on that side.
fn alone(why: Refusal, side: Side) -> Option<String> {
    match why {
        Refusal::NotAdjacent => Some(format!("nothing is mapped {}", side.name())),
        Refusal::SpecialMapping(_) => Some("VMAs with such a flag never merge".to_owned()),
        Refusal::ExpandOnly => Some("the caller only lets the VMA below grow".to_owned()),
        Refusal::PgoffNotContiguous
        | Refusal::FlagsDiffer(_)
        | Refusal::FileDiffers
        | Refusal::PolicyDiffers
        | Refusal::UffdCtxDiffers
        | Refusal::AnonNameDiffers
        | Refusal::AnonVmaDiffers
        | Refusal::AnonVmaForked
        | Refusal::CloseHook
        | Refusal::NoMemory
        | Refusal::MapCountLimit => None,
    }
}

fn not_adjacent(side: Side, vma: &VmaView, scene: &MergeScene) -> String {
    let range = scene.wanted.range;
    let inside = scene.middle.as_ref().is_some_and(|middle| match side {
        Side::Below => middle.range.start() < range.start(),
        Side::Above => middle.range.end() > range.end(),
    });
    if inside {
        let verb = match side {
            Side::Below => "begins",
            Side::Above => "ends",
        };
        return format!("the range {verb} inside its VMA");
    }
    let gap = match side {
        Side::Below => (range.start() - vma.range.end()).get(),
        Side::Above => (vma.range.start() - range.end()).get(),
    };
    format!("{} unmapped pages lie between", gap / sim_core::PAGE_SIZE)
}

fn offsets(side: Side, vma: &VmaView, range: &VmaView) -> String {
    let end = |of: &VmaView| of.pgoff.get().saturating_add(of.range.pages());
    match side {
        Side::Below => format!(
            "its offset ends at page {:#x}, the range's begins at {:#x}",
            end(vma),
            range.pgoff.get()
        ),
        Side::Above => format!(
            "its offset begins at page {:#x}, the range's ends at {:#x}",
            vma.pgoff.get(),
            end(range)
        ),
    }
}

/// Which side has each flag that differs.
fn who_has(differing: VmFlags, vma: &VmaView, range: &VmaView) -> String {
    let names = |flags: VmFlags| flags.mnemonics().collect::<Vec<_>>().join(" ");
    let its = names(differing & vma.flags);
    let ranges = names(differing & range.flags);
    match (its.is_empty(), ranges.is_empty()) {
        (false, true) => format!("only it has {its}"),
        (true, false) => format!("only the range has {ranges}"),
        (false, false) => format!("only it has {its}, only the range {ranges}"),
        (true, true) => "one of them has a flag that smaps does not show".to_owned(),
    }
}

/// What a VMA maps.
pub(crate) fn object(vma: &VmaView, scenario: &Scenario) -> String {
    match vma.backing.file() {
        None => "anonymous memory".to_owned(),
        Some(file) if file.kind == sim_core::MappedKind::DevZero => {
            format!("the shared memory #{}", file.id.0)
        }
        Some(file) => format!("`{}`", scenario.file_name(file.id)),
    }
}

fn policy(policy: Option<Policy>) -> String {
    policy.map_or_else(|| "none".to_owned(), crate::print::describe::policy_name)
}

/// Whose it is: an anon_vma of its own, or one that came by fork.
fn anon_vma(id: AnonVmaId, chain: &[AnonVmaId]) -> String {
    match chain.first() {
        Some(root) if *root != id => {
            format!("#{} (forked from #{})", id.get(), root.get())
        }
        Some(_) | None => format!("#{}", id.get()),
    }
}

fn other_anon_vma(side: Side, vma: &VmaView, scene: &MergeScene) -> String {
    let whose = |of: &VmaView| {
        of.anon_vma
            .map_or("none".to_owned(), |id| anon_vma(id, &of.chain))
    };
    let its = whose(vma);
    match (scene.wanted.anon_vma, &scene.below, side) {
        (None, Some(below), Side::Above) => {
            format!(
                "its anon_vma is {its}, that of the VMA below is {}",
                whose(below)
            )
        }
        _ => format!(
            "its anon_vma is {its}, the range's is {}",
            whose(&scene.wanted)
        ),
    }
}

fn forked(vma: &VmaView, range: &VmaView) -> String {
    let chain = |chain: &[AnonVmaId]| {
        let ids: Vec<_> = chain.iter().map(|id| format!("#{}", id.get())).collect();
        ids.join(", ")
    };
    match (vma.anon_vma, range.anon_vma) {
        (Some(id), None) => format!(
            "its anon_vma #{} came by fork: its chain is {}",
            id.get(),
            chain(&vma.chain)
        ),
        (None, Some(id)) if range.chain.len() > 1 => format!(
            "it has no anon_vma, and the range's #{} came by fork: its chain is {}",
            id.get(),
            chain(&range.chain)
        ),
        (_, Some(id)) => format!(
            "it has no anon_vma and cannot take the range's #{} (merge_unfaulted_target)",
            id.get()
        ),
        (None, None) => "fork came between".to_owned(),
    }
}
