//! Which task of the log belongs to which simulated process.

use std::collections::HashMap;

use sim_core::Pid;

use super::strace::Task;

/// A process of the replay.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// Its number in the back end.
    pub(super) pid: Pid,
    /// Its first task.
    pub(super) leader: Task,
    /// What is known of its address space.
    pub(super) image: Image,
    /// Its live tasks.
    tasks: u32,
}

/// What is known of an address space, since the log told it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Image {
    /// The break has been placed.
    pub(super) brk: bool,
    /// What is above the first mapping that the kernel placed has been adopted.
    pub(super) ceiling: bool,
}

/// Tasks and processes.
#[derive(Default)]
pub(super) struct Processes {
    tasks: HashMap<Task, Pid>,
    live: HashMap<Pid, Process>,
    created: u32,
}

impl Processes {
    /// The process that a task belongs to.
    pub(super) fn of(&self, task: Task) -> Option<&Process> {
        self.live.get(self.tasks.get(&task)?)
    }

    /// The image of a task's process, to note what became known.
    pub(super) fn image_mut(&mut self, task: Task) -> Option<&mut Image> {
        let pid = self.tasks.get(&task)?;
        self.live.get_mut(pid).map(|process| &mut process.image)
    }

    /// Has no process been created?
    pub(super) fn none_yet(&self) -> bool {
        self.created == 0
    }

    /// A live process, the oldest one.
    pub(super) fn any(&self) -> Option<Pid> {
        self.live.keys().copied().min()
    }

    /// The number that the next process gets.
    pub(super) fn next_pid(&self) -> Pid {
        Pid(self.created)
    }

    /// A new process with [`next_pid`](Self::next_pid).
    pub(super) fn add(&mut self, leader: Task, image: Image) -> Pid {
        let pid = self.next_pid();
        self.created += 1;
        self.tasks.insert(leader, pid);
        let process = Process {
            pid,
            leader,
            image,
            tasks: 1,
        };
        self.live.insert(pid, process);
        pid
    }

    /// A new thread of a task's process.
    pub(super) fn add_thread(&mut self, of: Task, thread: Task) {
        if let Some(&pid) = self.tasks.get(&of) {
            self.tasks.insert(thread, pid);
            if let Some(process) = self.live.get_mut(&pid) {
                process.tasks += 1;
            }
        }
    }

    /// Ends a task; returns its process if that was the last one.
    pub(super) fn end_task(&mut self, task: Task) -> Option<Process> {
        let pid = self.tasks.remove(&task)?;
        let process = self.live.get_mut(&pid)?;
        process.tasks = process.tasks.saturating_sub(1);
        if process.tasks == 0 {
            self.live.remove(&pid)
        } else {
            None
        }
    }

    /// Ends a task's process.
    pub(super) fn end_process(&mut self, task: Task) -> Option<Process> {
        let pid = *self.tasks.get(&task)?;
        self.tasks.retain(|_, of| *of != pid);
        self.live.remove(&pid)
    }

    /// A fresh image: the other threads are gone.
    pub(super) fn exec(&mut self, task: Task) {
        let Some(&pid) = self.tasks.get(&task) else {
            return;
        };
        if let Some(process) = self.live.get_mut(&pid) {
            process.image = Image::default();
            if process.tasks > 1 {
                process.tasks = 1;
                self.tasks.retain(|other, of| *of != pid || *other == task);
            }
        }
    }

    /// The processes that have not ended, by number.
    pub(super) fn into_live(self) -> Vec<Process> {
        let mut live: Vec<_> = self.live.into_values().collect();
        live.sort_by_key(|process| process.pid);
        live
    }
}
