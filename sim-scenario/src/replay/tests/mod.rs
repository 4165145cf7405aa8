//! Replays of short logs on a back end that knows only pages, and of recorded ones on the VMA layer.

mod flat;
mod vmas;

use flat::Flat;
use sim_core::{BackendError, Setup};
use sim_fork::SimBackend;
use vmas::Vmas;

use super::strace::Trace;
use super::{Report, replay};

fn run(log: &str) -> Report {
    let trace = Trace::parse(log.as_bytes()).expect("a log");
    replay(&trace, &mut Flat::new()).expect("the back end works")
}

/// The last image of a task as `start-end perms`.
fn image(report: &Report, task: u32) -> Vec<String> {
    let mut images = report.images.iter();
    let image = images.rfind(|image| image.task.0 == task);
    let vmas = &image.expect("an image").snapshot.vmas;
    vmas.iter()
        .map(|vma| {
            let perms: String = vma.flags.perms().map(char::from).iter().collect();
            format!("{:x}-{:x} {perms}", vma.range.start(), vma.range.end())
        })
        .collect()
}

#[track_caller]
fn agrees(report: &Report, calls: u64) {
    assert_eq!(report.differences, [], "differences");
    assert_eq!((report.calls(), report.agreements()), (calls, calls));
    assert_eq!(report.orphans, 0);
}

const ANON: &str = "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0";

#[test]
fn the_kernels_choices_are_compared_once_the_top_is_known() {
    let report = run(&format!(
        "1 execve(\"a\", [], 0) = 0\n\
         1 mmap(NULL, 8192, PROT_READ, {ANON}) = 0x7f0000010000\n\
         1 mmap(NULL, 4096, PROT_WRITE, {ANON}) = 0x7f000000f000\n\
         1 mmap(NULL, 4096, PROT_WRITE, {ANON}) = 0x7f0000001000\n\
         1 munmap(0x7f0000010000, 8192) = 0\n\
         1 exit_group(0) = ?\n"
    ));
    agrees(&report, 5);
    assert_eq!(report.moved, 1, "one address was chosen differently");
    assert_eq!(report.adopted.len(), 1);
    assert_eq!(
        image(&report, 1),
        [
            "7f0000001000-7f0000002000 -w-p",
            "7f000000f000-7f0000010000 -w-p",
            "7f0000012000-7ffff0000000 ---p",
        ]
    );
}

#[test]
fn what_the_log_did_not_map_is_adopted() {
    let report = run("1 execve(\"a\", [], 0) = 0\n\
         1 mprotect(0x400000, 8192, PROT_READ) = 0\n\
         1 mprotect(0x401000, 4096, PROT_NONE) = 0\n\
         1 mremap(0x500000, 4096, 8192, MREMAP_MAYMOVE) = 0x500000\n");
    agrees(&report, 4);
    let lines: Vec<_> = report.adopted.iter().map(|adopted| adopted.line).collect();
    assert_eq!(lines, [2, 4]);
    assert_eq!(
        image(&report, 1),
        [
            "400000-401000 r--p",
            "401000-402000 ---p",
            "500000-502000 rw-p",
        ]
    );
}

#[test]
fn the_break_starts_where_the_log_says() {
    let report = run("1 execve(\"a\", [], 0) = 0\n\
         1 brk(NULL) = 0x55550000\n\
         1 brk(0x55552000) = 0x55552000\n\
         1 brk(0x55551000) = 0x55551000\n\
         1 fork() = 2\n\
         2 brk(NULL) = 0x55551000\n\
         2 brk(0x55553000) = 0x55553000\n\
         2 exit_group(0) = ?\n\
         2 +++ exited with 0 +++\n");
    agrees(&report, 7);
    assert_eq!(image(&report, 1), ["55550000-55551000 rw-p"]);
    assert_eq!(image(&report, 2), ["55550000-55553000 rw-p"]);
}

#[test]
fn threads_share_vfork_shares_until_execve_and_fork_copies() {
    let map = |task: u32, addr: &str| {
        let flags = "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0";
        format!("{task} mmap({addr}, 4096, PROT_READ, {flags}) = {addr}\n")
    };
    let log = [
        "1 execve(\"a\", [], 0) = 0\n".to_owned(),
        "1 clone3({flags=CLONE_VM|CLONE_THREAD} => {}, 88) = 2\n".to_owned(),
        map(2, "0x10000"),
        "1 vfork( <unfinished ...>\n".to_owned(),
        map(3, "0x20000"),
        "3 execve(\"b\", [], 0) = 0\n".to_owned(),
        "1 <... vfork resumed>) = 3\n".to_owned(),
        map(3, "0x30000"),
        "1 clone(child_stack=NULL, flags=SIGCHLD) = 4\n".to_owned(),
        map(4, "0x40000"),
        "2 exit(0) = ?\n2 +++ exited with 0 +++\n".to_owned(),
        map(1, "0x50000"),
    ]
    .concat();
    let report = run(&log);
    agrees(&report, 9);
    let page = |start: &str, end: &str| format!("{start}-{end} r--p");
    assert_eq!(
        image(&report, 1),
        [
            page("10000", "11000"),
            page("20000", "21000"),
            page("50000", "51000"),
        ]
    );
    assert_eq!(image(&report, 3), [page("30000", "31000")]);
    assert_eq!(
        image(&report, 4),
        [
            page("10000", "11000"),
            page("20000", "21000"),
            page("40000", "41000"),
        ]
    );
}

