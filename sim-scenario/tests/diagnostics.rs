//! What is said about wrong scenarios: place, message, hint.

use sim_scenario::{Colors, Overrides, Scenario};

/// Every error as `LINE:COLUMN MESSAGE (HINT)`.
fn errors(text: &str) -> Vec<String> {
    let Err(diagnostics) = Scenario::parse("test.toml", text, Overrides::default()) else {
        return Vec::new();
    };
    let one = |diagnostic: &sim_scenario::Diagnostic| {
        let place = diagnostics.place(diagnostic);
        let hint = diagnostic.hint.as_ref();
        let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
        format!(
            "{}:{} {}{hint}",
            place.line, place.column, diagnostic.message
        )
    };
    diagnostics.iter().map(one).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(errors(text), expected, "\n{text}");
}

/// One step on line 3, after `buf` has been mapped on line 2; the columns are those of the step.
#[track_caller]
fn step(fields: &str, expected: &[&str]) {
    let text = format!("files.data.size = '4p'\nstep = [\n{BUF}\n{{ {fields} }} ]");
    let expected: Vec<_> = expected.iter().map(|error| format!("4:{error}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check(&text, &expected);
}

const BUF: &str =
    "{ op = 'mmap', name = 'buf', len = '16p', prot = 'rw', flags = 'private anon' },";

#[test]
fn steps() {
    for (fields, expected) in CASES {
        step(fields, expected);
    }
}

/// What would have been right is said too.
#[test]
fn expectations() {
    for (text, expected) in [
        ("step = [{ range = 'a' }]", "one of: mmap, munmap, "),
        ("step = [{ op = 'fork' }]", "`name`, `share` (optional)"),
        (
            "step = [{ op = 'mprotect', range = '0+1p', prot = 'q' }]",
            "letters of `rwx`, or some of: read, ",
        ),
    ] {
        let wrong = Scenario::parse("test.toml", text, Overrides::default()).expect_err("wrong");
        let said = wrong.iter().filter_map(|error| error.expected.as_deref());
        let said: Vec<_> = said.collect();
        assert!(
            said.iter().any(|said| said.starts_with(expected)),
            "{said:?}"
        );
    }
}

#[test]
fn a_file_as_a_whole_has_no_line() {
    let path = std::path::Path::new("no/such.toml");
    let wrong = Scenario::read(path, Overrides::default()).expect_err("it is not there");
    let text = wrong.to_string();
    assert!(
        text.starts_with("no/such.toml: error: cannot read it: "),
        "{text}"
    );
}

const CASES: &[(&str, &[&str])] = &[
    ("op = 'munmap', range = 'buf'", &[]),
    (
        "op = 'mumap', range = 'buf'",
        &["8 there is no operation `mumap` (did you mean `munmap`?)"],
    ),
    ("range = 'buf'", &["1 a step needs `op`"]),
    ("op = 7", &["8 this is an integer"]),
    ("op = 'munmap'", &["8 `munmap` needs `range`"]),
    (
        "op = 'munmap', rnage = 'buf'",
        &[
            "8 `munmap` needs `range`",
            "18 `munmap` has no `rnage` (did you mean `range`?)",
        ],
    ),
    (
        "op = 'munmap', range = 'bfu'",
        &["26 process `main` knows no `bfu` at this point (did you mean `buf`?)"],
    ),
    (
        "op = 'munmap', range = 'buf', in = 'child'",
        &["38 there is no process `child` at this point"],
    ),
    ("op = 'munmap', range = 7", &["26 this is an integer"]),
    (
        "op = 'munmap', range = ''",
        &["26 an empty text is no range"],
    ),
    (
        "op = 'munmap', range = 'buf['",
        &["26 the closing `]` is missing"],
    ),
    (
        "op = 'munmap', range = 'buf[x]'",
        &["26 `x` is not the number of a page"],
    ),
    (
        "op = 'munmap', range = 'buf[2p]'",
        &["26 `2p` is not the number of a page"],
    ),
    (
        "op = 'munmap', range = 'buf[4..2]'",
        &["26 these pages end before they start"],
    ),
    (
        "op = 'munmap', range = 'buf[17..]'",
        &["26 `buf` has 16 pages only"],
    ),
    (
        "op = 'munmap', range = 'buf[0xffffffffffffffff]'",
        &["26 page 18446744073709551615 is outside the address space"],
    ),
    (
        "op = 'munmap', range = '0x1000'",
        &["26 this is an address without a length"],
    ),
    (
        "op = 'munmap', range = '0x2000..0x1000'",
        &["26 this range ends before it starts"],
    ),
    (
        "op = 'munmap', range = '0x2000+'",
        &["26 ``: this is not a number"],
    ),
    (
        "op = 'munmap', range = '0x2000+99999999999T'",
        &["26 `99999999999T`: it does not fit in 64 bits"],
    ),
    ("op = 'munmap', range = '0xfffffffffffff000+2p'", &[]),
    (
        "op = 'read', range = '0xfffffffffffff000+2p'",
        &["24 this range ends outside the address space"],
    ),
    (
        "op = 'munmap', range = '(buf)'",
        &[
            "26 `(buf)` is not a name: it has to be letters, digits, `_` and `-`, and begin with a letter",
        ],
    ),
    (
        "op = 'madvise', range = 'buf', advice = 'guard-install'",
        &["43 madvise knows no `guard-install` (did you mean `guard_install`?)"],
    ),
    ("op = 'madvise', range = 'buf', advice = 4", &[]),
    (
        "op = 'mprotect', range = 'buf', prot = 'rwz'",
        &["43 `rwz` is not a protection"],
    ),
    (
        "op = 'mprotect', range = 'buf', prot = ['read', 'wirte']",
        &["52 `wirte` is not a protection (did you mean `write`?)"],
    ),
    (
        "op = 'mmap', len = '1p', prot = 'r', flags = ['privat', 'anno']",
        &[
            "50 `privat` is not a flag of mmap (did you mean `private`?)",
            "60 `anno` is not a flag of mmap (did you mean `anon`?)",
        ],
    ),
    (
        "op = 'mmap', len = '1p', prot = 'r', flags = 'private', file = 'date'",
        &["66 there is no file `date` (did you mean `data`?)"],
    ),
    (
        "op = 'mmap', len = '16777216T', prot = 'r', flags = 'private'",
        &["22 it does not fit in 64 bits"],
    ),
    (
        "op = 'mmap', len = -1, prot = 'r', flags = 'private'",
        &["22 it is negative or does not fit in 64 bits"],
    ),
    (
        "op = 'mmap', len = 1.5, prot = 'r', flags = 'private'",
        &["22 this is a float"],
    ),
    (
        "op = 'mmap', len = '1p', name = '1', prot = 'r', flags = 'private'",
        &[
            "35 `1` is not a name: it has to be letters, digits, `_` and `-`, and begin with a letter",
        ],
    ),
    (
        "op = 'mmap', len = '3 pages', prot = 'r', flags = 'private'",
        &["22 this is not a unit of size"],
    ),
    (
        "op = 'mbind', range = 'buf', policy = 'bnd', nodes = [0]",
        &["41 there is no memory policy `bnd` (did you mean `bind`?)"],
    ),
    (
        "op = 'mbind', range = 'buf', policy = 'bind', nodes = [0, 1]",
        &["61 node 1 is not modelled yet"],
    ),
    (
        "op = 'read', range = 'buf', value = 256",
        &["39 it is too large"],
    ),
    (
        "op = 'read', range = 'buf', expect = 'ENOMEN'",
        &["40 `ENOMEN` is no outcome (did you mean `ENOMEM`?)"],
    ),
    (
        "op = 'read', range = 'buf', expect = 'sigsegv'",
        &["40 `sigsegv` is no outcome (did you mean `SIGSEGV`?)"],
    ),
    (
        "op = 'read', range = 'buf', expect = true",
        &["40 this is a boolean"],
    ),
    (
        "op = 'check', expect = 'any'",
        &["26 `check` has no outcome (give `expect` to the step whose outcome is meant)"],
    ),
    (
        "op = 'clone', name = 'c'",
        &["8 there is no operation `clone` (a shared mm is op = \"fork\" with share = true)"],
    ),
    (
        "op = 'fork', name = 'main'",
        &["8 a process `main` is running already (let it exit first, or choose another name)"],
    ),
    (
        "op = 'inject', fail_alloc = 0",
        &["31 allocations are counted from 1"],
    ),
    ("op = 'reclaim'", &["8 `reclaim` needs `range` or `pages`"]),
    (
        "op = 'reclaim', range = 'buf', pages = 1",
        &["42 `reclaim` takes `range` or `pages`, not both"],
    ),
    (
        "op = 'uffd_copy', range = 'buf', from = 'buf', value = 1",
        &["58 `uffd_copy` takes `from` or `value`, not both"],
    ),
    (
        "op = 'punch_hole', file = 'data', range = '[4..2]'",
        &["45 it ends before it starts"],
    ),
    (
        "op = 'punch_hole', file = 'data', range = 'x'",
        &["45 this is not a range"],
    ),
    ("op = 'brk', to = '+x'", &["20 this is not a number"]),
    (
        "op = 'parallel', threads = [{ op = 'exit' }]",
        &["31 this is a table"],
    ),
    (
        "op = 'parallel', expect = 'ENOMEM', threads = []",
        &["29 `parallel` has no outcome (give `expect` to the step whose outcome is meant)"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'munmap', range = 'buf' }, { op = 'check' }]]",
        &["73 a `check` inside `parallel` (put it after the block: there the threads have joined)"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'repeat', times = 2, step = [{ op = 'inject', fail_alloc = 1 }] }]]",
        &[
            "75 an `inject` inside `parallel` (the failure would strike any of the threads; inject into steps outside)",
        ],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'parallel', threads = [] }]]",
        &["39 a `parallel` inside `parallel` (give the outer one more threads)"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'exit' }], [{ op = 'munlockall' }]]",
        &["39 another thread of the block runs in `main` (let it end or execute after the block)"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'fork', name = 'c' }], [{ op = 'fork', name = 'c' }]]",
        &[
            "39 another thread of the block forks a `c` too (choose another name)",
            "70 another thread of the block forks a `c` too (choose another name)",
        ],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'fork', name = 'c' }], [{ op = 'exit', in = 'c' }]]",
        &["83 there is no process `c` at this point"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'mremap', range = 'buf', new_len = '8p', name = 'buf' }], [{ op = 'read', range = 'buf' }]]",
        &["39 another thread of the block uses the name `buf` (choose another name)"],
    ),
    (
        "op = 'parallel', threads = [[{ op = 'brk', to = '+4p' }], [{ op = 'brk', to = 0 }]]",
        &[
            "39 another thread of the block moves the break too (give the address that it is to move to)",
        ],
    ),
    (
        "op = 'repeat', times = 10000001, step = [{ op = 'munlockall' }]",
        &["8 too many steps: this would run more than 10000000 (repeat fewer times)"],
    ),
    (
        "op = 'repeat', times = 10000, step = [{ op = 'repeat', times = 10000, step = [{ op = 'munlockall' }] }]",
        &["8 too many steps: this would run more than 10000000 (repeat fewer times)"],
    ),
    (
        "op = 'repeat', times = 18446744073709551615, step = [{ op = 'repeat', times = 0, step = [{ op = 'exit' }] }]",
        &["8 too many steps: this would run more than 10000000 (repeat fewer times)"],
    ),
    (
        "op = 'repeat', times = 2, step = [{ op = 'fork', name = 'c' }]",
        &["44 a process `c` is running already (let it exit first, or choose another name)"],
    ),
    (
        "op = 'repeat', times = 2, step = [{ op = 'exit' }]",
        &["44 process `main` has exited before"],
    ),
    (
        "op = 'repeat', times = -2, step = []",
        &["26 this number does not fit here"],
    ),
    (
        "op = 'repeat', times = 2, step = {}",
        &["36 this is a table"],
    ),
    (
        "op = 'check', vmas = ['buf 16p']",
        &["25 the `:` after the place of the VMA is missing"],
    ),
    (
        "op = 'check', vmas = ['buf: 16p rw-p date']",
        &[
            "40 `date` is neither a size, nor permissions, nor a file, nor a flag (did you mean `data`?)",
        ],
    ),
    (
        "op = 'check', vmas = ['buf: 16p +zz']",
        &["35 `zz` is not a flag of smaps"],
    ),
    ("op = 'check', vmas = 'buf: 16p'", &["24 this is a string"]),
    (
        "op = 'check', vmas = ['bfu: 16p']",
        &["26 process `main` knows no `bfu` at this point (did you mean `buf`?)"],
    ),
    (
        "op = 'check', flags = { buf = '+gx' }",
        &["34 `gx` is not a flag of smaps (did you mean `gd`?)"],
    ),
    (
        "op = 'check', flags = { buf = 'rd +gu' }",
        &["33 all flags are listed here, so none of them needs a sign"],
    ),
    (
        "op = 'check', pages = { buf = 'presnt' }",
        &["34 `presnt` is not the state of a page (did you mean `present`?)"],
    ),
    (
        "op = 'check', pages = { buf = 'guard exclusive' }",
        &["40 a page that is `guard` is never `exclusive`"],
    ),
    (
        "op = 'check', pages = { buf = 'present exclusiv' }",
        &["42 `exclusiv` does not qualify a page (did you mean `exclusive`?)"],
    ),
    (
        "op = 'check', pages = { buf = '' }",
        &["33 the state is missing"],
    ),
    (
        "op = 'check', pages = { 'buf[' = 'guard' }",
        &["27 the closing `]` is missing"],
    ),
    (
        "op = 'check', smaps = { buf = { rss = 8 } }",
        &["35 `rss` is not a counter of smaps (did you mean `Rss`?)"],
    ),
    (
        "op = 'check', smaps = { buf = 'Rss' }",
        &["34 `Rss` has no value"],
    ),
    (
        "op = 'check', maps = 'x'",
        &["25 this is not a line of /proc/PID/maps"],
    ),
    (
        "op = 'check', vma = ['buf: 16p']",
        &["17 `check` has no `vma` (did you mean `vmas`?)"],
    ),
];

