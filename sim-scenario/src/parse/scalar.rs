//! Single values: text, numbers, sizes, booleans.

use sim_core::{Bytes, FileId};
use toml::de::{DeInteger, DeValue};

use super::context::{Context, Value, span_of};
use super::size;
use crate::diagnostics::Diagnostic;

/// A string.
pub(super) fn text<'t>(cx: &mut Context, value: &'t Value<'t>) -> Option<&'t str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => cx.wrong_type(value, "a string"),
    }
}

/// A boolean.
pub(super) fn boolean(cx: &mut Context, value: &Value<'_>) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(value) => Some(*value),
        _ => cx.wrong_type(value, "true or false"),
    }
}

/// A bare integer from 0 to `max`.
pub(super) fn integer(cx: &mut Context, value: &Value<'_>, max: u64) -> Option<u64> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return cx.wrong_type(value, &format!("an integer from 0 to {max}"));
    };
    match unsigned(integer) {
        Some(number) if number <= max => Some(number),
        _ => cx.error(
            Diagnostic::new(span_of(value), "this number does not fit here")
                .expected(format!("an integer from 0 to {max}")),
        ),
    }
}

/// An integer that may be negative.
pub(super) fn signed(cx: &mut Context, value: &Value<'_>) -> Option<i32> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return cx.wrong_type(value, "an integer");
    };
    match i32::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => Some(number),
        Err(_) => cx.error(
            Diagnostic::new(span_of(value), "this number does not fit here").expected(format!(
                "an integer from {} to {}",
                i32::MIN,
                i32::MAX
            )),
        ),
    }
}

/// A 32-bit number.
pub(super) fn integer32(cx: &mut Context, value: &Value<'_>) -> Option<u32> {
    integer(cx, value, u64::from(u32::MAX)).map(|number| number as u32)
}

/// Passes of khugepaged, each of which is reported.
pub(super) fn passes(cx: &mut Context, value: &Value<'_>) -> Option<u32> {
    integer(cx, value, 10_000).map(|number| number as u32)
}

/// A byte: `7`, `0x07` or `"0x07"`.
pub(super) fn byte(cx: &mut Context, value: &Value<'_>) -> Option<u8> {
    number(cx, value, u64::from(u8::MAX), "a byte, 0 to 255").map(|number| number as u8)
}

/// A size in bytes.
pub(super) fn bytes(cx: &mut Context, value: &Value<'_>) -> Option<Bytes> {
    number(cx, value, u64::MAX, size::FORMS).map(Bytes::new)
}

/// A number, bare or in a string in one of the forms of a size.
pub(super) fn number(cx: &mut Context, value: &Value<'_>, max: u64, expected: &str) -> Option<u64> {
    let number = match value.get_ref() {
        DeValue::Integer(integer) => unsigned(integer).ok_or(size::Error::Negative),
        DeValue::String(text) => size::parse(text),
        _ => return cx.wrong_type(value, expected),
    };
    match number {
        Ok(number) if number <= max => Some(number),
        Ok(_) => cx.error(Diagnostic::new(span_of(value), "it is too large").expected(expected)),
        Err(error) => {
            cx.error(Diagnostic::new(span_of(value), error.to_string()).expected(expected))
        }
    }
}

/// A declared file.
pub(super) fn file(cx: &mut Context, value: &Value<'_>) -> Option<FileId> {
    let name = text(cx, value)?;
    if let Some(index) = cx.files.iter().position(|file| file.name == name) {
        return Some(FileId(index as u32));
    }
    let message = format!("there is no file `{name}`");
    let diagnostic = Diagnostic::new(span_of(value), message)
        .expected("a file declared as [files.NAME]")
        .did_you_mean(name, cx.files.iter().map(|file| file.name.as_str()));
    cx.error(diagnostic)
}

/// The value of an integer, if it is not negative and has 64 bits.
pub(super) fn unsigned(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
