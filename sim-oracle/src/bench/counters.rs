//! What operations of a workload do to VMAs, counted.

use std::collections::BTreeMap;

use sim_core::{Event, MergeReport, Setup};
use sim_sync::tally;

use super::{BenchError, Player, Shape, Simulated, Spec, StoreName, Target as _, Timed};

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

/// Runs a round of a workload on a machine of its own and counts.
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
    let round = player.next_round(Shape::Bulk);
    if let Some(setup) = &round.fresh {
        player.target_mut().fresh(setup)?;
    }
    let target = player.target();
    for step in &round.before {
        target.run(step)?;
    }
    target.record_events(true)?;
    target.take_events()?;
    let mut count = Count {
        ops: round.ops,
        ..Count::default()
    };
    tally::take().for_each(drop);
    match &round.timed {
        Timed::Steps(steps) => {
            for step in steps.iter() {
                target.run(step)?;
            }
        }
        Timed::Lookups(addresses) => {
            target.find_vmas(addresses)?;
        }
    }
    let counted = tally::take().filter(|(_, number)| *number > 0);
    let counted = counted.map(|(what, number)| (what.name().to_owned(), number));
    count.counts.extend(counted);
    // A script may have ended the first process, and its events with it.
    for event in target.take_events().unwrap_or_default() {
        count.event(&event);
    }
    Ok(count)
}
