//! The JSON document of a run (`vmsim run --json`).
//!
//! Field names and shape are those of the scenario language's contract; they do not change.

use schemars::JsonSchema;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};
use sim_core::{Outcome, PageRun, PageState, Smaps, Snapshot, VirtAddr, VmaSnapshot};
use std::collections::BTreeMap;

use crate::report::{Failure, ProcessReport, RunReport, ScheduleReport, StepReport, StepResult};
use crate::scenario::Scenario;

/// A whole run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunDocument {
    /// The scenario's title.
    pub title: String,
    /// The profile.
    pub kernel: String,
    /// The architecture.
    pub arch: String,
    /// Whether every step came out as expected.
    pub ok: bool,
    /// Every step that ran.
    pub steps: Vec<StepDocument>,
    /// Every process that is alive at the end.
    pub processes: Vec<ProcessDocument>,
    /// Under which schedules it ran, if it has `parallel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<SchedulesDocument>,
}

/// The schedules of a scenario with `parallel`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SchedulesDocument {
    /// What they are made from.
    pub seed: u64,
    /// How many ran; number 0 is one thread after another.
    pub ran: u32,
    /// The numbers of those in which something was not as expected.
    pub failed: Vec<u32>,
    /// The number of the one that this document shows: the first that failed, otherwise 0.
    pub shown: u32,
}

impl SchedulesDocument {
    fn new(report: &ScheduleReport) -> Self {
        Self {
            seed: report.seed,
            ran: report.ran,
            failed: report.failed.clone(),
            shown: report.shown,
        }
    }
}

/// A step that ran once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// The outermost step's place, counted from 0.
    pub index: usize,
    /// The operation.
    pub op: String,
    /// The process.
    pub process: String,
    /// What it came to.
    pub result: ResultDocument,
    /// Whether that is as expected.
    pub ok: bool,
    /// What is not as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureDocument>,
}

/// An outcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultDocument {
    /// Success: a hex number.
    Value(String),
    /// An error's name.
    Errno(String),
    /// A signal's name.
    Signal(String),
    /// `UFFD_WAIT` or `LIVELOCK`.
    Outcome(String),
    /// The step was not run, and why.
    NotRun(String),
}

/// An expectation that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailureDocument {
    /// The line of the scenario, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// What was expected and what is.
    pub cause: String,
}

/// The final state of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProcessDocument {
    /// Its name.
    pub name: String,
    /// Its VMAs, ascending.
    pub vmas: Vec<VmaDocument>,
    /// Runs of pages in the same state, ascending.
    pub pages: Vec<PagesDocument>,
}

/// A VMA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VmaDocument {
    /// The first address, in hex.
    pub start: String,
    /// The address after the last one, in hex.
    pub end: String,
    /// The permissions, as in maps.
    pub perms: String,
    /// The offset in bytes, in hex.
    pub offset: String,
    /// The file's name.
    pub file: Option<String>,
    /// The anonymous name.
    pub label: Option<String>,
    /// The two-letter flags of smaps, in its order.
    pub flags: Vec<String>,
    /// Whether it has an `anon_vma`; `null` where that cannot be known.
    pub anon_vma: Option<bool>,
    /// Every counter of smaps, in kB.
    pub smaps: Counters,
}

/// The counters of smaps by name, in smaps' order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters(pub Smaps);

impl Serialize for Counters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.counters())
    }
}

impl<'de> Deserialize<'de> for Counters {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut smaps = Smaps::default();
        for (name, value) in BTreeMap::<String, u64>::deserialize(deserializer)? {
            if let Some(counter) = smaps.counter_mut(&name) {
                *counter = value;
            }
        }
        Ok(Self(smaps))
    }
}

impl JsonSchema for Counters {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Counters".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeMap::<String, u64>::json_schema(generator)
    }
}

/// A run of pages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PagesDocument {
    /// The first address, in hex.
    pub start: String,
    /// How many pages.
    pub count: u64,
    /// Their state.
    #[serde(flatten)]
    pub state: StateDocument,
}

/// The state of a page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StateDocument {
    /// Mapped.
    Present {
        /// Pagemap bit 56: mapped exactly once.
        exclusive: bool,
        /// Pagemap bit 61: of a file or of shared memory.
        file: bool,
        /// Mapped by a PMD.
        huge: bool,
        /// Pagemap bit 57.
        uffd_wp: bool,
        /// Pagemap bit 55.
        soft_dirty: bool,
    },
    /// Swapped out.
    Swap {
        /// Pagemap bit 57.
        uffd_wp: bool,
        /// Pagemap bit 55.
        soft_dirty: bool,
    },
    /// A guard marker.
    Guard,
    /// A poison marker.
    Poison,
    /// A userfaultfd write-protection marker.
    Marker,
    /// Being migrated.
    Migration,
}

impl RunDocument {
    /// The document of a run.
    pub fn new(report: &RunReport<'_>) -> Self {
        let scenario = report.scenario;
        Self {
            title: scenario.title.clone(),
            kernel: report.kernel().name().to_owned(),
            arch: report.arch().name().to_owned(),
            ok: report.is_ok(),
            steps: report
                .steps
                .iter()
                .map(|step| StepDocument::new(step, scenario))
                .collect(),
            processes: report.processes.iter().map(ProcessDocument::new).collect(),
            schedules: report.schedules.as_ref().map(SchedulesDocument::new),
        }
    }
}

