//! The page tables for machines: the memory they are in, as one JSON object.

use std::fmt::Write as _;

use sim_pagetable::{Arch, PageTables};

/// One line: name, architecture, root, and every table by physical address.
pub(super) fn json<A: Arch>(name: &str, tables: &PageTables<A>) -> String {
    let mut text = format!(
        "{{\"process\": {}, \"arch\": \"{}\", \"root\": \"{:#x}\", \"tables\": {{",
        quoted(name),
        A::NAME,
        tables.root().phys()
    );
    for (number, table) in tables.dump().iter().enumerate() {
        let bytes: Vec<u8> = table.entries.iter().flat_map(|e| e.to_le_bytes()).collect();
        let comma = if number == 0 { "" } else { ", " };
        let (phys, content) = (table.pfn.phys(), base64(&bytes));
        let _ = write!(text, "{comma}\"{phys:#x}\": \"{content}\"");
    }
    text.push_str("}}\n");
    text
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = bits >> (18 - 6 * digit) & 63;
                text.push(char::from(DIGITS[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, quoted};

    #[test]
    fn strings_are_escaped() {
        assert_eq!(quoted("a\"b\\\n"), "\"a\\\"b\\\\\\u000a\"");
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
