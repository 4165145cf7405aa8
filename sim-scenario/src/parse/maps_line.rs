//! Lines of `/proc/PID/maps`.

use sim_core::VirtAddr;
use toml::de::DeValue;

use super::context::{Context, Value, part_of, span_of};
use super::{scalar, size, vma_line};
use crate::diagnostics::Diagnostic;
use crate::scenario::MapsLine;
use crate::source::Placed;

/// All lines of maps, as an array of lines or as one text.
pub(super) fn maps(cx: &mut Context, value: &Value<'_>) -> Option<Placed<Vec<Placed<MapsLine>>>> {
    let list: Vec<&Value<'_>> = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        DeValue::String(_) => vec![value],
        _ => return cx.wrong_type(value, "the lines of maps"),
    };
    let mut lines = Vec::new();
    for item in list {
        let text = scalar::text(cx, item)?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let span = part_of(item, text, line);
            match maps_line(line) {
                Some(line) => lines.push(Placed::new(line, span)),
                None => {
                    return cx.error(
                        Diagnostic::new(span, "this is not a line of /proc/PID/maps")
                            .expected("START-END PERMS OFFSET [DEVICE INODE] [NAME]"),
                    );
                }
            }
        }
    }
    Some(Placed::new(lines, span_of(value)))
}

fn maps_line(line: &str) -> Option<MapsLine> {
    let hex = |text: &str| size::parse(&format!("0x{text}")).ok();
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let perms = vma_line::perms(words.next()?)?;
    let offset = hex(words.next()?)?;
    let mut rest: Vec<&str> = words.collect();
    if rest.first().is_some_and(|word| is_device(word)) {
        rest.drain(..2.min(rest.len()));
    }
    Some(MapsLine {
        start: VirtAddr::new(hex(start)?),
        end: VirtAddr::new(hex(end)?),
        perms,
        offset,
        name: rest.join(" "),
    })
}

fn is_device(word: &str) -> bool {
    word.split_once(':').is_some_and(|(major, minor)| {
        let hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
        hex(major) && hex(minor)
    })
}
