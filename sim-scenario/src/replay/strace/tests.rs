//! Logs in, events out.

use super::*;

/// Events as `task: op arguments = result`.
fn show(trace: &Trace) -> Vec<String> {
    trace
        .events
        .iter()
        .map(|event| {
            let what = match &event.action {
                Action::Call(call) => call.op().to_owned(),
                Action::Spawn(Spawn::Copy) => "spawn".to_owned(),
                Action::Spawn(Spawn::Share) => "spawn sharing".to_owned(),
                Action::Spawn(Spawn::Thread) => "spawn thread".to_owned(),
                Action::Execve => "execve".to_owned(),
                Action::EndTask => "end".to_owned(),
                Action::EndProcess => "end all".to_owned(),
            };
            format!("{}: {what} = {}", event.task, event.logged)
        })
        .collect()
}

#[track_caller]
fn check(log: &str, want: &[&str]) {
    let trace = Trace::parse(log.as_bytes()).expect("a log");
    assert_eq!(show(&trace), want, "{log}");
}

#[test]
fn every_memory_call() {
    let cases = [
        (
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00",
            "mmap = 0x7f00",
        ),
        (
            "mmap(0x10000, 4096, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</a b>, 0x1000) = 0x10000",
            "mmap = 0x10000",
        ),
        (
            "mmap(0x10000, 4096, 0, 0x22 /* MAP_??? */, -1, 0) = -1 EPERM (Operation not permitted)",
            "mmap = EPERM",
        ),
        ("munmap(0x1000, 4096) = 0", "munmap = 0x0"),
        ("brk(NULL) = 0x5000", "brk = 0x5000"),
        ("brk(0x6000) = 0x6000", "brk = 0x6000"),
        ("mprotect(0x1000, 4096, PROT_READ) = 0", "mprotect = 0x0"),
        (
            "pkey_mprotect(0x1000, 4096, PROT_READ, 1) = 0",
            "mprotect = 0x0",
        ),
        ("madvise(0x1000, 4096, MADV_DONTNEED) = 0", "madvise = 0x0"),
        (
            "madvise(0x1000, 4096, 0x66 /* MADV_??? */) = 0",
            "madvise = 0x0",
        ),
        (
            "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE) = 0x9000",
            "mremap = 0x9000",
        ),
        (
            "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x9000) = 0x9000",
            "mremap = 0x9000",
        ),
        (
            "mlock(0x1000, 4096) = -1 ENOMEM (Cannot allocate memory)",
            "mlock = ENOMEM",
        ),
        ("mlock2(0x1000, 4096, MLOCK_ONFAULT) = 0", "mlock = 0x0"),
        ("munlock(0x1000, 4096) = 0", "munlock = 0x0"),
        ("mlockall(MCL_CURRENT|MCL_FUTURE) = 0", "mlockall = 0x0"),
        ("munlockall() = 0", "munlockall = 0x0"),
        ("msync(0x1000, 4096, MS_SYNC) = 0", "msync = 0x0"),
        ("mincore(0x1000, 4096, [1]) = 0", "mincore = 0x0"),
        (
            "syscall_0x1ce(0x1000, 0x1000, 0, 0, 0, 0) = 0",
            "mseal = 0x0",
        ),
        (
            "mbind(0x1000, 4096, MPOL_BIND, [0x1], 64, 0) = 0",
            "mbind = 0x0",
        ),
        (
            "prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x1000, 4096, \"heap\") = 0",
            "vma_name = 0x0",
        ),
    ];
    for (line, want) in cases {
        check(&format!("7 {line}\n"), &[&format!("7: {want}")]);
    }
}

#[test]
fn processes_and_threads() {
    check(
        "1 execve(\"/bin/a\", [\"a\"], 0x7ffe /* 3 vars */) = 0\n\
         1 execve(\"/bin/b\", [\"b\"], 0x7ffe /* 3 vars */) = -1 ENOENT (No such file or directory)\n\
         1 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f) = 2\n\
         1 vfork() = 3\n\
         1 clone3({flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f, exit_signal=0} => {parent_tid=[4]}, 88) = 4\n\
         4 exit(0) = ?\n\
         1 exit_group(0) = ?\n\
         1 +++ exited with 0 +++\n",
        &[
            "1: execve = 0x0",
            "1: spawn = 0x2",
            "1: spawn sharing = 0x3",
            "1: spawn thread = 0x4",
            "4: end = ?",
            "1: end all = ?",
            "1: end = ?",
        ],
    );
}

