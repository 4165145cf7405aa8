//! Snapshots from `/proc`.

use sim_core::{BackendError, Pid, Smaps, Snapshot, SnapshotLevel};

use super::error::broken;
use super::smaps::Inode;
use super::{LiveKernel, pagemap, smaps};

impl LiveKernel {
    pub(super) fn take_snapshot(
        &mut self,
        pid: Pid,
        level: SnapshotLevel,
    ) -> Result<Snapshot, BackendError> {
        if level == SnapshotLevel::All {
            self.drain.run();
        }
        let process = self
            .processes
            .get_mut(&pid)
            .ok_or(BackendError::NoSuchProcess(pid))?;
        let file = process.smaps().map_err(|e| broken(&e))?;
        smaps::read(file, &mut self.text).map_err(|e| broken(&e))?;
        let files = &self.files;
        let name = |inode: Inode, path: &str| Some(files.name(inode, path));
        let mut vmas = smaps::parse(&self.text, &name)
            .ok_or_else(|| BackendError::Broken("smaps is not as expected".to_owned()))?;
        if level == SnapshotLevel::Vma {
            for vma in &mut vmas {
                vma.smaps = Smaps::default();
            }
            return Ok(Snapshot {
                vmas,
                pages: Vec::new(),
            });
        }
        let file = process.pagemap().map_err(|e| broken(&e))?;
        let pages =
            pagemap::read(file, &vmas, self.powers.sees_entries()).map_err(|e| broken(&e))?;
        Ok(Snapshot { vmas, pages })
    }
}