#[test]
fn tables() {
    for (text, expected) in TABLES {
        check(text, expected);
    }
}

const TABLES: &[(&str, &[&str])] = &[
    (
        "kernel = 6.19",
        &["1:10 a version is a string (write it in quotes: \"6.19\")"],
    ),
    (
        "kernel = '6.91'",
        &["1:10 `6.91` is not a kernel that vmsim knows (did you mean `6.19`?)"],
    ),
    (
        "kernel = '5.4'",
        &["1:10 `5.4` is not a kernel that vmsim knows"],
    ),
    ("arch = 'amd64'", &["1:8 `amd64` is not an architecture"]),
    (
        "titel = 'x'",
        &["1:1 a scenario has no `titel` (did you mean `title`?)"],
    ),
    (
        "[kernel_features]\nsticky_flag = true",
        &["2:1 [kernel_features] has no `sticky_flag` (did you mean `sticky_flags`?)"],
    ),
    (
        "[kernel_features]\nsticky_flags = 'yes'",
        &["2:16 this is a string"],
    ),
    (
        "[kernel_features]\ncopy_on_fork = 'childs'",
        &["2:16 `childs` is not a rule of fork (did you mean `child`?)"],
    ),
    ("[limits]\nram = '1X'", &["2:7 this is not a unit of size"]),
    (
        "[limits]\nmemlock = 'unlimited'\nmap_count = 3",
        &["3:1 [limits] has no `map_count` (did you mean `max_map_count`?)"],
    ),
    (
        "[thp]\nenabled = 'allways'\nmax_ptes_none = 512",
        &[
            "2:11 `allways` is not a mode of huge pages (did you mean `always`?)",
            "3:17 this number does not fit here",
        ],
    ),
    (
        "[uffd]\nfeatures = ['sigbus', 'wp_asynch']",
        &["2:24 `wp_asynch` is not a feature of userfaultfd (did you mean `wp_async`?)"],
    ),
    ("[files.a]\nkind = 'regular'", &["1:1 a file needs `size`"]),
    (
        "[files.a]\nsize = '1p'\nkind = 'fifo'",
        &["3:8 `fifo` is not a kind of file"],
    ),
    ("files = 3", &["1:9 this is an integer"]),
    ("step = 3", &["1:8 this is an integer"]),
    ("step = [3]", &["1:9 this is an integer"]),
    (
        "a = = 2",
        &[
            "1:5 extra `=`, expected nothing",
            "1:7 unexpected key or value, expected newline, `#`",
        ],
    ),
    ("title = 'x'\ntitle = 'y'", &["2:1 duplicate key"]),
    (
        "[[step]\nop = 'exit'",
        &["1:8 unclosed array table, expected `]`"],
    ),
    (
        "title = \"ünï\", x",
        &["1:14 unexpected key or value, expected newline, `#`"],
    ),
];

