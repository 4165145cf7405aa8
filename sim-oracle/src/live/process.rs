//! A simulated process: its worker and the descriptors it has.

use std::fs::File;
use std::io;

use sim_core::FileId;

use super::files::Files;
use super::worker::Worker;
use super::worker::command::Op;
use super::worker::region::Region;

/// A process of the run.
pub(super) struct Process {
    worker: Worker,
    /// The number of its address space, which processes that share it have in common.
    space: u32,
    /// Its descriptors for the run's files.
    files: Vec<u64>,
    /// Its userfaultfd, once it has one.
    pub(super) uffd: Option<u64>,
    smaps: Option<File>,
    pagemap: Option<File>,
}

impl Process {
    pub(super) const fn new(worker: Worker, space: u32) -> Self {
        Self {
            worker,
            space,
            files: Vec::new(),
            uffd: None,
            smaps: None,
            pagemap: None,
        }
    }

    pub(super) const fn worker(&self) -> &Worker {
        &self.worker
    }

    pub(super) fn into_worker(self) -> Worker {
        self.worker
    }

    /// What a new process does first.
    pub(super) fn begin(&self, region: &Region) -> io::Result<()> {
        let death = Op::syscall(
            libc::SYS_prctl,
            [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64],
        );
        let ops = [self.worker.signal_stack(region), death];
        self.worker.prepare(region, &ops).map(drop)
    }

    /// Opens the run's files; children inherit them, so that all share one open file.
    pub(super) fn open_files(&mut self, region: &Region, files: &Files) -> io::Result<()> {
        for path in files.paths() {
            let mut bytes = path.into_bytes();
            bytes.push(0);
            self.worker.put(region, 0, &bytes);
            let op = Op::syscall(
                libc::SYS_openat,
                [
                    libc::AT_FDCWD as u64,
                    self.worker.data_address(),
                    libc::O_RDWR as u64,
                ],
            );
            self.files.push(self.worker.prepare(region, &[op])?[0]);
        }
        Ok(())
    }

    /// The child of a fork, in an address space.
    pub(super) fn child(&self, worker: Worker, space: u32) -> Self {
        Self {
            files: self.files.clone(),
            uffd: self.uffd.filter(|_| space == self.space),
            ..Self::new(worker, space)
        }
    }

    /// The number of its address space.
    pub(super) const fn space(&self) -> u32 {
        self.space
    }

    /// Its descriptor for a file; one that is not open for none.
    pub(super) fn descriptor(&self, file: Option<FileId>) -> u64 {
        file.and_then(|file| self.files.get(file.0 as usize))
            .copied()
            .unwrap_or(u64::MAX)
    }

    /// Forgets what belonged to the old address space.
    pub(super) fn forget_space(&mut self, new: u32) {
        self.space = new;
        self.uffd = None;
        self.smaps = None;
        self.pagemap = None;
    }

    pub(super) fn smaps(&mut self) -> io::Result<&File> {
        let path = format!("/proc/{}/smaps", self.worker.pid());
        open(&mut self.smaps, &path)
    }

    pub(super) fn pagemap(&mut self) -> io::Result<&File> {
        let path = format!("/proc/{}/pagemap", self.worker.pid());
        open(&mut self.pagemap, &path)
    }
}

fn open<'a>(file: &'a mut Option<File>, path: &str) -> io::Result<&'a File> {
    match file {
        Some(file) => Ok(file),
        None => Ok(file.insert(File::open(path)?)),
    }
}
