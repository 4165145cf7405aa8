//! Lines of `vmas`: `buf: 16p rw-p data @0 +gu -lo +anon_vma label=heap`.

use sim_core::Bytes;
use toml::de::DeValue;

use super::check::flag_term;
use super::context::{Context, Value, part_of, span_of};
use super::range::{self, Want};
use super::{scalar, size};
use crate::diagnostics::Diagnostic;
use crate::scenario::{FilePattern, FlagTerms, VmaLine};
use crate::source::Placed;

const FORM: &str = "\"WHERE: SIZE PERMS FILE +flag -flag\", e.g. \"buf: 16p rw-p data +gu\"";

/// What shared anonymous memory is called in maps.
const DEV_ZERO: &str = "/dev/zero";

/// Every line.
pub(super) fn lines(cx: &mut Context, value: &Value<'_>) -> Option<Vec<Placed<VmaLine>>> {
    let DeValue::Array(list) = value.get_ref() else {
        return cx.wrong_type(value, &format!("an array of lines {FORM}"));
    };
    let mut lines = Vec::new();
    for item in list {
        let text = scalar::text(cx, item)?;
        if let Some(line) = line(cx, item, text) {
            lines.push(Placed::new(line, span_of(item)));
        }
    }
    Some(lines)
}

fn line(cx: &mut Context, value: &Value<'_>, text: &str) -> Option<VmaLine> {
    let Some((at, rest)) = text.split_once(':') else {
        let message = "the `:` after the place of the VMA is missing";
        return cx.error(Diagnostic::new(span_of(value), message).expected(FORM));
    };
    let span = part_of(value, text, at);
    let mut line = VmaLine {
        at: range::range_text(cx, at, span, Want::RangeOrAddress)?,
        len: None,
        perms: None,
        file: FilePattern::Any,
        offset: None,
        label: None,
        anon_vma: None,
        flags: FlagTerms::default(),
    };
    for word in rest.split_whitespace() {
        let word = Placed::new(word, part_of(value, text, word));
        add(cx, word, &mut line)?;
    }
    Some(line)
}

fn add(cx: &mut Context, word: Placed<&str>, line: &mut VmaLine) -> Option<()> {
    match word.value {
        "-" => line.file = FilePattern::None,
        "+anon_vma" => line.anon_vma = Some(true),
        "-anon_vma" => line.anon_vma = Some(false),
        text => {
            if let Some(perms) = perms(text) {
                line.perms = Some(perms);
            } else if text.starts_with(['+', '-']) {
                flag_term(cx, word, &mut line.flags)?;
            } else if let Some(label) = text.strip_prefix("label=") {
                line.label = Some(label.to_owned());
            } else if let Some(offset) = text.strip_prefix('@') {
                line.offset = Some(number(cx, word, offset)?);
            } else if is_file(cx, text) {
                line.file = FilePattern::Named(text.to_owned());
            } else if text.starts_with(|c: char| c.is_ascii_digit()) {
                line.len = Some(Bytes(number(cx, word, text)?));
            } else {
                return unknown(cx, word);
            }
        }
    }
    Some(())
}

fn number(cx: &mut Context, word: Placed<&str>, text: &str) -> Option<u64> {
    match size::parse(text) {
        Ok(number) => Some(number),
        Err(error) => cx.error(Diagnostic::new(word.span, error.to_string()).expected(size::FORMS)),
    }
}

fn is_file(cx: &Context, name: &str) -> bool {
    name == DEV_ZERO || cx.files.iter().any(|file| file.name == name)
}

fn unknown(cx: &mut Context, word: Placed<&str>) -> Option<()> {
    let name = word.value;
    let message = format!("`{name}` is neither a size, nor permissions, nor a file, nor a flag");
    let diagnostic = Diagnostic::new(word.span, message)
        .expected(FORM)
        .did_you_mean(name, cx.files.iter().map(|file| file.name.as_str()));
    cx.error(diagnostic)
}

/// `rw-p` and the like.
pub(super) fn perms(text: &str) -> Option<[u8; 4]> {
    let bytes: [u8; 4] = text.as_bytes().try_into().ok()?;
    let allowed: [&[u8]; 4] = [b"r-", b"w-", b"x-", b"ps"];
    let right = bytes
        .iter()
        .zip(allowed)
        .all(|(byte, allowed)| allowed.contains(byte));
    right.then_some(bytes)
}
