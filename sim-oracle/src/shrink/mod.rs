//! Making a failing list of calls as short and as simple as possible.

mod simpler;

use std::collections::BTreeSet;

use sim_core::{Call, Pid};

use crate::lockstep::Divergence;

/// Runs a list of calls afresh; the difference it leads to.
pub type Test<'a> = dyn FnMut(&[(Pid, Call)]) -> Option<Divergence> + 'a;

/// A failing list of calls and the difference at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk {
    /// The calls.
    pub calls: Vec<(Pid, Call)>,
    /// The difference.
    pub divergence: Divergence,
}

/// Shrinks a failing list, keeping the kind of its difference.
///
/// The result is one from which no single call can be left out. At most `tries` lists are run.
pub fn shrink(failing: Shrunk, test: &mut Test<'_>, tries: usize) -> Shrunk {
    let mut shrinker = Shrinker {
        best: failing,
        test,
        tries,
    };
    shrinker.cut_tail();
    loop {
        let before = shrinker.best.calls.clone();
        shrinker.drop_chunks();
        shrinker.simplify();
        if shrinker.best.calls == before || shrinker.tries == 0 {
            return shrinker.best;
        }
    }
}

struct Shrinker<'a, 'b> {
    best: Shrunk,
    test: &'a mut Test<'b>,
    tries: usize,
}

impl Shrinker<'_, '_> {
    /// Takes a list for the best one if it fails in the same manner.
    fn accept(&mut self, mut calls: Vec<(Pid, Call)>) -> bool {
        if self.tries == 0 {
            return false;
        }
        keep_living(&mut calls);
        self.tries -= 1;
        let wanted = self.best.divergence.difference.kind();
        match (self.test)(&calls) {
            Some(divergence) if divergence.difference.kind() == wanted => {
                self.best = Shrunk { calls, divergence };
                self.cut_tail();
                true
            }
            Some(_) | None => false,
        }
    }

    /// What comes after the difference does not matter.
    fn cut_tail(&mut self) {
        let end = self.best.divergence.index + 1;
        self.best.calls.truncate(end);
    }

    fn drop_chunks(&mut self) {
        let mut size = (self.best.calls.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < self.best.calls.len() {
                let end = (at + size).min(self.best.calls.len());
                let mut calls = self.best.calls.clone();
                calls.drain(at..end);
                if !self.accept(calls) {
                    at += size;
                }
            }
            if size == 1 {
                return;
            }
            size /= 2;
        }
    }

    fn simplify(&mut self) {
        let mut at = 0;
        while at < self.best.calls.len() {
            let (pid, call) = self.best.calls[at].clone();
            let simplified = simpler::candidates(&call).into_iter().any(|simpler| {
                let mut calls = self.best.calls.clone();
                calls[at] = (pid, simpler);
                self.accept(calls)
            });
            if !simplified {
                at += 1;
            }
        }
    }
}

/// Leaves out calls of processes that no fork before them makes: no scenario can have them.
fn keep_living(calls: &mut Vec<(Pid, Call)>) {
    let mut living = BTreeSet::from([Pid::MAIN]);
    calls.retain(|(pid, call)| {
        let lives = living.contains(pid);
        if let (Call::Fork { child, .. }, true) = (call, lives) {
            living.insert(*child);
        } else if *call == Call::Exit {
            living.remove(pid);
        }
        lives
    });
}

#[cfg(test)]
mod tests;
