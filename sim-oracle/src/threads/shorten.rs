//! A finding with fewer calls.
//!
//! The same calls do not lead to it every time, so a shorter history counts as good if it does once
//! in a number of tries; and all of it ends after some time.

use std::time::{Duration, Instant};

use sim_core::BackendError;

use super::history::History;
use super::scenario;
use super::{Finding, Found, Runner};

/// How long histories are made shorter.
const TIME: Duration = Duration::from_secs(60);

/// Tries of one history.
const TRIES: u32 = 300;

impl Runner {
    /// Leaves out what is not needed, and renders the rest.
    pub(super) fn reduce(
        &mut self,
        run: u64,
        history: History,
        finding: Finding,
    ) -> Result<Found, BackendError> {
        let original = history.calls();
        let (history, finding) = match finding {
            // The threads are lost.
            Finding::Hang => (history, finding),
            _ => self.shorten(history, finding)?,
        };
        let again = match finding {
            Finding::Hang => (0, 0),
            _ => self.count(&history, &finding)?,
        };
        let scenario = scenario::render(&history, &finding);
        Ok(Found {
            run,
            finding,
            history,
            original,
            again,
            scenario,
        })
    }

    fn shorten(
        &mut self,
        history: History,
        finding: Finding,
    ) -> Result<(History, Finding), BackendError> {
        let end = Instant::now() + TIME;
        let mut best = (history, finding);
        loop {
            let mut shorter = false;
            let mut place = Place::first(&best.0);
            while let Some(at) = place {
                if Instant::now() > end {
                    return Ok(best);
                }
                let mut smaller = best.0.clone();
                at.remove(&mut smaller);
                match self.leads_to(&smaller, &best.1, end)? {
                    Some(Finding::Hang) => return Ok((smaller, Finding::Hang)),
                    Some(finding) => {
                        best = (smaller, finding);
                        shorter = true;
                        place = Some(at).filter(|at| at.exists(&best.0));
                        place = place.or_else(|| at.next(&best.0));
                    }
                    None => place = at.next(&best.0),
                }
            }
            if !shorter {
                return Ok(best);
            }
        }
    }

    /// Does it lead to a finding of the same kind?
    fn leads_to(
        &mut self,
        history: &History,
        wanted: &Finding,
        end: Instant,
    ) -> Result<Option<Finding>, BackendError> {
        for seed in 0..TRIES {
            let (_, finding) = self.judge(history, u64::from(seed))?;
            if let Some(finding) = finding
                && (same_kind(&finding, wanted) || finding == Finding::Hang)
            {
                return Ok(Some(finding));
            }
            if Instant::now() > end {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn count(&mut self, history: &History, wanted: &Finding) -> Result<(u32, u32), BackendError> {
        let mut again = 0;
        for seed in 0..TRIES {
            let (_, finding) = self.judge(history, u64::from(seed))?;
            match finding {
                Some(Finding::Hang) => return Ok((again, seed)),
                Some(finding) => again += u32::from(same_kind(&finding, wanted)),
                None => {}
            }
        }
        Ok((again, TRIES))
    }
}

fn same_kind(one: &Finding, other: &Finding) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// A call of a history.
#[derive(Clone, Copy)]
enum Place {
    Before(usize),
    Thread(usize, usize),
}

impl Place {
    fn first(history: &History) -> Option<Self> {
        let place = Self::Before(0);
        if place.exists(history) {
            Some(place)
        } else {
            place.next(history)
        }
    }

    fn exists(self, history: &History) -> bool {
        match self {
            Self::Before(at) => at < history.before.len(),
            Self::Thread(thread, at) => history.threads.get(thread).is_some_and(|t| at < t.len()),
        }
    }

    fn next(self, history: &History) -> Option<Self> {
        let (mut thread, at) = match self {
            Self::Before(at) if at + 1 < history.before.len() => {
                return Some(Self::Before(at + 1));
            }
            Self::Before(_) => (0, 0),
            Self::Thread(thread, at) => (thread, at + 1),
        };
        let mut place = Self::Thread(thread, at);
        while !place.exists(history) {
            thread += 1;
            if thread >= history.threads.len() {
                return None;
            }
            place = Self::Thread(thread, 0);
        }
        Some(place)
    }

    fn remove(self, history: &mut History) {
        match self {
            Self::Before(at) => drop(history.before.remove(at)),
            Self::Thread(thread, at) => drop(history.threads[thread].remove(at)),
        }
    }
}
