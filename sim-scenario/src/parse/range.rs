//! Ranges: `buf`, `buf[3]`, `buf[2..4]`, `0x1000+3p`, `0x1000..0x4000`; and addresses.

use sim_core::{Bytes, PAGE_SIZE, PageOffset, SyscallRange, VirtAddr};
use toml::de::DeValue;

use super::context::{Context, Value, span_of};
use super::{scalar, size};
use crate::diagnostics::Diagnostic;
use crate::scenario::{PageSelection, RangeExpr, RangeKind};
use crate::source::Span;

/// The forms of a range, for people.
pub(super) const FORMS: &str = "a range: \"buf\", \"buf[3]\", \"buf[2..4]\", \"buf[..4]\", \
     \"buf[4..]\", \"0x7f0000000000+3p\" or \"0x7f0000000000..0x7f0000003000\"";

/// The forms of an address, for people.
const ADDRESS_FORMS: &str =
    "an address: \"0x7f0000000000\", or where a range with a name starts: \"buf\", \"buf[2]\"";

/// Which ranges are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    /// A range, or an address alone as one of length 0.
    RangeOrAddress,
    /// A range.
    Range,
}

/// A range.
pub(super) fn range(cx: &mut Context, value: &Value<'_>) -> Option<RangeExpr> {
    let DeValue::String(text) = value.get_ref() else {
        return cx.wrong_type(value, FORMS);
    };
    range_text(cx, text, span_of(value), Want::Range)
}

/// An address, as a range of which only the start counts.
pub(super) fn address(cx: &mut Context, value: &Value<'_>) -> Option<RangeExpr> {
    let span = span_of(value);
    match value.get_ref() {
        DeValue::String(text) if text.starts_with(|c: char| !c.is_ascii_digit()) => {
            range_text(cx, text, span, Want::RangeOrAddress)
        }
        DeValue::String(_) | DeValue::Integer(_) => {
            let number = scalar::number(cx, value, u64::MAX, ADDRESS_FORMS)?;
            Some(absolute(number, 0, span))
        }
        _ => cx.wrong_type(value, ADDRESS_FORMS),
    }
}

/// The range that a text says, or a report about `span`.
pub(super) fn range_text(
    cx: &mut Context,
    text: &str,
    span: Span,
    want: Want,
) -> Option<RangeExpr> {
    match parse(text.trim(), want) {
        Ok(kind) => Some(RangeExpr { kind, span }),
        Err(message) => cx.error(Diagnostic::new(span, message).expected(FORMS)),
    }
}

fn absolute(addr: u64, len: u64, span: Span) -> RangeExpr {
    RangeExpr {
        kind: RangeKind::Absolute(SyscallRange::new(VirtAddr::new(addr), Bytes::new(len))),
        span,
    }
}

fn parse(text: &str, want: Want) -> Result<RangeKind, String> {
    if text.is_empty() {
        return Err("an empty text is no range".to_owned());
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (addr, len) = addresses(text, want)?;
        return Ok(RangeKind::Absolute(SyscallRange::new(
            VirtAddr::new(addr),
            Bytes::new(len),
        )));
    }
    let (name, selection) = match text.split_once('[') {
        None => (text, None),
        Some((name, rest)) => match rest.strip_suffix(']') {
            Some(selection) => (name, Some(selection)),
            None => return Err("the closing `]` is missing".to_owned()),
        },
    };
    let name = name.trim_end();
    check_name(name)?;
    let pages = selection.map_or(Ok(PageSelection::All), pages)?;
    Ok(RangeKind::Named {
        name: name.to_owned(),
        pages,
    })
}

/// Reports a name that cannot be used in ranges.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let goes_on = chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if begins && goes_on {
        return Ok(());
    }
    Err(format!(
        "`{name}` is not a name: it has to be letters, digits, `_` and `-`, and begin with a letter"
    ))
}

fn addresses(text: &str, want: Want) -> Result<(u64, u64), String> {
    let number =
        |part: &str| size::parse(part).map_err(|error| format!("`{}`: {error}", part.trim()));
    if let Some((start, end)) = text.split_once("..") {
        let (start, end) = (number(start)?, number(end)?);
        let len = end
            .checked_sub(start)
            .ok_or("this range ends before it starts")?;
        return Ok((start, len));
    }
    if let Some((start, len)) = text.split_once('+') {
        return Ok((number(start)?, number(len)?));
    }
    match want {
        Want::RangeOrAddress => Ok((number(text)?, 0)),
        Want::Range => {
            number(text)?;
            Err("this is an address without a length".to_owned())
        }
    }
}

fn pages(text: &str) -> Result<PageSelection, String> {
    let Some((first, end)) = text.split_once("..") else {
        return Ok(PageSelection::One(page(text)?));
    };
    let first = match first.trim() {
        "" => PageOffset(0),
        first => page(first)?,
    };
    match end.trim() {
        "" if first == PageOffset(0) => Ok(PageSelection::All),
        "" => Ok(PageSelection::From(first)),
        end => {
            let end = page(end)?;
            if end < first {
                return Err("these pages end before they start".to_owned());
            }
            Ok(PageSelection::Between(first, end))
        }
    }
}

fn page(text: &str) -> Result<PageOffset, String> {
    const LAST: u64 = u64::MAX / PAGE_SIZE;
    match size::parse(text) {
        Ok(page)
            if page <= LAST
                && !text
                    .trim()
                    .ends_with(|c: char| c.is_alphabetic() && !c.is_ascii_hexdigit()) =>
        {
            Ok(PageOffset(page))
        }
        Ok(page) if page > LAST => Err(format!("page {page} is outside the address space")),
        Ok(_) | Err(_) => Err(format!("`{}` is not the number of a page", text.trim())),
    }
}