#[test]
fn several_errors_are_reported_at_once_and_those_that_follow_from_others_are_not() {
    check(
        "kernel = '6.99'\n\
         step = [\n\
         { op = 'mmap', name = 'buf', len = '4q', prot = 'rw', flags = 'private anon' },\n\
         { op = 'munmap', range = 'buf[0..1]' },\n\
         { op = 'munmap', range = 'other' } ]",
        &[
            "1:10 `6.99` is not a kernel that vmsim knows (did you mean `6.19`?)",
            "3:36 this is not a unit of size",
            "5:26 process `main` knows no `other` at this point",
        ],
    );
}

#[test]
fn text_for_people() {
    let text = "step = [\n\t{ op = 'mnumap', range = 'buf' } ]";
    let diagnostics = Scenario::parse("a/b.toml", text, Overrides::default()).expect_err("wrong");
    assert_eq!(
        diagnostics.render(Colors::None),
        "a/b.toml:2:9: error: there is no operation `mnumap`\n\
         2 |  { op = 'mnumap', range = 'buf' } ]\n  \
           |         ^^^^^^^^\n  \
           = hint: did you mean `munmap`?\n"
    );
    let colored = diagnostics.render(Colors::Ansi);
    assert!(colored.contains("\u{1b}[1;31merror:\u{1b}[0m"), "{colored}");
}

#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let text = "kernel = \"\\u001b[31m\" # \u{7f}";
    let diagnostics = Scenario::parse("x", text, Overrides::default()).expect_err("wrong");
    let rendered = diagnostics.render(Colors::None);
    assert!(
        !rendered.contains(|c: char| c.is_control() && c != '\n'),
        "{rendered:?}"
    );
}
