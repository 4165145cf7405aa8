//! Scenarios on a small back end: expectations, checks, names, the JSON document.

mod common;

use common::Mock;
use sim_core::{Call, Pid};
use sim_scenario::{Overrides, RunDocument, RunReport, Scenario, Unobserved, run};

#[track_caller]
fn parse(text: &str) -> Scenario {
    match Scenario::parse("test.toml", text, Overrides::default()) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

#[track_caller]
fn report<'s>(scenario: &'s Scenario, mock: &mut Mock) -> RunReport<'s> {
    run(scenario, mock, &mut Unobserved).expect("the mock does not break down")
}

/// Runs steps after `buf`, 16 pages of private anonymous memory, has been mapped, and compares the
/// causes of everything that fails.
#[track_caller]
fn check(steps: &str, causes: &[&str]) {
    let text = format!(
        "[files.data]\nsize = \"64p\"\n[[step]]\nop = \"mmap\"\nname = \"buf\"\n\
         addr = \"0x100000000000\"\nlen = \"16p\"\nprot = \"rw\"\n\
         flags = [\"private\", \"anon\", \"fixed\"]\n{steps}"
    );
    let scenario = parse(&text);
    let mut mock = Mock::new(&scenario.setup);
    let report = report(&scenario, &mut mock);
    let found: Vec<_> = report
        .failed()
        .flat_map(|step| &step.failures)
        .map(|failure| failure.cause.as_str())
        .collect();
    assert_eq!(found, causes, "{steps}");
    assert_eq!(report.is_ok(), causes.is_empty());
}

#[test]
fn expectations() {
    let step = |fields: &str| format!("[[step]]\n{fields}\n");
    for (fields, cause) in [
        ("op = 'read'\nrange = 'buf'", None),
        ("op = 'read'\nrange = 'buf'\nexpect = 0", None),
        ("op = 'read'\nrange = 'buf'\nexpect = '0x0'", None),
        (
            "op = 'read'\nrange = 'buf'\nexpect = 7",
            Some("expected 0x7, got 0x0"),
        ),
        ("op = 'exec'\nrange = 'buf'\nexpect = 'SIGSEGV'", None),
        (
            "op = 'exec'\nrange = 'buf'",
            Some("expected ok, got SIGSEGV"),
        ),
        ("op = 'exec'\nrange = 'buf'\nexpect = 'any'", None),
        (
            "op = 'exec'\nrange = 'buf'\nexpect = 'ENOMEM'",
            Some("expected ENOMEM, got SIGSEGV"),
        ),
        (
            "op = 'mprotect'\nrange = 'buf[15..18]'\nprot = 'r'\nexpect = 'ENOMEM'",
            None,
        ),
        ("op = 'khugepaged'\nexpect = 'UFFD_WAIT'", None),
        ("op = 'khugepaged'", Some("expected ok, got UFFD_WAIT")),
        (
            "op = 'khugepaged'\nexpect = 'LIVELOCK'",
            Some("expected LIVELOCK, got UFFD_WAIT"),
        ),
        ("op = 'brk'\nto = '+4p'\nexpect = '0x50004000'", None),
        ("op = 'brk'\nto = '-4p'\nexpect = 'ENOMEM'", None),
        (
            "op = 'brk'\nto = '-4p'",
            Some("expected ok, got 0x50000000"),
        ),
        (
            "op = 'brk'\nto = '-1T'",
            Some("the break would leave the address space"),
        ),
        (
            "op = 'mmap'\naddr = 'buf[3]'\nlen = '1p'\nprot = 'r'\nflags = 'private|anon|fixed'\nexpect = 'buf[3]'",
            None,
        ),
        (
            "op = 'mmap'\naddr = 'buf[3]'\nlen = '1p'\nprot = 'r'\nflags = 'private anon fixed'\nexpect = 'buf[4]'",
            Some("expected 0x100000004000, got 0x100000003000"),
        ),
    ] {
        check(&step(fields), cause.as_slice());
    }
}

