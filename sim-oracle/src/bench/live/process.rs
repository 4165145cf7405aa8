//! The process that makes the system calls.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sim_core::BackendError;

use super::super::{BenchError, Contestant, Effort, Player, Repeat, Spec};
use super::{System, check, talk};

/// A process that measures system calls on itself. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Kernel {
    pid: libc::pid_t,
    stream: UnixStream,
}

impl Kernel {
    /// Starts a process for a measurement. To be called before the program has threads.
    ///
    /// # Errors
    /// If this machine has no room for the measurement, or the process cannot be made.
    pub fn start(spec: &Spec) -> Result<Self, BenchError> {
        check(spec)?;
        let (stream, theirs) = UnixStream::pair().map_err(|error| broken(&error))?;
        // SAFETY: the program has one thread, so the child may do what it likes.
        let pid = unsafe { libc::fork() };
        match pid {
            0 => {
                drop(stream);
                serve(&theirs, spec);
            }
            1.. => Ok(Self { pid, stream }),
            _ => Err(broken(&io::Error::last_os_error())),
        }
    }

    /// Makes what must be there before, and warms up.
    ///
    /// # Errors
    /// If the kernel refuses what the workload needs.
    pub fn prepare(&mut self) -> Result<(), BenchError> {
        self.ask(None).map(drop)
    }

    fn ask(&mut self, effort: Option<Effort>) -> Result<Repeat, BenchError> {
        talk::send_effort(&mut &self.stream, effort).map_err(|error| broken(&error))?;
        let answer = talk::receive_repeat(&mut &self.stream).map_err(|error| broken(&error))?;
        answer.map_err(BenchError::NotPossible)
    }
}

impl Contestant for Kernel {
    fn repeat(&mut self, effort: Effort) -> Result<Repeat, BenchError> {
        self.ask(Some(effort))
    }

    fn vmas(&self) -> Option<usize> {
        None
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // SAFETY: the process is a child that nobody else waits for, so the number is still its.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// The life of the process: answers until nobody asks.
fn serve(stream: &UnixStream, spec: &Spec) -> ! {
    // SAFETY: a system call on this process alone.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let mut player = None;
    while let Ok(effort) = talk::receive_effort(&mut &*stream) {
        let answer = catch_unwind(AssertUnwindSafe(|| answer(&mut player, spec, effort)));
        let answer = answer.unwrap_or_else(|_| Err("the measuring process panicked".to_owned()));
        if talk::send_repeat(&mut &*stream, &answer).is_err() {
            break;
        }
    }
    // SAFETY: ends this process without running what its parent registered.
    unsafe { libc::_exit(0) }
}

fn answer(
    player: &mut Option<Player<System>>,
    spec: &Spec,
    effort: Option<Effort>,
) -> Result<Repeat, String> {
    let player = if let Some(player) = player {
        player
    } else {
        let new = Player::new(System::new(), spec).map_err(|error| error.to_string())?;
        player.insert(new)
    };
    match effort {
        None => Ok(Repeat::default()),
        Some(effort) => player.repeat(effort).map_err(|error| error.to_string()),
    }
}

fn broken(error: &io::Error) -> BenchError {
    BackendError::Broken(format!("the measuring process: {error}")).into()
}
