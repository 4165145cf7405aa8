//! The arguments of a call: splitting at commas, numbers, symbolic flags.

/// The arguments of a call, in order. Of an unfinished call both halves are one text.
#[derive(Clone)]
pub(super) struct Args<'a> {
    rest: Option<&'a str>,
}

impl<'a> Args<'a> {
    /// Those in `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// The next number: decimal, hexadecimal, `NULL`, negative ones as the kernel sees them.
    pub(super) fn number(&mut self) -> Result<u64, &'static str> {
        let text = self.next().ok_or("more arguments")?;
        number(text).ok_or("a number")
    }

    /// The next argument as flags, each name looked up in `names`.
    pub(super) fn flags(&mut self, names: &[(&str, u64)]) -> Result<u64, &'static str> {
        let text = self.next().ok_or("more arguments")?;
        flags(text, names).ok_or("flags")
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let end = argument_end(rest.as_bytes());
        let (argument, tail) = rest.split_at(end);
        self.rest = tail.strip_prefix(',');
        let argument = argument.trim();
        (!argument.is_empty() || self.rest.is_some()).then_some(argument)
    }
}

/// Where the first comma is that is outside of quotes, brackets and paths, or the end.
fn argument_end(bytes: &[u8]) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b',' if depth == 0 => return at,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = quote_end(bytes, at),
            b'<' if opens_path(bytes, at) => at = path_end(bytes, at),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The index of the quote that closes the one at `start`, or the last index.
fn quote_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len().saturating_sub(1)
}

/// `3</lib/libc.so.6>`, as opposed to `21<<MAP_HUGE_SHIFT`.
fn opens_path(bytes: &[u8], at: usize) -> bool {
    at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1) != Some(&b'<')
}

fn path_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|&b| b == b'>')
        .map_or(bytes.len().saturating_sub(1), |offset| start + offset)
}

/// A number as strace prints it.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = match text.split_once(['<', ' ']) {
        Some((head, _)) => head,
        None => text,
    };
    if text == "NULL" {
        return Some(0);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('-') {
        Some(digits) => digits.parse().ok().map(u64::wrapping_neg),
        None => text.parse().ok(),
    }
}

/// The path that `-y` prints after a descriptor.
pub(super) fn path(text: &str) -> Option<&str> {
    text.split_once('<')?.1.strip_suffix('>')
}

/// The text of a quoted argument, as strace escaped it.
pub(super) fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}

/// The value of flags in symbols, numbers, or both.
pub(super) fn flags(text: &str, names: &[(&str, u64)]) -> Option<u64> {
    let symbols = match text.split_once(" /*") {
        Some((number, _)) => number,
        None => text,
    };
    let mut value = 0;
    for symbol in symbols.split('|') {
        value |= flag(symbol, names)?;
    }
    Some(value)
}

fn flag(symbol: &str, names: &[(&str, u64)]) -> Option<u64> {
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == symbol) {
        return Some(*value);
    }
    if let Some((number, shift)) = symbol.split_once("<<") {
        let bits: u64 = number.parse().ok()?;
        return match shift {
            "MAP_HUGE_SHIFT" => bits.checked_shl(26),
            _ => None,
        };
    }
    number(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_split_at_top_level_commas() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("NULL", &["NULL"]),
            ("1, 2,3 ", &["1", "2", "3"]),
            (
                r#""a, \" b", [1, 2], {x=3, y=(4, 5)}"#,
                &[r#""a, \" b""#, "[1, 2]", "{x=3, y=(4, 5)}"],
            ),
            ("3</a, b>, 0", &["3</a, b>", "0"]),
            (
                "MAP_PRIVATE|21<<MAP_HUGE_SHIFT, -1",
                &["MAP_PRIVATE|21<<MAP_HUGE_SHIFT", "-1"],
            ),
            ("[1, 2", &["[1, 2"]),
            ("\"abc", &["\"abc"]),
        ];
        for (text, want) in cases {
            assert_eq!(&Args::new(text).collect::<Vec<_>>(), want, "{text}");
        }
    }

    #[test]
    fn numbers() {
        let cases = [
            ("NULL", Some(0)),
            ("0x7f0000001000", Some(0x7f00_0000_1000)),
            ("8192", Some(8192)),
            ("-1", Some(u64::MAX)),
            ("3</lib/libc.so.6>", Some(3)),
            ("0x66 /* MADV_??? */", Some(0x66)),
            ("PROT_READ", None),
            ("", None),
            ("99999999999999999999", None),
        ];
        for (text, want) in cases {
            assert_eq!(number(text), want, "{text}");
        }
    }

    #[test]
    fn symbols() {
        let names = [("A", 1), ("B", 2)];
        let cases = [
            ("A", Some(1)),
            ("A|B|0x10", Some(0x13)),
            ("0x3 /* A|B */", Some(3)),
            ("A|21<<MAP_HUGE_SHIFT", Some(1 | 21 << 26)),
            ("A|C", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(flags(text, &names), want, "{text}");
        }
    }
}
