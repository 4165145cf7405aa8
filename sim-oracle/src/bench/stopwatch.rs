//! How long work takes.
//!
//! On Linux this is the time that the thread had the CPU: turns that other programs have are not
//! counted, and a busy machine measures the same, but for its caches. Time in system calls is.
//! Work of several threads at once is measured by the wall clock, since waiting for each other
//! is what they are run for.

use std::time::Instant;

/// Which time is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clock {
    /// This thread's, where the system tells it.
    Thread,
    /// Everybody's.
    Wall,
}

/// A start.
pub(super) struct Stopwatch {
    wall: Instant,
    thread: Option<u64>,
}

impl Stopwatch {
    pub(super) fn start(clock: Clock) -> Self {
        let wall = Instant::now();
        let thread = match clock {
            Clock::Thread => thread_time(),
            Clock::Wall => None,
        };
        Self { wall, thread }
    }

    /// Nanoseconds since the start.
    pub(super) fn nanoseconds(&self) -> f64 {
        match (self.thread, self.thread.and_then(|_| thread_time())) {
            (Some(start), Some(now)) => now.saturating_sub(start) as f64,
            _ => self.wall.elapsed().as_nanos() as f64,
        }
    }
}

/// Nanoseconds that this thread has had the CPU.
#[cfg(target_os = "linux")]
fn thread_time() -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place for the time lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let nanoseconds = time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned();
    (result == 0).then_some(nanoseconds)
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Option<u64> {
    None
}