#[test]
fn a_value_is_expected_of_every_page() {
    let write = "[[step]]\nop = 'write'\nrange = 'buf'\nvalue = 7\n";
    let other = "[[step]]\nop = 'write'\nrange = 'buf[2]'\nvalue = 8\n";
    let read = "[[step]]\nop = 'read'\nrange = 'buf'\nvalue = 7\n";
    check(&format!("{write}{read}"), &[]);
    check(
        &format!("{write}{read}expect = 8\n"),
        &["expected 0x8, got 0x7"],
    );
    check(
        &format!("{write}{other}{read}"),
        &["expected 0x7 in every page, but 0x100000002000 reads 0x8"],
    );
}

#[test]
fn assertions_about_vmas() {
    let protect = "[[step]]\nop = 'mprotect'\nrange = 'buf[2..4]'\nprot = 'r'\n";
    for (fields, cause) in [
        (
            "vmas = ['buf: 2p rw-p - -gu', 'buf[2..4]: r--p', 'buf[4..]: 12p']",
            None,
        ),
        ("vmas = ['0x100000000000: 2p']", None),
        ("vmas = ['0x100000000000+2p:']", None),
        ("count = 3", None),
        ("count = { buf = 3, 'buf[..2]' = 1, 'buf[1..3]' = 2 }", None),
        (
            "flags = { buf = '+rd -lo', 'buf[2]' = 'rd mr mw me' }",
            None,
        ),
        ("pages = { buf = 'none' }", None),
        ("pages = { buf = 'guard | none' }", None),
        (
            "smaps = { buf = { Rss = 0 }, 'buf[2]' = 'Rss=0 Swap=0' }",
            None,
        ),
        (
            "maps = '''\n100000000000-100000002000 rw-p 00000000 00:00 0\n\
             100000002000-100000004000 r--p 00000000 00:00 0\n\
             100000004000-100000010000 rw-p 00000000\n'''",
            None,
        ),
        ("invariants = true", None),
        (
            "vmas = ['buf: 16p rw-p']",
            Some("expected 16p, got 2p; it is `0x100000000000: 2p rw-p -`"),
        ),
        (
            "vmas = ['buf[2..4]: r--p data +lo @1p +anon_vma label=x']",
            Some(
                "expected `data`, got no file, expected offset 0x1000, got 0x0, expected label `x`, \
                 got ``, expected an anon_vma, flags lo are missing; it is \
                 `0x100000002000: 2p r--p -`",
            ),
        ),
        (
            "vmas = ['buf[3]:']",
            Some("expected a VMA that begins at 0x100000003000; it is `0x100000002000: 2p r--p -`"),
        ),
        (
            "vmas = ['0x1000: 1p']",
            Some("no VMA begins at 0x1000: nothing is mapped there"),
        ),
        (
            "count = 1",
            Some(
                "expected 1 VMAs, got 3: `0x100000000000: 2p rw-p -`, `0x100000002000: 2p r--p -`, \
                 `0x100000004000: 12p rw-p -`",
            ),
        ),
        (
            "flags = { buf = '+wr' }",
            Some("flags wr are missing; it is `0x100000002000: 2p r--p -`"),
        ),
        (
            "flags = { 'buf[2]' = 'rd wr' }",
            Some("expected flags rd wr, got rd mr mw me; it is `0x100000002000: 2p r--p -`"),
        ),
        (
            "flags = { '0x1000+1p' = '+wr' }",
            Some("nothing is mapped there"),
        ),
        (
            "pages = { 'buf[2..4]' = 'present exclusive' }",
            Some("expected `present exclusive`, but 0x100000002000+2p is `none`"),
        ),
        (
            "smaps = { buf = { Rss = 8 } }",
            Some("expected Rss 8 kB, got 0 kB"),
        ),
        (
            "maps = ['100000000000-100000010000 rw-p 00000000 00:00 0']",
            Some(
                "line 1: expected `100000000000-100000010000 rw-p 00000000`, got \
                 `100000000000-100000002000 rw-p 00000000`",
            ),
        ),
        (
            "maps = ['100000000000-100000002000 rw-p 0']",
            Some(
                "expected 1 lines, got 3: `100000002000-100000004000 r--p 00000000` is not expected",
            ),
        ),
    ] {
        check(
            &format!("{protect}[[step]]\nop = 'check'\n{fields}\n"),
            cause.as_slice(),
        );
    }
}

