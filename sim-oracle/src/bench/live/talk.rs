//! What both processes say to each other: numbers in the machine's own order.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::super::{Effort, Repeat};

/// Asks for a repeat, or without an effort for preparation only.
pub(super) fn send_effort(to: &mut impl Write, effort: Option<Effort>) -> io::Result<()> {
    let numbers = effort.map_or([0; 4], |effort| {
        [
            1,
            effort.least.as_nanos() as u64,
            effort.most.as_nanos() as u64,
            effort.singles as u64,
        ]
    });
    numbers.into_iter().try_for_each(|n| put(to, n))
}

pub(super) fn receive_effort(from: &mut impl Read) -> io::Result<Option<Effort>> {
    let (wanted, least, most, singles) = (get(from)?, get(from)?, get(from)?, get(from)?);
    Ok((wanted != 0).then(|| Effort {
        least: Duration::from_nanos(least),
        most: Duration::from_nanos(most),
        singles: singles as usize,
    }))
}

/// Answers with a repeat, or with the reason why there is none.
pub(super) fn send_repeat(to: &mut impl Write, answer: &Result<Repeat, String>) -> io::Result<()> {
    match answer {
        Ok(repeat) => {
            put(to, 0)?;
            put(to, repeat.ops)?;
            put(to, repeat.nanoseconds.to_bits())?;
            put(to, repeat.singles.len() as u64)?;
            let bytes: Vec<u8> = repeat
                .singles
                .iter()
                .flat_map(|n| n.to_ne_bytes())
                .collect();
            to.write_all(&bytes)
        }
        Err(why) => {
            put(to, 1)?;
            put(to, why.len() as u64)?;
            to.write_all(why.as_bytes())
        }
    }
}

pub(super) fn receive_repeat(from: &mut impl Read) -> io::Result<Result<Repeat, String>> {
    if get(from)? != 0 {
        let mut why = vec![0; get(from)? as usize];
        from.read_exact(&mut why)?;
        return Ok(Err(String::from_utf8_lossy(&why).into_owned()));
    }
    let (ops, nanoseconds) = (get(from)?, f64::from_bits(get(from)?));
    let count = get(from)?;
    let singles = (0..count)
        .map(|_| get(from).map(f64::from_bits))
        .collect::<io::Result<_>>()?;
    Ok(Ok(Repeat {
        ops,
        nanoseconds,
        singles,
    }))
}

fn put(to: &mut impl Write, number: u64) -> io::Result<()> {
    to.write_all(&number.to_ne_bytes())
}

fn get(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        for answer in [
            Err("no".to_owned()),
            Ok(Repeat::default()),
            Ok(Repeat {
                ops: 7,
                nanoseconds: 1.5,
                singles: vec![2.5, 3.0],
            }),
        ] {
            let mut bytes = Vec::new();
            send_repeat(&mut bytes, &answer).unwrap();
            assert_eq!(receive_repeat(&mut &bytes[..]).unwrap(), answer);
        }
        for effort in [None, Some(Effort::default())] {
            let mut bytes = Vec::new();
            send_effort(&mut bytes, effort).unwrap();
            assert_eq!(receive_effort(&mut &bytes[..]).unwrap(), effort);
        }
    }
}
