//! Sizes: `4096`, `0x1000`, `64K`, `2M`, `1G`, `1T`, `16p`.

use std::fmt;

use sim_core::PAGE_SIZE;

/// The forms of a size, for people.
pub(super) const FORMS: &str =
    "a size: bytes (4096, \"0x1000\"), \"64K\", \"2M\", \"1G\", \"1T\", or pages: \"16p\"";

/// Why a text is not a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Error {
    /// There is no number.
    NoNumber,
    /// The suffix is none.
    Suffix,
    /// It is below zero, or does not fit in 64 bits.
    Negative,
    /// It does not fit in 64 bits.
    Overflow,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "this is not a number",
            Self::Suffix => "this is not a unit of size",
            Self::Negative => "it is negative or does not fit in 64 bits",
            Self::Overflow => "it does not fit in 64 bits",
        })
    }
}

/// The bytes that a text stands for.
pub(super) fn parse(text: &str) -> Result<u64, Error> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(Error::Negative);
    }
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits
        .find(|c: char| !(c.is_digit(radix) || c == '_'))
        .unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        return Err(Error::NoNumber);
    }
    let number = u64::from_str_radix(&digits, radix).map_err(|_| Error::Overflow)?;
    number.checked_mul(unit(suffix)?).ok_or(Error::Overflow)
}

fn unit(suffix: &str) -> Result<u64, Error> {
    Ok(match suffix {
        "" => 1,
        "p" => PAGE_SIZE,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        "T" | "t" => 1 << 40,
        _ => return Err(Error::Suffix),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_size() {
        for (text, size) in [
            ("4096", Ok(4096)),
            ("0x1000", Ok(4096)),
            ("64K", Ok(64 << 10)),
            ("2M", Ok(2 << 20)),
            ("1G", Ok(1 << 30)),
            ("1T", Ok(1 << 40)),
            ("16p", Ok(16 * 4096)),
            ("0x10p", Ok(16 * 4096)),
            ("1_000", Ok(1000)),
            ("0", Ok(0)),
            ("0xffffffffffffffff", Ok(u64::MAX)),
            ("0x1ffffffffffffffff", Err(Error::Overflow)),
            ("16777216T", Err(Error::Overflow)),
            ("4503599627370496p", Err(Error::Overflow)),
            ("-1", Err(Error::Negative)),
            ("", Err(Error::NoNumber)),
            ("p", Err(Error::NoNumber)),
            ("0x", Err(Error::NoNumber)),
            ("_", Err(Error::NoNumber)),
            ("16pages", Err(Error::Suffix)),
            ("16 p", Err(Error::Suffix)),
            ("1.5M", Err(Error::Suffix)),
        ] {
            assert_eq!(parse(text), size, "{text}");
        }
    }
}
