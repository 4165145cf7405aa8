//! Lines that strace interrupted itself.
//!
//! Without `-o`, strace's own `strace: Process 12 attached` may come in the middle of a line, which
//! goes on after it.

use std::borrow::Cow;

const MESSAGE: &str = "strace: Process ";

/// The log with such lines in one piece; the lines after them keep their numbers.
pub(super) fn repair(text: Cow<'_, str>) -> Cow<'_, str> {
    let interrupted = |line: &str| {
        let at = line.find(MESSAGE).filter(|&at| at > 0)?;
        // Inside a string of the program it is none of strace's.
        line.trim_end().ends_with(" attached").then_some(at)
    };
    if !text.contains(MESSAGE) || !text.lines().any(|line| interrupted(line).is_some()) {
        return text;
    }
    let mut whole = String::with_capacity(text.len());
    let mut owed_lines = 0;
    for line in text.split_inclusive('\n') {
        if let Some(at) = interrupted(line) {
            whole.push_str(&line[..at]);
            owed_lines += 1;
        } else {
            whole.push_str(line);
            if line.ends_with('\n') {
                whole.extend(std::iter::repeat_n('\n', owed_lines));
                owed_lines = 0;
            }
        }
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_lines_are_joined() {
        let cases = [
            ("a\nb\n", "a\nb\n"),
            (
                "strace: Process 3 attached\nb\n",
                "strace: Process 3 attached\nb\n",
            ),
            (
                "fork(strace: Process 3 attached\n) = 3\nb\n",
                "fork() = 3\n\nb\n",
            ),
            (
                "f(strace: Process 3 attached\n1strace: Process 4 attached\n) = 3\nb",
                "f(1) = 3\n\n\nb",
            ),
            ("fork(strace: Process 3 attached", "fork("),
        ];
        for (text, want) in cases {
            assert_eq!(repair(Cow::Borrowed(text)), want, "{text}");
        }
    }
}