#[test]
fn assertions_about_pages() {
    let before = "[[step]]\nop = 'write'\nrange = 'buf[4..6]'\n\
                  [[step]]\nop = 'madvise'\nrange = 'buf[2]'\nadvice = 'guard_install'\n";
    for (fields, cause) in [
        (
            "pages = { 'buf[4..6]' = 'present exclusive anon small -uffd_wp' }",
            None,
        ),
        (
            "pages = { 'buf[..2]' = 'none', 'buf[2]' = 'guard', 'buf[6..]' = 'none' }",
            None,
        ),
        ("smaps = { buf = { Rss = '8K' } }", None),
        (
            "pages = { buf = 'none' }",
            Some(
                "expected `none`, but 0x100000002000+1p is `guard`, 0x100000004000+1p is `present \
                 exclusive anon small`, 0x100000005000+1p is `present exclusive anon small`",
            ),
        ),
        (
            "pages = { 'buf[4]' = 'present shared' }",
            Some(
                "expected `present shared`, but 0x100000004000+1p is `present exclusive anon small`",
            ),
        ),
    ] {
        check(
            &format!("{before}[[step]]\nop = 'check'\n{fields}\n"),
            cause.as_slice(),
        );
    }
}

#[test]
fn a_failed_call_names_nothing_and_the_run_goes_on() {
    check(
        "[[step]]\nop = 'inject'\nfail_alloc = 1\n\
         [[step]]\nop = 'mmap'\nname = 'b'\nlen = '1p'\nprot = 'r'\nflags = 'private anon'\nexpect = 'ENOMEM'\n\
         [[step]]\nop = 'munmap'\nrange = 'b'\n\
         [[step]]\nop = 'fork'\nname = 'c'\n\
         [[step]]\nop = 'read'\nin = 'c'\nrange = 'buf'\n",
        &["`b` names nothing: the call that was to name it failed"],
    );
}

#[test]
fn a_process_that_never_came_to_be_runs_nothing() {
    check(
        "[[step]]\nop = 'inject'\nfail_alloc = 1\n\
         [[step]]\nop = 'fork'\nname = 'c'\nexpect = 'any'\n\
         [[step]]\nop = 'read'\nin = 'c'\nrange = 'buf'\n",
        &["there is no process `c` at this point"],
    );
}

#[test]
fn repeated_steps_are_reported_each_time_with_the_outer_index() {
    let scenario = parse(
        "step = [\n\
         { op = 'mmap', name = 'b', len = '2p', prot = 'rw', flags = ['private', 'anon'] },\n\
         { op = 'repeat', times = 3, step = [\n\
           { op = 'fork', name = 'c' },\n\
           { op = 'repeat', times = 2, step = [{ op = 'write', in = 'c', range = 'b[1]' }] },\n\
           { op = 'exit', in = 'c' } ] },\n\
         { op = 'repeat', times = 0, step = [{ op = 'munmap', range = 'b' }] },\n\
         { op = 'check', count = 1 } ]",
    );
    let mut mock = Mock::new(&scenario.setup);
    let report = report(&scenario, &mut mock);
    let indices: Vec<_> = report.steps.iter().map(|step| step.step.index).collect();
    assert_eq!(indices, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3]);
    assert!(report.is_ok());
    assert_eq!(report.processes.len(), 1);
    let forks = mock.calls.iter().filter_map(|(_, call)| match call {
        Call::Fork { child, .. } => Some(*child),
        _ => None,
    });
    assert_eq!(forks.collect::<Vec<_>>(), [Pid(1), Pid(2), Pid(3)]);
}

#[test]
fn a_call_that_is_not_supported_ends_the_run_with_its_place() {
    let scenario = parse("[[step]]\nop = 'mseal'\nrange = '0x1000+1p'\n");
    let mut mock = Mock::new(&scenario.setup);
    let error = run(&scenario, &mut mock, &mut Unobserved).expect_err("mseal is not supported");
    assert_eq!(
        error.to_string(),
        "test.toml:2:6: mseal: not supported: mseal"
    );
}

