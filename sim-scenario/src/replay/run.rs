//! The driver: follows the processes of a log and runs its calls.

use sim_core::{
    BackendError, Call, Errno, MapFlags, Outcome, PageRange, Pid, Snapshot, SnapshotLevel,
    SyscallRange, VirtAddr,
};

use super::address::{Placed, mmap_at, mremap_at};
use super::adopt::{close_ceiling, fill_holes, pages_of};
use super::compare::{agrees, explanation};
use super::processes::{Image, Process, Processes};
use super::report::{Adoption, Difference, FinalImage, Report};
use super::strace::{Action, Event, Logged, Spawn, Task, Trace};
use super::target::ReplayTarget;

/// Runs the calls of a log.
///
/// The target must have been set up with [`Trace::files`].
///
/// # Errors
/// Only for trouble of the target itself; calls that come out differently are in the report.
pub fn replay<T: ReplayTarget + ?Sized>(
    trace: &Trace,
    target: &mut T,
) -> Result<Report, BackendError> {
    let mut run = Run {
        target,
        processes: Processes::default(),
        report: Report::default(),
    };
    for event in &trace.events {
        run.event(event)?;
    }
    run.finish()
}

struct Run<'a, T: ?Sized> {
    target: &'a mut T,
    processes: Processes,
    report: Report,
}

