//! A log as a list of calls that can be run again without the log: what `bench` measures.

use std::path::Path;
use std::sync::Arc;

use sim_core::{
    Backend, BackendError, Bytes, Call, Outcome, Pid, Setup, Snapshot, SnapshotLevel, VirtAddr,
};
use sim_fork::SimBackend;
use sim_oracle::bench::{Script, Step};
use sim_scenario::replay::strace::Trace;
use sim_scenario::replay::{ReplayTarget, replay};

use crate::ending::Trouble;
use crate::{simulator, sources};

/// What replaying a log runs.
pub(crate) fn script(path: &Path, kernel: &Setup) -> Result<Script, Trouble> {
    let trace = sources::trace(path)?;
    let setup = roomy(kernel.clone(), &trace);
    let mut recorder = Recorder {
        machine: simulator::new(&setup)?,
        steps: Vec::new(),
    };
    replay(&trace, &mut recorder).map_err(|error| simulator::trouble(&error))?;
    Ok(Script {
        setup: Arc::new(setup),
        steps: recorder.steps.into(),
    })
}

/// A roomy machine: the log's own results say what the limits were.
pub(crate) fn roomy(mut setup: Setup, trace: &Trace) -> Setup {
    setup.files.clone_from(&trace.files);
    setup.limits.privileged = true;
    setup.limits.ram = Bytes(64 << 30);
    setup
}

/// Runs and remembers.
struct Recorder {
    machine: Box<dyn SimBackend>,
    steps: Vec<Step>,
}

impl Backend for Recorder {
    fn call(&mut self, pid: Pid, call: &Call) -> Result<Outcome, BackendError> {
        let outcome = self.machine.call(pid, call)?;
        self.steps.push(Step::Call(pid, call.clone()));
        Ok(outcome)
    }

    fn snapshot(&mut self, pid: Pid, level: SnapshotLevel) -> Result<Snapshot, BackendError> {
        self.machine.snapshot(pid, level)
    }

    fn processes(&self) -> Vec<Pid> {
        self.machine.processes()
    }
}

impl ReplayTarget for Recorder {
    fn place_brk(&mut self, pid: Pid, start: VirtAddr) -> Result<(), BackendError> {
        SimBackend::place_brk(&*self.machine, pid, start)?;
        self.steps.push(Step::PlaceBrk(pid, start));
        Ok(())
    }
}