#[test]
fn tasks_without_a_beginning_start_with_nothing() {
    let map = |task: u32, addr: &str| {
        let flags = "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0";
        format!("{task} mmap({addr}, 4096, PROT_READ, {flags}) = {addr}\n")
    };
    let end = |task: u32| format!("{task} exit_group(0) = ?\n{task} +++ exited with 0 +++\n");
    let log = [
        map(1, "0x10000"),
        map(2, "0x20000"),
        end(1),
        end(2),
        map(3, "0x30000"),
    ]
    .concat();
    let report = run(&log);
    assert_eq!((report.calls(), report.agreements()), (2, 2));
    assert_eq!(report.orphans, 1, "no process is left to fork from");
    assert_eq!(image(&report, 2), ["20000-21000 r--p"]);
}

#[test]
fn what_differs_is_reported_with_its_line() {
    let report = run("1 execve(\"a\", [], 0) = 0\n\
         1 mmap(NULL, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 EPERM (Operation not permitted)\n\
         1 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = -1 EACCES (Permission denied)\n\
         1 munmap(0x1000, 4096) = -1 EINVAL (Invalid argument)\n");
    let lines: Vec<_> = report
        .differences
        .iter()
        .map(|difference| (difference.line, difference.explanation.is_some()))
        .collect();
    assert_eq!(lines, [(2, true), (3, true), (4, false)]);
    assert_eq!(report.unexplained(), 1);
    assert_eq!(
        image(&report, 1),
        [""; 0],
        "what the kernel refused is undone"
    );
}

/// A trace of `traces`, and what it is replayed with.
fn recorded(name: &str) -> (Trace, Setup) {
    let path = format!("{}/../traces/{name}.strace", env!("CARGO_MANIFEST_DIR"));
    let log = std::fs::read(path).expect("the trace is there");
    let trace = Trace::parse(&log).expect("a log");
    let mut setup = Setup::default();
    setup.files.clone_from(&trace.files);
    (trace, setup)
}

#[test]
fn recorded_traces_replay_on_pages_and_on_vmas() {
    for (name, moved) in [("python", 0), ("gcc", 0), ("git", 0)] {
        let (trace, setup) = recorded(name);
        let flat = replay(&trace, &mut Flat::new()).expect("the back end works");
        let vmas = replay(&trace, &mut Vmas::new(&setup)).expect("the back end works");
        for report in [&flat, &vmas] {
            assert_eq!(report.unexplained(), 0, "{name}: {:#?}", report.differences);
            assert_eq!(report.orphans, 0, "{name}");
            assert!(report.calls() > 80, "{name}");
        }
        assert_eq!(
            vmas.moved, moved,
            "{name}: addresses that were chosen differently"
        );
    }
}

/// Mutations of recorded logs on the simulator, from a fixed seed: any log that can be read can be
/// replayed.
#[test]
fn no_log_makes_a_replay_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let path = format!("{}/../traces/python.strace", env!("CARGO_MANIFEST_DIR"));
    let log = std::fs::read(path).expect("the trace is there");
    let mut replayed = 0;
    for _ in 0..300 {
        let mut bytes = log.clone();
        for _ in 0..=random(40) {
            let at = random(bytes.len());
            if bytes[at].is_ascii_hexdigit() {
                bytes[at] = b"0123456789abcdef"[random(16)];
            }
        }
        let Ok(trace) = Trace::parse(&bytes) else {
            continue;
        };
        let mut setup = Setup::default();
        setup.files.clone_from(&trace.files);
        let mut machine = sim_fork::new_machine(&setup).expect("a machine");
        match replay(&trace, &mut *machine) {
            Ok(_) => replayed += 1,
            Err(BackendError::NotSupported(_)) => {}
            Err(error) => panic!("{error}"),
        }
        SimBackend::check_invariants(&*machine).expect("invariants hold");
    }
    assert!(
        replayed > 20,
        "only {replayed} logs could be read and replayed"
    );
}
