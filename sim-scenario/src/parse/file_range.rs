//! Ranges of a file: `[2..4]`, `data[3]`, `2p..4p`, `0x2000+2p`.

use sim_core::{Bytes, PAGE_SIZE};

use super::size;

/// The offset and length that a text says.
pub(super) fn parse(text: &str) -> Result<(u64, Bytes), String> {
    let (start, end) = match text.split_once('[') {
        Some((_, pages)) => in_pages(pages)?,
        None => in_bytes(text)?,
    };
    let len = end.checked_sub(start).ok_or("it ends before it starts")?;
    Ok((start, Bytes(len)))
}

fn in_pages(text: &str) -> Result<(u64, u64), String> {
    let pages = text.strip_suffix(']').ok_or("the closing `]` is missing")?;
    let offset = |page: u64| {
        page.checked_mul(PAGE_SIZE)
            .ok_or_else(|| "it does not fit in 64 bits".to_owned())
    };
    match pages.split_once("..") {
        None => {
            let page = number(pages)?;
            Ok((offset(page)?, offset(page.saturating_add(1))?))
        }
        Some(("", end)) => Ok((0, offset(number(end)?)?)),
        Some((first, end)) => Ok((offset(number(first)?)?, offset(number(end)?)?)),
    }
}

fn in_bytes(text: &str) -> Result<(u64, u64), String> {
    if let Some((start, end)) = text.split_once("..") {
        return Ok((number(start)?, number(end)?));
    }
    let (start, len) = text.split_once('+').ok_or("this is not a range")?;
    let (start, len) = (number(start)?, number(len)?);
    let end = start.checked_add(len).ok_or("it does not fit in 64 bits")?;
    Ok((start, end))
}

fn number(text: &str) -> Result<u64, String> {
    size::parse(text).map_err(|error| format!("`{}`: {error}", text.trim()))
}
