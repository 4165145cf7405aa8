//! No input makes the parser or the runner panic, run on for ever or overflow the stack.

mod common;

use common::Mock;
use sim_scenario::{Colors, Overrides, Scenario, Unobserved, run};

/// Reads a text and, if it is right, runs it; shows what is said about it otherwise.
fn feed(text: &str) {
    match Scenario::parse("fuzz.toml", text, Overrides::default()) {
        Ok(scenario) => {
            let mut mock = Mock::new(&scenario.setup);
            let _ = run(&scenario, &mut mock, &mut Unobserved);
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            let _ = diagnostics.render(Colors::Ansi);
        }
    }
}

/// A small generator of numbers (xorshift), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

const SEED: &str = r#"
title = "x"
kernel = "6.18"
kernel_features.copy_on_fork = "guard"
limits = { ram = "1G", memlock = "unlimited" }
thp.enabled = "always"
uffd.features = ["sigbus"]
files.data = { size = "64p", fill = 3 }
step = [
 { op = "mmap", name = "buf", addr = "0x100000000000", len = "16p", prot = "rw", flags = ["private", "anon"] },
 { op = "write", range = "buf[..4]", value = 7 },
 { op = "read", range = "buf[..4]", value = 7, expect = 7 },
 { op = "mremap", range = "buf[4..]", new_len = "4p", flags = "maymove", to = "buf[9]", name = "b" },
 { op = "fork", name = "c", expect = "any" },
 { op = "brk", to = "+4p", in = "c" },
 { op = "repeat", times = 3, step = [ { op = "munmap", range = "0x1000..0x2000" } ] },
 { op = "punch_hole", file = "data", range = "[2..4]" },
 { op = "uffd_copy", range = "buf", from = "b[0]", expect = "EEXIST" },
 { op = "check", in = "c", vmas = ["buf: 4p rw-p - +gu label=x @0 -lo +anon_vma"], count = { buf = 1 },
   pages = { "buf[0]" = "present exclusive | none" }, flags = { buf = "rd wr" }, smaps = { b = "Rss=8" },
   maps = ["1000-2000 rw-p 0 00:00 0 /x"], invariants = true },
]
"#;

/// What is put into a text at random: pieces that mean something to the parser.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "=",
    ",",
    ".",
    "..",
    "+",
    "-",
    "0x",
    "\n",
    "p",
    "T",
    "é",
    "\u{0}",
    "18446744073709551615",
    "0xffffffffffffffff",
    "-1",
    "buf",
    "buf[",
    "[2..1]",
    "main",
    "any",
    "op",
    "repeat",
    "step",
    "times = 9223372036854775807",
    "exit",
    "in = \"c\"",
    "\"\"\"",
    "1.5",
    "inf",
    "1979-05-27",
    "true",
    "[[step]]\n",
    "#",
    "|",
    ":",
    "@",
    "\\u0000",
    "\r",
];

#[test]
fn changed_scenarios() {
    for seed in 1..=3000_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text: Vec<char> = SEED.chars().collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            let end = (at + numbers.below(12)).min(text.len());
            match numbers.below(3) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let piece = PIECES[numbers.below(PIECES.len())].chars();
                    drop(text.splice(at..end.min(at + 3), piece));
                }
                _ => {
                    let copied: Vec<char> = text[at..end].to_vec();
                    let to = numbers.below(text.len());
                    drop(text.splice(to..to, copied));
                }
            }
        }
        feed(&text.iter().collect::<String>());
    }
}

#[test]
fn every_prefix_of_a_scenario() {
    for (end, _) in SEED.char_indices() {
        feed(&SEED[..end]);
    }
}

#[test]
fn random_pieces() {
    let mut numbers = Numbers(42);
    for _ in 0..2000 {
        let count = numbers.below(40);
        let text: String = (0..count)
            .map(|_| PIECES[numbers.below(PIECES.len())])
            .collect();
        feed(&text);
    }
}

#[test]
fn deep_nesting() {
    const DEEP: usize = 50_000;
    let blocks = "{ op = 'repeat', times = 2, step = [".repeat(DEEP);
    for text in [
        format!("a = {}", "[".repeat(DEEP)),
        format!("a = {}{}", "[".repeat(DEEP), "]".repeat(DEEP)),
        format!("a = {}", "{a=".repeat(DEEP)),
        format!("{}a = 1", "a.".repeat(DEEP)),
        format!("[{}a]", "a.".repeat(DEEP)),
        format!("[[step]]\n{}a = 1", "step.".repeat(DEEP)),
        format!("step = [{blocks}"),
        format!("step = [{blocks}{}]", "] }".repeat(DEEP)),
    ] {
        feed(&text);
    }
}

#[test]
fn nested_blocks_within_the_limit_are_quick() {
    let open = "{ op = 'repeat', times = 1, step = [".repeat(8);
    let inner = "{ op = 'munlockall' },".repeat(300);
    feed(&format!("step = [{open}{inner}{}]", "] }".repeat(8)));
}

#[test]
fn a_block_that_is_too_deep_is_refused() {
    let open = "{ op = 'repeat', times = 1, step = [".repeat(9);
    let text = format!("step = [{open}{}]", "] }".repeat(9));
    let diagnostics = Scenario::parse("x", &text, Overrides::default()).expect_err("too deep");
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
}

#[test]
fn more_errors_than_anyone_reads() {
    let text = format!("step = [{}]", "{ op = 'x' },".repeat(20_000));
    let diagnostics = Scenario::parse("x", &text, Overrides::default()).expect_err("wrong");
    assert_eq!(diagnostics.len(), 20_000);
    assert_eq!(diagnostics.iter().count(), 100);
}

#[test]
fn passes_of_khugepaged_are_limited() {
    let scenario = |passes: &str| format!("step = [{{ op = \"khugepaged\", passes = {passes} }}]");
    let reads =
        |passes| Scenario::parse("passes.toml", &scenario(passes), Overrides::default()).is_ok();
    assert!(reads("10000"));
    assert!(!reads("10001"));
    assert!(!reads("1000000000"));
}