#[test]
fn a_broken_invariant_fails_its_check() {
    let scenario = parse("[[step]]\nop = 'check'\ninvariants = true\n");
    let mut mock = Mock::new(&scenario.setup);
    mock.broken = Some("vmas overlap");
    let report = report(&scenario, &mut mock);
    assert_eq!(
        report.steps[0].failures[0].cause,
        "a broken invariant: vmas overlap"
    );
}

#[test]
fn the_example_of_the_contract_is_this_document() {
    let scenario = parse(EXAMPLE);
    let mut mock = Mock::new(&scenario.setup);
    let report = report(&scenario, &mut mock);
    let document = RunDocument::new(&report);
    let text = serde_json::to_string_pretty(&document).expect("a document is JSON");
    let streamed = serde_json::to_string_pretty(&report).expect("a report is JSON");
    assert_eq!(streamed, text);
    let again: RunDocument = serde_json::from_str(&text).expect("its own JSON is read");
    assert_eq!(again, document);
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(
        json["title"],
        "A guard region in a file mapping survives fork"
    );
    assert_eq!(json["kernel"], "6.19");
    assert_eq!(json["arch"], "x86_64");
    assert_eq!(json["steps"][0]["index"], 0);
    assert_eq!(json["steps"][0]["op"], "mmap");
    assert_eq!(json["steps"][0]["process"], "main");
    assert_eq!(json["steps"][0]["result"]["value"], "0x100000000000");
    assert_eq!(json["steps"][3]["result"]["signal"], "SIGSEGV");
    assert_eq!(json["steps"][3]["process"], "child");
    assert_eq!(json["processes"][1]["name"], "child");
    let vma = &json["processes"][1]["vmas"][0];
    assert_eq!(vma["start"], "0x100000000000");
    assert_eq!(vma["end"], "0x100000010000");
    assert_eq!(vma["perms"], "rw-p");
    assert_eq!(vma["offset"], "0x0");
    assert_eq!(vma["file"], "data");
    assert_eq!(vma["label"], serde_json::Value::Null);
    assert_eq!(
        vma["flags"],
        serde_json::json!(["rd", "wr", "mr", "mw", "me"])
    );
    assert_eq!(vma["smaps"]["Rss"], 0);
    assert!(
        text.find("\"Rss\"") < text.find("\"Pss\""),
        "smaps' order is kept"
    );
    assert_eq!(
        json["processes"][1]["pages"],
        serde_json::json!([{ "start": "0x100000002000", "count": 2, "state": "guard" }])
    );
}

/// The scenario with which the language's contract begins. The mock has no `gu` flag, so its check
/// fails; everything else holds.
const EXAMPLE: &str = r#"
title  = "A guard region in a file mapping survives fork"
about  = "Optional longer text."
kernel = "6.19"            # behaviour profile; default: the newest one
arch   = "x86_64"          # or "arm64"; default x86_64

[kernel_features]          # optional: switch single behaviours of the profile (see below)
sticky_flags = false

[limits]                   # optional; every simulated resource has a limit and a default
max_map_count = 65530
ram           = "1G"
memlock       = "8M"
address_space = "unlimited"

[thp]
enabled       = "madvise"  # always | madvise | never
max_ptes_none = 511        # khugepaged's tunables, with the kernel's names and defaults

[uffd]                     # features of the userfaultfd that each process opens on first use
features = ["sigbus", "wp_unpopulated", "poison", "move"]   # the default

[files.data]               # something that can be mapped
size = "64p"
kind = "regular"           # regular | memfd | pfnmap | mixedmap

[[step]]
op    = "mmap"
name  = "buf"
addr  = "0x100000000000"
len   = "16p"
prot  = "rw"
flags = ["private", "fixed"]
file  = "data"

[[step]]
op     = "madvise"
range  = "buf[2..4]"
advice = "guard_install"

[[step]]
op   = "fork"
name = "child"

[[step]]
op     = "read"
in     = "child"
range  = "buf[2]"
expect = "SIGSEGV"

[[step]]
op    = "check"
in    = "child"
vmas  = ["buf: 16p rw-p data +gu"]
pages = { "buf[2..4]" = "guard", "buf[0..2]" = "none" }
"#;