/// The same JSON as that of [`RunDocument`], written without building the document: a run may have
/// millions of steps.
impl Serialize for RunReport<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("RunDocument", 7)?;
        document.serialize_field("title", &self.scenario.title)?;
        document.serialize_field("kernel", self.kernel().name())?;
        document.serialize_field("arch", self.arch().name())?;
        document.serialize_field("ok", &self.is_ok())?;
        document.serialize_field("steps", &Steps(self))?;
        let processes: Vec<_> = self.processes.iter().map(ProcessDocument::new).collect();
        document.serialize_field("processes", &processes)?;
        match &self.schedules {
            Some(report) => {
                document.serialize_field("schedules", &SchedulesDocument::new(report))?;
            }
            None => document.skip_field("schedules")?,
        }
        document.end()
    }
}

struct Steps<'r, 's>(&'r RunReport<'s>);

impl Serialize for Steps<'_, '_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report) = self;
        let step = |step| StepDocument::new(step, report.scenario);
        serializer.collect_seq(report.steps.iter().map(step))
    }
}

impl StepDocument {
    /// The document of a step.
    pub fn new(report: &StepReport<'_>, scenario: &Scenario) -> Self {
        let failure = |failure: &Failure| {
            let place = failure.place(scenario);
            FailureDocument {
                line: place.line,
                column: place.column,
                cause: failure.cause.clone(),
            }
        };
        Self {
            index: report.step.index,
            op: report.step.op.name().to_owned(),
            process: report.step.process.clone(),
            result: ResultDocument::new(report),
            ok: report.is_ok(),
            failures: report.failures.iter().map(failure).collect(),
        }
    }
}

impl ResultDocument {
    /// What a step came to.
    pub fn new(report: &StepReport<'_>) -> Self {
        match report.result {
            StepResult::Call(Outcome::Value(value)) => Self::Value(format!("{value:#x}")),
            StepResult::Call(Outcome::Errno(errno)) => Self::Errno(errno.name().to_owned()),
            StepResult::Call(Outcome::Signal(signal)) => Self::Signal(signal.name().to_owned()),
            StepResult::Call(outcome @ (Outcome::UffdWait | Outcome::Livelock)) => {
                Self::Outcome(outcome.to_string())
            }
            StepResult::Checked => Self::Value("0x0".to_owned()),
            StepResult::NotRun => Self::NotRun(
                report
                    .failures
                    .first()
                    .map_or_else(String::new, |failure| failure.cause.clone()),
            ),
        }
    }
}

impl ProcessDocument {
    fn new(process: &ProcessReport<'_>) -> Self {
        Self::of(process.name, &process.snapshot)
    }

    /// The state of a process.
    pub fn of(name: &str, snapshot: &Snapshot) -> Self {
        Self {
            name: name.to_owned(),
            vmas: snapshot.vmas.iter().map(VmaDocument::new).collect(),
            pages: joined(&snapshot.pages)
                .iter()
                .map(PagesDocument::new)
                .collect(),
        }
    }
}

impl VmaDocument {
    fn new(vma: &VmaSnapshot) -> Self {
        Self {
            start: hex(vma.range.start()),
            end: hex(vma.range.end()),
            perms: vma.flags.perms().map(char::from).iter().collect(),
            offset: format!("{:#x}", vma.offset),
            file: vma.file.clone(),
            label: vma.label.clone(),
            flags: vma.flags.mnemonics().map(str::to_owned).collect(),
            anon_vma: vma.anon_vma,
            smaps: Counters(vma.smaps.clone()),
        }
    }
}

impl PagesDocument {
    fn new(run: &PageRun) -> Self {
        Self {
            start: hex(run.range.start()),
            count: run.range.pages(),
            state: StateDocument::new(run.state),
        }
    }
}

impl StateDocument {
    fn new(state: PageState) -> Self {
        match state {
            PageState::Present {
                exclusive,
                file,
                huge,
                uffd_wp,
                soft_dirty,
            } => Self::Present {
                exclusive,
                file,
                huge,
                uffd_wp,
                soft_dirty,
            },
            PageState::Swap {
                uffd_wp,
                soft_dirty,
            } => Self::Swap {
                uffd_wp,
                soft_dirty,
            },
            PageState::Guard => Self::Guard,
            PageState::Poison => Self::Poison,
            PageState::Marker => Self::Marker,
            PageState::Migration => Self::Migration,
        }
    }
}

/// Neighbouring runs in the same state as one.
fn joined(runs: &[PageRun]) -> Vec<PageRun> {
    let mut out: Vec<PageRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match out.last_mut() {
            Some(last) if last.state == run.state && last.range.end() == run.range.start() => {
                last.range = sim_core::PageRange::new(last.range.start(), run.range.end());
            }
            _ => out.push(*run),
        }
    }
    out
}

fn hex(addr: VirtAddr) -> String {
    format!("{addr:#x}")
}
