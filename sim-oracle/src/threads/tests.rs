use sim_core::{
    Access, Advice, Bytes, Call, MapFlags, MmapArgs, Outcome, Pid, Profile, Prot, Setup,
    SyscallRange, VirtAddr,
};

use super::history::{History, Kind};
use super::orders::explain;
use super::pool::Timed;
use super::{Finding, Options, Seen, Tried, before, fuzz, states};
use crate::generate::Mode;

fn page(number: u64) -> SyscallRange {
    let start = 0x1000_0000_0000 + number * 4096;
    SyscallRange::new(VirtAddr::new(start), Bytes::from_pages(1))
}

fn map() -> Call {
    let range = page(0);
    Call::Mmap(MmapArgs {
        addr: range.addr,
        len: Bytes::from_pages(4),
        prot: Prot::READ | Prot::WRITE,
        flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED,
        file: None,
        offset: 0,
    })
}

fn write(number: u64) -> Call {
    Call::Access {
        range: page(number),
        access: Access::Write(Some(1)),
    }
}

fn discard(number: u64) -> Call {
    Call::Madvise {
        range: page(number),
        advice: Advice::Dontneed,
    }
}

fn history(threads: Vec<Vec<Call>>) -> History {
    let own = |calls: Vec<Call>| calls.into_iter().map(|call| (Pid::MAIN, call)).collect();
    History {
        kind: Kind::Orders,
        setup: Setup::new(Profile::V6_19),
        before: vec![(Pid::MAIN, map())],
        threads: threads.into_iter().map(own).collect(),
    }
}

/// What is seen if these calls of the threads run in this order, all of them overlapping.
fn seen_after(history: &History, order: &[usize]) -> Seen {
    let mut machine = sim_fork::new_machine(&history.setup).expect("a machine");
    before(&mut *machine, history).expect("the calls run");
    let mut threads = vec![Vec::new(); history.threads.len()];
    for thread in order {
        let (pid, call) = &history.threads[*thread][threads[*thread].len()];
        threads[*thread].push(Timed {
            outcome: machine.call(*pid, call),
            begin: 0,
            end: 1000,
        });
    }
    let states = states(&mut *machine).expect("there are states");
    Seen { threads, states }
}

#[test]
fn every_order_explains_itself() {
    let history = history(vec![
        vec![write(0), discard(0)],
        vec![write(0), write(1)],
        vec![discard(1), discard(0)],
    ]);
    for order in [
        [0, 0, 1, 1, 2, 2],
        [2, 1, 0, 0, 1, 2],
        [1, 2, 0, 0, 2, 1],
        [2, 0, 1, 2, 1, 0],
    ] {
        let seen = seen_after(&history, &order);
        assert_eq!(explain(&history, &seen), Ok(Tried::Enough), "{order:?}");
    }
}

#[test]
fn an_outcome_that_no_order_has_is_found() {
    let history = history(vec![vec![write(0)], vec![discard(0)]]);
    let mut seen = seen_after(&history, &[0, 1]);
    seen.threads[1][0].outcome = Ok(Outcome::Livelock);
    let found = explain(&history, &seen);
    assert!(matches!(found, Err(Finding::NoOrder(_))), "{found:?}");
}

#[test]
fn a_state_that_no_order_has_is_found() {
    let once = history(vec![vec![write(0)], vec![discard(0)]]);
    let mut seen = seen_after(&once, &[0, 1]);
    let more = history(vec![vec![write(0), write(1)], vec![discard(0)]]);
    seen.states = seen_after(&more, &[0, 0, 1]).states;
    let found = explain(&once, &seen);
    assert!(matches!(found, Err(Finding::NoOrder(_))), "{found:?}");
}

/// The write left a page, and was over before the discard began.
#[test]
fn an_order_goes_by_the_clock() {
    let history = history(vec![vec![write(0)], vec![discard(0)]]);
    let mut seen = seen_after(&history, &[1, 0]);
    assert_eq!(explain(&history, &seen), Ok(Tried::Enough));
    seen.threads[0][0].end = 10;
    seen.threads[1][0].begin = 20;
    let found = explain(&history, &seen);
    assert!(matches!(found, Err(Finding::NoOrder(_))), "{found:?}");
}

#[test]
fn random_histories_are_fine() {
    for threads in [2, 4] {
        let options = Options {
            seed: 5,
            first_run: 0,
            calls: 20_000,
            time: None,
            mode: Mode::Mixed,
            threads,
            setup: Setup::new(Profile::V6_19),
        };
        let report = fuzz(&options, &|_| {}).expect("there are machines");
        assert!(report.progress.orders > 0 && report.progress.storms > 0);
        if let Some(found) = report.found {
            panic!("{}\n{}", found.finding, found.scenario);
        }
    }
}
