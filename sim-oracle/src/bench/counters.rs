//! What operations of a workload do to VMAs, counted.

use std::collections::BTreeMap;

use sim_core::{Event, MergeReport, Setup};
use sim_sync::tally;

use super::round::run_all;
use super::{BenchError, Player, Shape, Simulated, Spec, StoreName, Target as _, Workload};

/// How often something happens, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Operations during which it was counted.
    pub ops: u64,
    /// Splits, merges by case, refusals by reason (`refused.REASON`), what
    /// [`tally`] counts (nodes, allocations, locks), and so on.
    pub counts: BTreeMap<String, u64>,
}

impl Count {
    fn one(&mut self, name: impl Into<String>) {
        *self.counts.entry(name.into()).or_default() += 1;
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Merge(report) => self.merge(report),
            Event::Split { .. } => self.one("split"),
            Event::Refused { why, .. } => self.one(format!("refused.{}", why.id())),
            Event::Insert { .. } => self.one("insert"),
            Event::Remove { .. } => self.one("remove"),
            Event::Shrink { .. } => self.one("shrink"),
            Event::Collapse { result, .. } => self.one(format!("collapse.{}", result.name())),
            Event::AnonVma { reused: true, .. } => self.one("anon_vma.reused"),
            Event::AnonVma { reused: false, .. } => self.one("anon_vma.new"),
            // Tallied, those of page tables too.
            Event::Locked { .. } => {}
            Event::Downgraded => self.one("lock.downgraded"),
        }
    }

    fn merge(&mut self, report: &MergeReport) {
        self.one("merge.considered");
        match (report.decision.plan, report.failed) {
            (Some(plan), None) => self.one(format!("merge.{}", plan.case.name())),
            (Some(_), Some(why)) => self.one(format!("refused.{}", why.id())),
            (None, _) => {
                for side in [report.decision.left, report.decision.right] {
                    if let Err(why) = side {
                        self.one(format!("refused.{}", why.id()));
                    }
                }
            }
        }
    }
}

/// Runs two rounds of a workload on a machine of its own and counts: events in one, and in the
/// other, since recording them looks up what it tells of, what [`tally`] counts.
///
/// # Errors
/// If the workload cannot be run.
pub fn count(spec: &Spec, store: StoreName, kernel: &Setup) -> Result<Count, BenchError> {
    let spec = Spec {
        threads: 1,
        ..spec.clone()
    };
    let target = Simulated::new(store, &spec.setup(kernel))?;
    let mut player = Player::new(target, &spec)?;
    let (_, events) = play(&mut player, true)?;
    // What is recorded is a part of that workload.
    let (mut count, _) = play(&mut player, spec.workload == Workload::MergeRefused)?;
    for event in &events {
        count.event(event);
    }
    Ok(count)
}

/// A round, with what was tallied and recorded meanwhile.
fn play(player: &mut Player<Simulated>, record: bool) -> Result<(Count, Vec<Event>), BenchError> {
    let round = player.next_round(Shape::Bulk);
    player.before(&round)?;
    let target = player.target_mut();
    target.record_events(record)?;
    target.take_events()?;
    tally::set_wanted(true);
    tally::take().for_each(drop);
    round.timed.run(target)?;
    tally::set_wanted(false);
    let counted = tally::take().filter(|(_, number)| *number > 0);
    let counts = counted.map(|(what, number)| (what.name().to_owned(), number));
    let count = Count {
        ops: round.ops,
        counts: counts.collect(),
    };
    // A script may have ended the first process, and its events with it.
    let events = target.take_events().unwrap_or_default();
    run_all(target, &round.after)?;
    Ok((count, events))
}
