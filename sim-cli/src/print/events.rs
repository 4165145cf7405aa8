//! What happened inside a call, in words.

use sim_core::{Event, MergeReport, PageRange, Refusal};

/// A line for an event; `None` for what goes without saying.
pub(crate) fn describe(event: &Event) -> Option<String> {
    match event {
        Event::Merge(report) => merge(report),
        Event::Split { range, at } => Some(format!("split {} at {at:#x}", addresses(*range))),
        Event::Refused { range, why } => Some(format!("{} refused: {why}", addresses(*range))),
        Event::Insert { range } => Some(format!("new VMA {}", addresses(*range))),
        Event::Remove { range } => Some(format!("removed {}", addresses(*range))),
        Event::Shrink { from, to } => {
            Some(format!("shrunk {} to {}", addresses(*from), addresses(*to)))
        }
        Event::AnonVma { range, reused } => {
            let origin = if *reused { "a neighbour's" } else { "a new" };
            Some(format!("{} has {origin} anon_vma", addresses(*range)))
        }
        Event::Collapse { range, result } => {
            Some(format!("collapse of {}: {result}", addresses(*range)))
        }
        // Their place is explain's line of locks.
        Event::Locked { .. } | Event::Downgraded => None,
    }
}

/// A lock that was taken or downgraded, in words.
pub(crate) fn describe_lock(event: &Event) -> Option<String> {
    match event {
        Event::Locked { lock, range: None } => Some(lock.name().to_owned()),
        Event::Locked {
            lock,
            range: Some(range),
        } => Some(format!("{} {}", lock.name(), addresses(*range))),
        Event::Downgraded => Some("downgraded to mmap read".to_owned()),
        Event::Merge(_)
        | Event::Split { .. }
        | Event::Refused { .. }
        | Event::Insert { .. }
        | Event::Remove { .. }
        | Event::Shrink { .. }
        | Event::AnonVma { .. }
        | Event::Collapse { .. } => None,
    }
}

fn merge(report: &MergeReport) -> Option<String> {
    let decision = &report.decision;
    match (decision.plan, report.failed) {
        (Some(plan), None) => Some(format!(
            "merged ({}) into {}",
            plan.case.name(),
            addresses(plan.becomes)
        )),
        (Some(_), Some(why)) => Some(format!("merge given up: {why}")),
        (None, _) => {
            let sides = [("below", decision.left), ("above", decision.right)];
            let refused: Vec<_> = sides
                .iter()
                .filter_map(|(side, result)| refusal(side, *result))
                .collect();
            (!refused.is_empty()).then(|| format!("no merge: {}", refused.join(", ")))
        }
    }
}

/// What became of a merge, in a few words in any case.
pub(crate) fn describe_merge(report: &MergeReport) -> String {
    merge(report).unwrap_or_else(|| "no merge: nothing is adjacent".to_owned())
}

/// That nothing is there to merge with goes without saying.
fn refusal(side: &str, result: Result<(), Refusal>) -> Option<String> {
    match result {
        Ok(()) | Err(Refusal::NotAdjacent) => None,
        Err(why) => Some(format!("{side} {why}")),
    }
}

/// A range as maps shows it.
pub(crate) fn addresses(range: PageRange) -> String {
    format!("{:x}-{:x}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use sim_core::{MergeDecision, VirtAddr, VmFlags};

    use super::*;

    fn pages(start: u64, end: u64) -> PageRange {
        PageRange::new(VirtAddr::new(start << 12), VirtAddr::new(end << 12))
    }

    fn refused(left: Refusal, right: Refusal) -> Event {
        Event::Merge(Box::new(MergeReport {
            range: pages(1, 2),
            existing: false,
            decision: MergeDecision {
                plan: None,
                left: Err(left),
                right: Err(right),
            },
            failed: None,
            scene: None,
        }))
    }

    #[test]
    fn events_in_words() {
        let flags = Refusal::FlagsDiffer(VmFlags::SEALED | VmFlags::LOCKED);
        let cases = [
            (refused(Refusal::NotAdjacent, Refusal::NotAdjacent), None),
            (
                refused(flags, Refusal::NotAdjacent),
                Some("no merge: below flags_differ (lo sl)"),
            ),
            (
                refused(Refusal::FileDiffers, Refusal::AnonVmaForked),
                Some("no merge: below file_differs, above anon_vma_forked"),
            ),
            (
                Event::Split {
                    range: pages(1, 4),
                    at: VirtAddr::new(0x2000),
                },
                Some("split 1000-4000 at 0x2000"),
            ),
            (
                Event::Shrink {
                    from: pages(1, 4),
                    to: pages(2, 4),
                },
                Some("shrunk 1000-4000 to 2000-4000"),
            ),
        ];
        for (event, want) in cases {
            assert_eq!(describe(&event).as_deref(), want);
        }
    }
}