impl<T: ReplayTarget + ?Sized> Run<'_, T> {
    fn event(&mut self, event: &Event) -> Result<(), BackendError> {
        // The end of a task is told twice: by `exit` and by strace.
        let ends = matches!(event.action, Action::EndTask | Action::EndProcess);
        if !ends && self.processes.of(event.task).is_none() {
            self.meet(event.task)?;
        }
        let Some(process) = self.processes.of(event.task) else {
            self.report.orphans += u64::from(!ends);
            return Ok(());
        };
        let (pid, image) = (process.pid, process.image);
        match &event.action {
            Action::Call(call) => self.call(event, pid, image, call),
            Action::Spawn(spawn) => self.spawn(event, pid, image, *spawn),
            Action::Execve => {
                self.processes.exec(event.task);
                let outcome = self.target.call(pid, &Call::Execve { stack: None })?;
                self.judge(event, &Call::Execve { stack: None }, outcome);
                Ok(())
            }
            Action::EndTask => {
                let ended = self.processes.end_task(event.task);
                ended.map_or(Ok(()), |process| self.end(&process))
            }
            Action::EndProcess => {
                let ended = self.processes.end_process(event.task);
                ended.map_or(Ok(()), |process| self.end(&process))
            }
        }
    }

    /// A task whose beginning the log lacks gets a process with nothing in it. The back end makes
    /// processes by fork only, so another one must be alive.
    fn meet(&mut self, task: Task) -> Result<(), BackendError> {
        if !self.processes.none_yet() {
            let Some(parent) = self.processes.any() else {
                return Ok(());
            };
            let child = self.processes.next_pid();
            let fork = Call::Fork {
                child,
                share: false,
            };
            if !self.target.call(parent, &fork)?.is_ok() {
                return Ok(());
            }
            self.target.call(child, &Call::Execve { stack: None })?;
        }
        self.processes.add(task, Image::default());
        Ok(())
    }

    fn spawn(
        &mut self,
        event: &Event,
        pid: Pid,
        image: Image,
        spawn: Spawn,
    ) -> Result<(), BackendError> {
        let Logged::Value(number) = event.logged else {
            return Ok(());
        };
        let child = Task(u32::try_from(number).unwrap_or(u32::MAX));
        if spawn == Spawn::Thread {
            self.processes.add_thread(event.task, child);
            return Ok(());
        }
        let call = Call::Fork {
            child: self.processes.next_pid(),
            share: spawn.shares(),
        };
        let outcome = self.target.call(pid, &call)?;
        if outcome.is_ok() {
            self.processes.add(child, image);
        }
        let counted = Event {
            logged: Logged::Value(0),
            ..event.clone()
        };
        self.judge(&counted, &call, outcome);
        Ok(())
    }

    fn call(
        &mut self,
        event: &Event,
        pid: Pid,
        image: Image,
        call: &Call,
    ) -> Result<(), BackendError> {
        if let (Call::Brk(_), false, Logged::Value(now)) = (call, image.brk, event.logged) {
            self.target.place_brk(pid, VirtAddr::new(now))?;
            self.note_image(event.task, |image| image.brk = true);
        }
        let Placed { outcome, moved } = self.attempt(event, pid, image, call)?;
        let placed = if outcome.is_ok() {
            Placed { outcome, moved }
        } else if self.adopt_for(event, pid, call, outcome)? {
            self.attempt(event, pid, image, call)?
        } else {
            Placed { outcome, moved }
        };
        if placed.moved {
            self.report.moved += 1;
            self.judge(event, call, outcome_of(event.logged));
        } else {
            self.judge(event, call, placed.outcome);
            self.undo(event, pid, call, placed.outcome)?;
        }
        Ok(())
    }

    /// Runs the call once.
    fn attempt(
        &mut self,
        event: &Event,
        pid: Pid,
        image: Image,
        call: &Call,
    ) -> Result<Placed, BackendError> {
        match (call, event.logged) {
            (Call::Mmap(args), Logged::Value(at)) => {
                let at = VirtAddr::new(at);
                let free = args.addr == VirtAddr::ZERO
                    && !args.flags.intersects(
                        MapFlags::FIXED | MapFlags::FIXED_NOREPLACE | MapFlags::LOW_32BIT,
                    );
                if free && !image.ceiling {
                    self.adopt_above(event, pid, SyscallRange::new(at, args.len))?;
                }
                mmap_at(self.target, pid, *args, at)
            }
            (Call::Mremap(args), Logged::Value(at)) => {
                mremap_at(self.target, pid, *args, VirtAddr::new(at))
            }
            _ => Ok(Placed {
                outcome: self.target.call(pid, call)?,
                moved: false,
            }),
        }
    }

    /// The first choice of the kernel in an image shows where the mapped area ends.
    fn adopt_above(
        &mut self,
        event: &Event,
        pid: Pid,
        first: SyscallRange,
    ) -> Result<(), BackendError> {
        self.note_image(event.task, |image| image.ceiling = true);
        let Some(pages) = pages_of(first) else {
            return Ok(());
        };
        if let Some(range) = close_ceiling(self.target, pid, pages.end())? {
            self.adopted(event, range, "all above the first mapping");
        }
        Ok(())
    }

    /// A call that succeeded on the kernel failed, as something is missing: adopts it.
    fn adopt_for(
        &mut self,
        event: &Event,
        pid: Pid,
        call: &Call,
        outcome: Outcome,
    ) -> Result<bool, BackendError> {
        let missing = matches!(outcome, Outcome::Errno(Errno::ENOMEM | Errno::EFAULT));
        let pages = range_of(call).and_then(pages_of);
        let (Logged::Value(_), true, Some(pages)) = (event.logged, missing, pages) else {
            return Ok(false);
        };
        let filled = fill_holes(self.target, pid, pages)?;
        for &hole in &filled {
            self.adopted(event, hole, "in use, not mapped by the log");
        }
        Ok(!filled.is_empty())
    }

    /// What the kernel refused must not stay.
    fn undo(
        &mut self,
        event: &Event,
        pid: Pid,
        call: &Call,
        outcome: Outcome,
    ) -> Result<(), BackendError> {
        let failed = matches!(event.logged, Logged::Errno(_) | Logged::OtherError);
        if let (true, Call::Mmap(args), Outcome::Value(at)) = (failed, call, outcome) {
            let range = SyscallRange::new(VirtAddr::new(at), args.len);
            self.target.call(pid, &Call::Munmap(range))?;
        }
        Ok(())
    }

    fn judge(&mut self, event: &Event, call: &Call, outcome: Outcome) {
        let count = self.report.ops.entry(call.op()).or_default();
        count.calls += 1;
        if agrees(event.logged, outcome) {
            count.agreements += 1;
            return;
        }
        self.report.differences.push(Difference {
            line: event.line,
            task: event.task,
            op: call.op(),
            logged: event.logged,
            outcome,
            explanation: explanation(call, event.logged),
        });
    }

    fn adopted(&mut self, event: &Event, range: PageRange, what: &'static str) {
        self.report.adopted.push(Adoption {
            line: event.line,
            task: event.task,
            range,
            what,
        });
    }

    fn note_image(&mut self, task: Task, note: impl FnOnce(&mut Image)) {
        if let Some(image) = self.processes.image_mut(task) {
            note(image);
        }
    }

    fn end(&mut self, process: &Process) -> Result<(), BackendError> {
        let snapshot = self.target.snapshot(process.pid, SnapshotLevel::Vma)?;
        self.image(process, true, snapshot);
        self.target.call(process.pid, &Call::Exit)?;
        Ok(())
    }

    fn image(&mut self, process: &Process, ended: bool, snapshot: Snapshot) {
        self.report.images.push(FinalImage {
            task: process.leader,
            ended,
            snapshot,
        });
    }

    fn finish(mut self) -> Result<Report, BackendError> {
        for process in std::mem::take(&mut self.processes).into_live() {
            let snapshot = self.target.snapshot(process.pid, SnapshotLevel::Vma)?;
            self.image(&process, false, snapshot);
        }
        Ok(self.report)
    }
}

fn outcome_of(logged: Logged) -> Outcome {
    match logged {
        Logged::Value(value) => Outcome::Value(value),
        Logged::Errno(errno) => Outcome::Errno(errno),
        Logged::OtherError | Logged::Unknown => Outcome::OK,
    }
}

/// The existing memory that a call works on.
fn range_of(call: &Call) -> Option<SyscallRange> {
    match call {
        Call::Mprotect { range, .. }
        | Call::Madvise { range, .. }
        | Call::Mlock { range, .. }
        | Call::Munlock(range)
        | Call::Mseal(range)
        | Call::Msync(range)
        | Call::Mincore(range)
        | Call::Mbind { range, .. }
        | Call::VmaName { range, .. } => Some(*range),
        Call::Mremap(args) => Some(SyscallRange::new(args.addr, args.old_len)),
        _ => None,
    }
}
