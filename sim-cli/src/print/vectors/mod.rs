//! Conformance vectors as JSON; the format is in docs/vectors.md.

mod call;
mod setup;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sim_core::{Call, Outcome, Pid, Setup, Snapshot};
use sim_scenario::ProcessDocument;

/// The number of the format.
const VERSION: u32 = 1;

/// All vectors.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    format: &'static str,
    version: u32,
    page_size: u64,
    vectors: &'a [Vector],
}

impl<'a> Document<'a> {
    /// Of vectors.
    pub(crate) const fn new(vectors: &'a [Vector]) -> Self {
        Self {
            format: "vmsim-vectors",
            version: VERSION,
            page_size: sim_core::PAGE_SIZE,
            vectors,
        }
    }
}

/// A sequence of calls with what each comes to.
#[derive(Serialize)]
pub(crate) struct Vector {
    name: String,
    kernel: &'static str,
    arch: &'static str,
    verified_on: Option<String>,
    setup: Value,
    steps: Vec<VectorStep>,
}

/// A call and what it comes to.
#[derive(Serialize)]
struct VectorStep {
    process: String,
    call: Map<String, Value>,
    result: Value,
    /// Processes whose state is not what it was after the step before.
    state: Vec<Process>,
    /// Processes that ended in this step.
    ended: Vec<String>,
}

#[derive(Serialize)]
struct Process {
    name: String,
    vmas: Vec<Vma>,
    pages: Value,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the run document")]
struct Vma {
    start: String,
    end: String,
    perms: String,
    offset: String,
    file: Option<String>,
    label: Option<String>,
    flags: Vec<String>,
    anon_vma: Option<bool>,
}

/// The names of processes.
pub(crate) type Names<'a> = &'a dyn Fn(Pid) -> String;

/// Puts a vector together, a call at a time.
pub(crate) struct Recorder {
    vector: Vector,
    last: BTreeMap<Pid, (String, Snapshot)>,
    setup: Setup,
}

impl Recorder {
    /// Before the first call.
    pub(crate) fn new(name: String, setup: &Setup, verified_on: Option<String>) -> Self {
        Self {
            vector: Vector {
                name,
                kernel: setup.profile.name(),
                arch: setup.arch.name(),
                verified_on,
                setup: setup::document(setup),
                steps: Vec::new(),
            },
            last: BTreeMap::from([(Pid::MAIN, ("main".to_owned(), Snapshot::default()))]),
            setup: setup.clone(),
        }
    }

    /// A call was made; these are the processes after it.
    pub(crate) fn record(
        &mut self,
        (pid, call): (Pid, &Call),
        outcome: Outcome,
        states: Vec<(Pid, Snapshot)>,
        names: Names<'_>,
    ) {
        let child = match call {
            Call::Fork { child, .. } => Some(names(*child)),
            _ => None,
        };
        let process = self
            .last
            .get(&pid)
            .map_or_else(|| names(pid), |(name, _)| name.clone());
        let now: BTreeMap<_, _> = states
            .into_iter()
            .map(|(pid, snapshot)| (pid, (names(pid), snapshot)))
            .collect();
        let changed = |(pid, (name, snapshot)): (&Pid, &(String, Snapshot))| {
            let same = self.last.get(pid).is_some_and(|(_, old)| old == snapshot);
            (!same).then(|| Process::new(name, snapshot))
        };
        let state = now.iter().filter_map(changed).collect();
        let gone = |(pid, _): &(&Pid, &(String, Snapshot))| !now.contains_key(pid);
        let ended = self.last.iter().filter(gone);
        let ended = ended.map(|(_, (name, _))| name.clone()).collect();
        self.vector.steps.push(VectorStep {
            process,
            call: call::call(call, &self.setup, child.as_deref()),
            result: result(outcome),
            state,
            ended,
        });
        self.last = now;
    }

    /// The vector; `None` if no call was made.
    pub(crate) fn finish(self) -> Option<Vector> {
        (!self.vector.steps.is_empty()).then_some(self.vector)
    }
}

impl Process {
    fn new(name: &str, snapshot: &Snapshot) -> Self {
        let document = ProcessDocument::of(name, snapshot);
        let vmas = document.vmas.into_iter().map(|vma| Vma {
            start: vma.start,
            end: vma.end,
            perms: vma.perms,
            offset: vma.offset,
            file: vma.file,
            label: vma.label,
            flags: vma.flags,
            anon_vma: vma.anon_vma,
        });
        Self {
            name: name.to_owned(),
            vmas: vmas.collect(),
            pages: serde_json::to_value(document.pages).unwrap_or_default(),
        }
    }
}

/// As `vmsim run --json` has it.
fn result(outcome: Outcome) -> Value {
    let (key, value) = match outcome {
        Outcome::Value(value) => ("value", format!("{value:#x}")),
        Outcome::Errno(errno) => ("errno", errno.name().to_owned()),
        Outcome::Signal(signal) => ("signal", signal.name().to_owned()),
        Outcome::UffdWait | Outcome::Livelock => ("outcome", outcome.to_string()),
    };
    Value::Object(Map::from_iter([(key.to_owned(), Value::String(value))]))
}
