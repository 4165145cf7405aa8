//! What `vmsim explain --json` prints.

use serde::Serialize;
use sim_core::{Event, MergeReport, Profile, Refusal, VmFlags, VmaView, locks_of};
use sim_scenario::{ResultDocument, Scenario};

use super::reason::{self, Side};
use super::{diagram, plan, request_of};
use crate::commands::explain::{Explained, Otherwise};
use crate::print::events;

/// The whole document.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    title: &'a str,
    kernel: &'static str,
    arch: &'static str,
    against: Option<&'static str>,
    ok: bool,
    steps: Vec<StepEntry>,
}

impl<'a> Document<'a> {
    /// Of a run.
    pub(crate) fn new(
        scenario: &'a Scenario,
        against: Option<Profile>,
        ok: bool,
        steps: Vec<StepEntry>,
    ) -> Self {
        Self {
            title: &scenario.title,
            kernel: scenario.setup.profile.name(),
            arch: scenario.setup.arch.name(),
            against: against.map(Profile::name),
            ok,
            steps,
        }
    }
}

/// A step.
#[derive(Serialize)]
pub(crate) struct StepEntry {
    index: usize,
    op: &'static str,
    process: String,
    request: String,
    result: ResultDocument,
    ok: bool,
    locks: Vec<LockEntry>,
    /// The locks that were really taken, in order.
    taken: Vec<String>,
    events: Vec<EventEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<OtherEntry>,
}

#[derive(Serialize)]
struct LockEntry {
    lock: &'static str,
    when: Option<&'static str>,
}

/// Something that happened, in words; a merge also in detail.
#[derive(Serialize)]
struct EventEntry {
    process: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge: Option<MergeEntry>,
    /// The scan result of a collapse.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct MergeEntry {
    range: Range,
    existing: bool,
    below: SideEntry,
    above: SideEntry,
    /// The case; `null` if nothing merges.
    plan: Option<&'static str>,
    becomes: Option<Range>,
    sticky: Vec<&'static str>,
    takes_anon_vma: bool,
    failed: Option<&'static str>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Serialize)]
struct SideEntry {
    fits: bool,
    reason: Option<&'static str>,
    /// The flags that the reason is about.
    flags: Vec<&'static str>,
    detail: Option<String>,
    vma: Option<ViewEntry>,
}

#[derive(Serialize)]
struct ViewEntry {
    range: Range,
    perms: String,
    object: String,
    flags: Vec<&'static str>,
    anon_vma: Option<u32>,
    chain: Vec<u32>,
}

#[derive(Serialize)]
struct Range {
    start: String,
    end: String,
}

#[derive(Serialize)]
struct OtherEntry {
    kernel: &'static str,
    same: bool,
    result: Option<String>,
    events: Option<Vec<String>>,
    layout: Vec<String>,
}

impl StepEntry {
    /// Of a step.
    pub(crate) fn new(explained: &Explained<'_>, scenario: &Scenario) -> Self {
        let finished = &explained.told.finished;
        let report = &finished.report;
        let locks = finished.call.as_ref().map_or(&[][..], |(_, call)| {
            locks_of(call, &scenario.setup.features)
        });
        Self {
            index: report.step.index,
            op: report.step.op.name(),
            process: report.step.process.clone(),
            request: request_of(report, scenario),
            result: ResultDocument::new(report),
            ok: report.is_ok(),
            locks: locks
                .iter()
                .map(|lock| LockEntry {
                    lock: lock.lock.name(),
                    when: Some(lock.when).filter(|when| !when.is_empty()),
                })
                .collect(),
            taken: super::locks_taken(explained),
            events: explained
                .events()
                .filter(|(_, event)| !matches!(event, Event::Locked { .. } | Event::Downgraded))
                .map(|(process, event)| EventEntry::new(process, event, scenario))
                .collect(),
            against: explained.otherwise.as_ref().map(OtherEntry::new),
        }
    }
}

impl EventEntry {
    fn new(process: &str, event: &Event, scenario: &Scenario) -> Self {
        let (merge, reason, text) = match event {
            Event::Merge(report) => (
                Some(MergeEntry::new(report, scenario)),
                None,
                events::describe_merge(report),
            ),
            Event::Collapse { result, .. } => (None, Some(result.name()), describe(event)),
            Event::Refused { why, .. } => (None, Some(why.id()), describe(event)),
            Event::Split { .. }
            | Event::Insert { .. }
            | Event::Remove { .. }
            | Event::Shrink { .. }
            | Event::AnonVma { .. }
            | Event::Locked { .. }
            | Event::Downgraded => (None, None, describe(event)),
        };
        Self {
            process: process.to_owned(),
            text,
            merge,
            reason,
        }
    }
}

fn describe(event: &Event) -> String {
    events::describe(event).unwrap_or_default()
}

impl MergeEntry {
    fn new(report: &MergeReport, scenario: &Scenario) -> Self {
        let decision = &report.decision;
        let diagram = diagram::draw(report);
        let (before, after) = diagram.map(|d| (d.before, d.after)).unzip();
        Self {
            range: range(report.range),
            existing: report.existing,
            below: SideEntry::new(Side::Below, decision.left, report, scenario),
            above: SideEntry::new(Side::Above, decision.right, report, scenario),
            plan: decision.plan.map(|plan| plan.case.name()),
            becomes: decision.plan.map(|plan| range(plan.becomes)),
            sticky: mnemonics(decision.plan.map_or(VmFlags::empty(), |plan| plan.sticky)),
            takes_anon_vma: decision
                .plan
                .is_some_and(|plan| plan.anon_vma_from.is_some()),
            failed: report.failed.map(Refusal::id),
            text: plan(report),
            before,
            after,
        }
    }
}

impl SideEntry {
    fn new(
        side: Side,
        result: Result<(), Refusal>,
        report: &MergeReport,
        scenario: &Scenario,
    ) -> Self {
        let scene = report.scene.as_deref();
        let why = result.err();
        let detail = scene
            .zip(why)
            .and_then(|(scene, why)| reason::detail(why, side, scene, scenario));
        Self {
            fits: result.is_ok(),
            reason: why.map(Refusal::id),
            flags: mnemonics(why.and_then(Refusal::flags).unwrap_or_default()),
            detail,
            vma: scene
                .and_then(|scene| side.of(scene))
                .map(|vma| ViewEntry::new(vma, scenario)),
        }
    }
}

impl ViewEntry {
    fn new(vma: &VmaView, scenario: &Scenario) -> Self {
        Self {
            range: range(vma.range),
            perms: vma.flags.perms().map(char::from).iter().collect(),
            object: reason::object(vma, scenario),
            flags: mnemonics(vma.flags),
            anon_vma: vma.anon_vma.map(sim_core::AnonVmaId::get),
            chain: vma.chain.iter().map(|id| id.get()).collect(),
        }
    }
}

impl OtherEntry {
    fn new(other: &Otherwise) -> Self {
        Self {
            kernel: other.kernel.name(),
            same: other.is_same(),
            result: other.result.as_ref().map(|(_, there)| there.clone()),
            events: other.events.clone(),
            layout: other.layout.clone(),
        }
    }
}

fn range(range: sim_core::PageRange) -> Range {
    Range {
        start: format!("{:#x}", range.start()),
        end: format!("{:#x}", range.end()),
    }
}

fn mnemonics(flags: VmFlags) -> Vec<&'static str> {
    flags.mnemonics().collect()
}
