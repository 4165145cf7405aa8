//! An earlier run's JSON lines, and what changed since.

use std::fmt;

use serde_json::Value;

use super::bench::Row;

/// Measurements of an earlier run.
pub(crate) struct Baseline {
    entries: Vec<Entry>,
}

struct Entry {
    key: Key,
    ns_per_op: f64,
    spread: f64,
}

/// What a measurement is of.
#[derive(PartialEq)]
struct Key {
    workload: String,
    store: String,
    vmas: Option<u64>,
    pages: Option<u64>,
    threads: u64,
    kernel: String,
    features: String,
}

/// A measurement now and before.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Change {
    /// Nanoseconds before.
    pub(crate) before: f64,
    now: f64,
    /// What may be chance, as a part.
    noise: f64,
}

/// Less is not worth a word, however still the machine was.
const LEAST: f64 = 0.05;
/// A change is no chance if it exceeds so many times what repeats usually differ by.
const SPREADS: f64 = 4.0;

impl Change {
    /// Now as a multiple of before.
    pub(crate) fn ratio(self) -> f64 {
        self.now / self.before
    }

    /// Slower than noise explains.
    pub(crate) fn is_slower(self) -> bool {
        self.ratio() > 1.0 + self.noise
    }

    /// Faster than noise explains.
    pub(crate) fn is_faster(self) -> bool {
        self.ratio() < 1.0 / (1.0 + self.noise)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.ratio() - 1.0) * 100.0;
        let verdict = if self.is_slower() {
            "SLOWER"
        } else if self.is_faster() {
            "faster"
        } else {
            "as before"
        };
        write!(
            f,
            "{percent:+.1}% {verdict} (noise {:.1}%)",
            self.noise * 100.0
        )
    }
}

impl Baseline {
    /// Reads JSON lines.
    ///
    /// # Errors
    /// The number of the line that is none, and why.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().enumerate();
        let entries = lines
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| entry(line).map_err(|why| format!("{}: {why}", index + 1)))
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// How a measurement differs from the one here.
    pub(crate) fn change(&self, row: &Row) -> Option<Change> {
        let key = Key {
            workload: row.workload.name().to_owned(),
            store: row.store.to_owned(),
            vmas: row.vmas,
            pages: row.pages,
            threads: row.threads as u64,
            kernel: row.kernel.clone(),
            features: row.features.clone(),
        };
        let entry = self.entries.iter().rfind(|entry| entry.key == key)?;
        Some(Change {
            before: entry.ns_per_op,
            now: row.figures.ns_per_op,
            noise: LEAST.max(SPREADS * (entry.spread + row.figures.spread)),
        })
    }
}

fn entry(line: &str) -> Result<Entry, String> {
    let object: Value = serde_json::from_str(line)
        .map_err(|error| format!("not what `vmsim bench --json` prints: {error}"))?;
    let text = |name: &str| {
        let value = object.get(name).and_then(Value::as_str);
        value.map(str::to_owned).ok_or(format!("no text `{name}`"))
    };
    let ns_per_op = object.get("ns_per_op").and_then(Value::as_f64);
    let ns_per_op = ns_per_op
        .filter(|ns| *ns > 0.0)
        .ok_or("no positive number `ns_per_op`")?;
    Ok(Entry {
        key: Key {
            workload: text("workload")?,
            store: text("store")?,
            vmas: object.get("vmas").and_then(Value::as_u64),
            pages: object.get("pages").and_then(Value::as_u64),
            threads: object.get("threads").and_then(Value::as_u64).unwrap_or(1),
            kernel: text("kernel")?,
            features: text("features").unwrap_or_default(),
        },
        ns_per_op,
        spread: object.get("spread").and_then(Value::as_f64).unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_noise_or_not() {
        let change = |now, noise| Change {
            before: 100.0,
            now,
            noise,
        };
        for (now, noise, slower, faster) in [
            (104.0, 0.05, false, false),
            (106.0, 0.05, true, false),
            (94.0, 0.05, false, true),
            (130.0, 0.4, false, false),
        ] {
            let change = change(now, noise);
            assert_eq!((change.is_slower(), change.is_faster()), (slower, faster));
        }
    }

    #[test]
    fn lines_that_are_no_measurements() {
        for (text, why) in [
            ("{}", "1: no positive number `ns_per_op`"),
            ("{\"ns_per_op\": 1.5}", "1: no text `workload`"),
        ] {
            assert_eq!(Baseline::parse(text.as_bytes()).err().as_deref(), Some(why));
        }
        assert!(Baseline::parse(b"\n\n").is_ok());
        assert!(Baseline::parse(b"ns").is_err());
    }
}
