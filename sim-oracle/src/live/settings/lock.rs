//! Settings are the machine's: several processes that want some have to agree.
//!
//! Each holds a shared lock on a file while it needs its settings. Who has the lock for itself may
//! change them, and whoever is the last restores what was before, which stands in the file, so that
//! it is known even if the one that changed it was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use super::{Settings, apply, holds, is_setting, restore};
use crate::live::LiveError;

/// The file; only root can write there.
const PATH: &str = "/run/vmsim-live.settings";

/// So long a process waits for others that need other settings.
const PATIENCE: Duration = Duration::from_secs(120);

/// Settings in force, shared with other processes.
pub(super) struct Lock(File);

impl Lock {
    /// Brings settings in force.
    pub(super) fn acquire(wanted: &Settings) -> Result<Self, LiveError> {
        let mut lock = Self(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(PATH)?,
        );
        let begin = Instant::now();
        loop {
            if lock.flock(libc::LOCK_EX | libc::LOCK_NB) {
                restore(&lock.saved()?);
                lock.save(&apply(wanted)?)?;
                lock.flock(libc::LOCK_SH);
                return Ok(lock);
            }
            if lock.flock(libc::LOCK_SH | libc::LOCK_NB) && holds(wanted) {
                return Ok(lock);
            }
            lock.flock(libc::LOCK_UN);
            if begin.elapsed() > PATIENCE {
                return Err(LiveError::NotPossible(
                    "another process needs other settings of the machine".to_owned(),
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was before, as far as it was changed.
    pub(super) fn saved(&mut self) -> io::Result<Settings> {
        let mut text = String::new();
        self.0.rewind()?;
        self.0.read_to_string(&mut text)?;
        let pairs = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(path, _)| is_setting(path));
        Ok(pairs
            .map(|(path, value)| (path.to_owned(), value.to_owned()))
            .collect())
    }

    fn save(&mut self, before: &Settings) -> io::Result<()> {
        let lines: Vec<_> = before
            .iter()
            .map(|(path, value)| format!("{path}={value}\n"))
            .collect();
        let text = lines.concat();
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(text.as_bytes())
    }

    fn flock(&self, operation: i32) -> bool {
        // SAFETY: an operation on a descriptor of ours.
        unsafe { libc::flock(self.0.as_raw_fd(), operation) == 0 }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The attempt gives up the shared lock, so that of several that end at once one is the last.
        if self.flock(libc::LOCK_EX | libc::LOCK_NB)
            && let Ok(before) = self.saved()
        {
            restore(&before);
            let _ = self.save(&Settings::new());
        }
    }
}
