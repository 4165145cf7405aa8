//! How many VMAs each process had at most, and which step got there.

use sim_core::Pid;
use sim_fork::SimBackend;
use sim_scenario::StepReport;
use sim_scenario::scenario::Op;

/// From this share of the limit on, in percent, a peak is shown unasked.
const NOTEWORTHY: usize = 80;

/// The most VMAs that a process had after a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peak {
    /// The process.
    pub(crate) process: String,
    /// How many.
    pub(crate) vmas: usize,
    /// The first step after which it had as many.
    pub(crate) step: usize,
}

/// The peaks of a run, in the order in which processes ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks {
    peaks: Vec<Peak>,
}

impl Peaks {
    /// Notes what there is after a step of a process.
    pub(crate) fn note(&mut self, report: &StepReport<'_>, pid: Pid, machine: &dyn SimBackend) {
        let step = report.step.index;
        self.count(&report.step.process, machine.map_count(pid).ok(), step);
        if let (Op::Fork { name, .. }, true) = (&report.step.op, report.is_ok()) {
            // A child is the youngest process; numbers ascend.
            let child = machine.processes().last().copied();
            let vmas = child.and_then(|child| machine.map_count(child).ok());
            self.count(name, vmas, step);
        }
    }

    fn count(&mut self, process: &str, vmas: Option<usize>, step: usize) {
        let Some(vmas) = vmas else { return };
        match self.peaks.iter_mut().find(|peak| peak.process == process) {
            Some(peak) if peak.vmas >= vmas => {}
            Some(peak) => (peak.vmas, peak.step) = (vmas, step),
            None => self.peaks.push(Peak {
                process: process.to_owned(),
                vmas,
                step,
            }),
        }
    }

    /// Those that are close to the limit, or all of them.
    pub(crate) fn shown(self, limit: usize, all: bool) -> Vec<Peak> {
        let mut peaks = self.peaks;
        peaks.retain(|peak| all || peak.vmas * 100 >= limit * NOTEWORTHY);
        peaks
    }
}
