//! One line of a log, taken apart without looking at what the call means.
//!
//! Understood are the forms of `strace -f` with `-o FILE` (`PID CALL`), without it
//! (`[pid PID] CALL`), and what `-t`, `-tt`, `-ttt`, `-r`, `-i`, `-T` and `-y` add.

/// A line: who, and what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Line<'a> {
    /// The task, where the line names it.
    pub(super) task: Option<u32>,
    /// What happened to it.
    pub(super) body: Body<'a>,
}

/// What a line reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body<'a> {
    /// `name(args) = result`.
    Call(RawCall<'a>),
    /// `name(args <unfinished ...>`.
    Unfinished {
        /// The call's name.
        name: &'a str,
        /// The arguments that are known on entry.
        args: &'a str,
    },
    /// `<... name resumed>rest) = result`.
    Resumed(RawCall<'a>),
    /// `+++ exited with 0 +++`, `+++ killed by SIGKILL +++`.
    Ended,
    /// `--- SIGSEGV {…} ---`.
    Signal(&'a str),
    /// What strace says about itself, stack frames of `-k`, an empty line.
    Note,
}

/// A call with its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RawCall<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// The text between the parentheses.
    pub(super) args: &'a str,
    /// The text after the `=`.
    pub(super) result: &'a str,
}

/// Takes a line apart; an error says what was expected.
pub(super) fn split(line: &str) -> Result<Line<'_>, &'static str> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with(" > ") || line.starts_with("strace: ") {
        return Ok(Line {
            task: None,
            body: Body::Note,
        });
    }
    let (task, rest) = task_prefix(line);
    Ok(Line {
        task,
        body: body(clock_prefixes(rest))?,
    })
}

fn body(text: &str) -> Result<Body<'_>, &'static str> {
    if text.starts_with("+++ ") {
        let superseded = text.starts_with("+++ superseded");
        return Ok(if superseded { Body::Note } else { Body::Ended });
    }
    if let Some(rest) = text.strip_prefix("--- ") {
        return Ok(Body::Signal(word(rest)));
    }
    if text.starts_with("strace: ") || text.starts_with("> ") {
        return Ok(Body::Note);
    }
    if let Some(rest) = text.strip_prefix("<... ") {
        let (name, rest) = rest
            .split_once(" resumed>")
            .ok_or("`resumed>` after `<...`")?;
        let (args, result) = arguments_and_result(rest)?;
        return Ok(Body::Resumed(RawCall { name, args, result }));
    }
    let (name, rest) = text.split_once('(').ok_or("a call: `name(arguments)`")?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("the name of a call before `(`");
    }
    if let Some(args) = rest.strip_suffix("<unfinished ...>") {
        return Ok(Body::Unfinished { name, args });
    }
    let (args, result) = arguments_and_result(rest)?;
    Ok(Body::Call(RawCall { name, args, result }))
}

/// Splits at the last `) = `, however many spaces strace put in it.
fn arguments_and_result(text: &str) -> Result<(&str, &str), &'static str> {
    let mut end = text.len();
    while let Some(at) = text[..end].rfind("= ") {
        if let Some(args) = text[..at].trim_end().strip_suffix(')') {
            return Ok((args, &text[at + 2..]));
        }
        end = at;
    }
    Err("`) = ` and the call's result")
}

/// The leading `1234 ` or `[pid 1234] `, if any.
fn task_prefix(line: &str) -> (Option<u32>, &str) {
    let bracketed = line.strip_prefix("[pid ");
    if let Some((pid, rest)) = bracketed.and_then(|rest| rest.split_once(']')) {
        return (pid.trim().parse().ok(), rest.trim_start());
    }
    match line.split_once(' ') {
        Some((pid, rest)) => match pid.parse() {
            Ok(pid) => (Some(pid), rest.trim_start()),
            Err(_) => (None, line),
        },
        None => (None, line),
    }
}

/// Removes time stamps (`12:34:56.789012`, `1700000000.123456`) and `[00007f…]`.
fn clock_prefixes(mut text: &str) -> &str {
    loop {
        let Some((first, rest)) = text.split_once(' ') else {
            return text;
        };
        let numeric = first.starts_with(|c: char| c.is_ascii_digit())
            && first
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'+'));
        let pointer = first.starts_with('[') && first.ends_with(']');
        if !numeric && !pointer {
            return text;
        }
        text = rest.trim_start();
    }
}

fn word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, task: Option<u32>, want: Body<'_>) {
        assert_eq!(split(line), Ok(Line { task, body: want }), "{line}");
    }

    fn call<'a>(name: &'a str, args: &'a str, result: &'a str) -> Body<'a> {
        Body::Call(RawCall { name, args, result })
    }

    #[test]
    fn prefixes() {
        let want = call("brk", "NULL", "0x5000");
        check("brk(NULL) = 0x5000", None, want);
        check("77  brk(NULL)              = 0x5000", Some(77), want);
        check("[pid    77] brk(NULL) = 0x5000", Some(77), want);
        check("77 12:34:56.789012 brk(NULL) = 0x5000", Some(77), want);
        check("77 1700000000.123456 brk(NULL) = 0x5000", Some(77), want);
        check("77 [00007f6f8b6d2a7b] brk(NULL) = 0x5000", Some(77), want);
    }

    #[test]
    fn results() {
        check(
            "1 execve(\"/bin/a) = 3\", [\"x = y)\"], 0x7ff /* 3 vars */) = -1 ENOENT (No such file)",
            Some(1),
            call(
                "execve",
                "\"/bin/a) = 3\", [\"x = y)\"], 0x7ff /* 3 vars */",
                "-1 ENOENT (No such file)",
            ),
        );
        check("1 exit_group(0) = ?", Some(1), call("exit_group", "0", "?"));
        check(
            "1 munmap(0x1000, 5) = 0 <0.000012>",
            Some(1),
            call("munmap", "0x1000, 5", "0 <0.000012>"),
        );
    }

    #[test]
    fn halves() {
        check(
            "9 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0 <unfinished ...>",
            Some(9),
            Body::Unfinished {
                name: "mmap",
                args: "NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0 ",
            },
        );
        check(
            "9 <... mmap resumed>) = 0x7f00",
            Some(9),
            Body::Resumed(RawCall {
                name: "mmap",
                args: "",
                result: "0x7f00",
            }),
        );
    }

    #[test]
    fn other_lines() {
        check("9 +++ exited with 0 +++", Some(9), Body::Ended);
        check("9 +++ killed by SIGKILL +++", Some(9), Body::Ended);
        check(
            "9 --- SIGSEGV {si_signo=SIGSEGV} ---",
            Some(9),
            Body::Signal("SIGSEGV"),
        );
        check("strace: Process 12 attached", None, Body::Note);
        check(" > /lib/libc.so.6(mmap+0x1) [0x2]", None, Body::Note);
        check("", None, Body::Note);
    }

    #[test]
    fn what_is_no_line() {
        for bad in [
            "hello",
            "12 (x) = 0",
            "mmap(1, 2",
            "<... mmap res",
            "1 a b(c) = 0",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