#[test]
fn halves_are_joined_and_early_ones_keep_their_place() {
    check(
        "1 munmap(0x1000, 4096 <unfinished ...>\n\
         2 mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n\
         1 <... munmap resumed>) = 0\n\
         1 clone( <unfinished ...>\n\
         3 brk(NULL) = 0x5000\n\
         1 <... clone resumed>child_stack=NULL, flags=SIGCHLD) = 3\n\
         2 <... mmap resumed>) = 0x1000\n\
         2 <... futex resumed>) = 0\n\
         2 madvise(0x1000, 4096, MADV_COLD <unfinished ...>\n",
        &[
            "1: munmap = 0x0",
            "1: spawn = 0x3",
            "3: brk = 0x5000",
            "2: mmap = 0x1000",
        ],
    );
}

#[test]
fn the_first_task_gets_its_number_from_its_first_numbered_line() {
    check(
        "brk(NULL) = 0x5000\n\
         fork() = 12\n\
         [pid    12] brk(NULL) = 0x5000\n\
         [pid    11] brk(NULL) = 0x5000\n",
        &[
            "11: brk = 0x5000",
            "11: spawn = 0xc",
            "12: brk = 0x5000",
            "11: brk = 0x5000",
        ],
    );
    check("brk(NULL) = 0x5000\n", &["main: brk = 0x5000"]);
}

#[test]
fn what_is_skipped_is_counted() {
    let log = "1 wait4(-1, NULL, 0, NULL) = 2\n\
               1 read(0, \"mmap(\", 5) = 5\n\
               1 read(0, \"\", 5) = 0\n\
               1 wait4(-1,  <unfinished ...>\n\
               1 --- SIGCHLD {si_signo=SIGCHLD} ---\n\
               1 <... wait4 resumed>0x7f, 0, NULL) = ? ERESTARTSYS (To be restarted)\n";
    let trace = Trace::parse(log.as_bytes()).expect("a log");
    let skipped: Vec<_> = trace
        .skipped
        .iter()
        .map(|(n, c)| (n.as_str(), *c))
        .collect();
    assert_eq!(skipped, [("read", 2), ("wait4", 2)]);
    assert_eq!(trace.signals.get("SIGCHLD"), Some(&1));
}

#[test]
fn errors_have_line_numbers() {
    let log = "1 brk(NULL) = 0x5000\nhello\n1 brk(x) = 0\n1 munmap(0x1000) = 0\n";
    let errors = Trace::parse(log.as_bytes()).expect_err("no log");
    let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "line 2: expected a call: `name(arguments)`: `hello`",
            "line 3: expected a number: `1 brk(x) = 0`",
            "line 4: expected more arguments: `1 munmap(0x1000) = 0`",
        ]
    );
}

#[test]
fn a_last_line_may_be_cut_off() {
    let trace = Trace::parse(b"1 brk(NULL) = 0x5000\n1 mmap(NULL, 40").expect("a log");
    assert!(trace.truncated);
    assert_eq!(show(&trace), ["1: brk = 0x5000"]);
}

#[test]
fn files_are_told_apart() {
    let map = |fixed: &str, offset: &str| {
        format!(
            "1 mmap({fixed}, 4096, PROT_READ, MAP_PRIVATE{}, 3, {offset}) = 0x10000\n",
            if fixed == "NULL" { "" } else { "|MAP_FIXED" }
        )
    };
    let log = [
        map("NULL", "0"),
        map("0x10000", "0x1000"),
        map("NULL", "0"),
        "1 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5</lib/x>, 0) = 0x10000\n".to_owned(),
        "1 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 6</lib/x>, 0) = 0x10000\n".to_owned(),
    ]
    .concat();
    let trace = Trace::parse(log.as_bytes()).expect("a log");
    let files: Vec<_> = trace
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.size.get()))
        .collect();
    assert_eq!(files, [("fd3.0", 8192), ("fd3.1", 4096), ("/lib/x", 4096)]);
}

/// Any bytes: mutations of a log, from a fixed seed.
#[test]
fn no_bytes_make_it_panic() {
    let log =
        b"12 mmap(NULL, 8192, PROT_READ|0x8, MAP_PRIVATE|21<<MAP_HUGE_SHIFT, 3</a>, 0) = 0x7f00\n\
                12 clone3({flags=CLONE_VM, x=[1]} <unfinished ...>\n\
                [pid 13] <... clone3 resumed> => {parent_tid=[4]}, 88) = 4\n\
                12 prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x1000, 4096, \"heap\") = 0\n\
                12 +++ exited with 0 +++\n--- SIGSEGV {} ---\n";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..20_000 {
        let mut bytes = log.to_vec();
        for _ in 0..=random(6) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b"()<>=\",[]{}\\ \n"[random(14)]),
                _ => {
                    bytes.remove(at);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        let _ = Trace::parse(&bytes);
    }
}
