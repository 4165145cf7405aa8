//! Measurements: a table for people, JSON lines and CSV for machines.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use sim_oracle::bench::{BenchError, Count, Figures, Workload};

use super::baseline::Change;
use crate::output::{Output, Style};

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object a line and measurement.
    Json,
    /// One line of comma-separated values for each measurement.
    Csv,
}

/// One measurement.
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) store: &'static str,
    pub(crate) vmas: Option<u64>,
    pub(crate) pages: Option<u64>,
    pub(crate) threads: usize,
    pub(crate) kernel: String,
    /// Where it is not as its kernel: `atomic_flags=false`.
    pub(crate) features: String,
    pub(crate) figures: Figures,
    pub(crate) counters: Option<Count>,
    pub(crate) change: Option<Change>,
    /// How many times as many operations in a second as on the fewest threads.
    pub(crate) speedup: Option<f64>,
}

/// Compares rows that differ in their threads only.
pub(crate) fn speed_up(rows: &mut [Row]) {
    let key = |row: &Row| (row.store, row.kernel.clone(), row.features.clone());
    let fewest = rows.iter().map(|row| row.threads).min().unwrap_or(1);
    let with_fewest = rows.iter().filter(|row| row.threads == fewest);
    let with_fewest: Vec<_> = with_fewest
        .map(|row| (key(row), row.figures.ns_per_op))
        .collect();
    for row in rows.iter_mut().filter(|row| row.threads > fewest) {
        let key = key(row);
        let before = with_fewest.iter().find(|(known, _)| *known == key);
        row.speedup = before.map(|(_, before)| before / row.figures.ns_per_op.max(1e-9));
    }
}

/// What comes first.
pub(crate) fn heading(format: Format, repeats: usize, output: &mut Output) {
    match format {
        Format::Json => {}
        Format::Csv => output.line(CSV_HEADING),
        Format::Table => {
            let heading = format!(
                "{:<20} {:<9} {:>9} {:>7} {:<12} {:>10} {:>7} {:>9} {:>9} {:>7}",
                "workload",
                "store",
                "size",
                "threads",
                "kernel",
                "ns/op",
                "±",
                "p50",
                "p99",
                "ratio"
            );
            let heading = output.paint(Style::Strong, heading);
            output.line(heading);
            let note = format!(
                "medians of {repeats} repeats by turns; ratio: to the first row of a size; \
                 p: VMAs, pages with a p"
            );
            let note = output.paint(Style::Dim, note.replace("p: VMAs", "size: VMAs"));
            output.line(note);
        }
    }
}

/// Measurements of one workload and size, the one that others are compared with first.
pub(crate) fn rows(format: Format, rows: &[Row], output: &mut Output) {
    for row in rows {
        match format {
            Format::Table => table_row(row, rows[0].figures.ns_per_op, output),
            Format::Json => output.line(json_line(row)),
            Format::Csv => output.line(csv_line(row)),
        }
    }
    // A long measurement is read while it runs.
    output.flush();
}

/// A measurement that could not be made; on standard error, so that lines for machines stay pure.
pub(crate) fn not_measured(what: &str, why: &BenchError, output: &mut Output) {
    output.flush();
    let mut errors = output.stderr();
    errors.line(format!("vmsim: not measured: {what}: {why}"));
    // If that cannot be written there is nobody to tell.
    let _ = errors.finish();
}

/// Why a workload has no row of the running kernel.
pub(crate) fn no_live_row(format: Format, why: &str, output: &mut Output) {
    if format == Format::Table {
        let line = output.paint(Style::Dim, format!("    no live row: {why}"));
        output.line(line);
    }
}

fn table_row(row: &Row, first: f64, output: &mut Output) {
    let Row { figures, .. } = row;
    let size = match (row.pages, row.vmas) {
        (Some(pages), _) => format!("{pages}p"),
        (None, vmas) => vmas.unwrap_or(0).to_string(),
    };
    let mut line = format!(
        "{:<20} {:<9} {:>9} {:>7} {:<12} {:>10} {:>6.1}% {:>9} {:>9} {:>7}",
        row.workload.name(),
        row.store,
        size,
        row.threads,
        row.kernel,
        shown(figures.ns_per_op),
        figures.spread * 100.0,
        shown(figures.p50_ns),
        shown(figures.p99_ns),
        ratio(figures.ns_per_op, first),
    );
    if let Some(speedup) = row.speedup {
        let _ = write!(line, "  {speedup:.2} times the throughput");
    }
    if !row.features.is_empty() {
        let _ = write!(line, "  {}", row.features);
    }
    if let Some(change) = row.change {
        let style = if change.is_slower() {
            Style::Bad
        } else if change.is_faster() {
            Style::Good
        } else {
            Style::Dim
        };
        let _ = write!(line, "  {}", output.paint(style, change.to_string()));
    }
    output.line(line);
    if let Some(count) = &row.counters {
        let counts = counts(count);
        let counts = output.paint(Style::Dim, format!("    an operation: {counts}"));
        output.line(counts);
    }
}

fn counts(count: &Count) -> String {
    if count.counts.is_empty() {
        return "nothing counted".to_owned();
    }
    let each = count.counts.iter();
    let each: Vec<_> = each
        .map(|(name, number)| format!("{name} {:.3}", *number as f64 / count.ops.max(1) as f64))
        .collect();
    each.join(", ")
}

fn ratio(value: f64, first: f64) -> String {
    if first <= 0.0 {
        return "-".to_owned();
    }
    let ratio = value / first;
    if ratio < 0.1 {
        format!("{ratio:.4}")
    } else {
        format!("{ratio:.2}")
    }
}

/// As many decimals as mean something.
fn decimals(value: f64) -> i32 {
    match value {
        _ if value >= 1000.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    }
}

fn shown(value: f64) -> String {
    format!("{value:.*}", decimals(value).cast_unsigned() as usize)
}

/// A figure without decimals that mean nothing; whole ones are integers.
fn number(value: f64) -> Value {
    let scale = 10_f64.powi(decimals(value));
    let rounded = (value * scale).round() / scale;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        return Value::from(rounded as i64);
    }
    Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

fn json_line(row: &Row) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("workload", row.workload.name().into());
    put("store", row.store.into());
    if let Some(vmas) = row.vmas {
        put("vmas", vmas.into());
    }
    if let Some(pages) = row.pages {
        put("pages", pages.into());
    }
    put("threads", row.threads.into());
    put("kernel", row.kernel.as_str().into());
    if !row.features.is_empty() {
        put("features", row.features.as_str().into());
    }
    put("ops", row.figures.ops.into());
    put("ns_per_op", number(row.figures.ns_per_op));
    put("p50_ns", number(row.figures.p50_ns));
    put("p99_ns", number(row.figures.p99_ns));
    put("spread", round4(row.figures.spread));
    put(
        "ops_per_s",
        number((1e9 / row.figures.ns_per_op.max(1e-9)).round()),
    );
    if let Some(speedup) = row.speedup {
        put("speedup", round4(speedup));
    }
    if let Some(count) = &row.counters {
        let ops = count.ops.max(1) as f64;
        let counts = count.counts.iter();
        let counts: Map<_, _> = counts
            .map(|(name, count)| (name.clone(), round4(*count as f64 / ops)))
            .collect();
        put("counters", counts.into());
    }
    if let Some(change) = row.change {
        put("baseline_ns_per_op", number(change.before));
        put("change", round4(change.ratio()));
        put("changed", (change.is_slower() || change.is_faster()).into());
    }
    Value::from(object).to_string()
}

fn round4(value: f64) -> Value {
    Number::from_f64((value * 1e4).round() / 1e4).map_or(Value::Null, Value::Number)
}

const CSV_HEADING: &str =
    "workload,store,vmas,pages,threads,kernel,ops,ns_per_op,p50_ns,p99_ns,spread,features";

fn csv_line(row: &Row) -> String {
    let figures = row.figures;
    let optional = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{}",
        row.workload.name(),
        row.store,
        optional(row.vmas),
        optional(row.pages),
        row.threads,
        row.kernel,
        figures.ops,
        number(figures.ns_per_op),
        number(figures.p50_ns),
        number(figures.p99_ns),
        round4(figures.spread),
        row.features,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            workload: Workload::Fault,
            store: "maple",
            vmas: None,
            pages: Some(16),
            threads: 1,
            kernel: "6.19".to_owned(),
            features: String::new(),
            figures: Figures {
                ops: 32,
                ns_per_op: 23.456,
                p50_ns: 20.0,
                p99_ns: 1234.56,
                spread: 0.012_345,
            },
            counters: None,
            change: None,
            speedup: None,
        }
    }

    #[test]
    fn a_measurement_for_machines() {
        let parsed: Value = serde_json::from_str(&json_line(&row())).unwrap();
        let want = serde_json::json!({
            "workload": "fault", "store": "maple", "pages": 16, "threads": 1, "kernel": "6.19",
            "ops": 32, "ns_per_op": 23.5, "p50_ns": 20, "p99_ns": 1235, "spread": 0.0123,
            "ops_per_s": 42_633_015,
        });
        assert_eq!(parsed, want);
        assert_eq!(
            csv_line(&row()),
            "fault,maple,,16,1,6.19,32,23.5,20,1235,0.0123,"
        );
        assert_eq!(
            CSV_HEADING.split(',').count(),
            csv_line(&row()).split(',').count()
        );
    }

    #[test]
    fn throughput_beside_the_fewest_threads() {
        let with = |threads, features: &str, ns_per_op| {
            let mut row = row();
            row.threads = threads;
            features.clone_into(&mut row.features);
            row.figures.ns_per_op = ns_per_op;
            row
        };
        let off = "atomic_flags=false";
        let mut rows = [
            with(1, "", 100.0),
            with(1, off, 120.0),
            with(2, "", 50.0),
            with(2, off, 120.0),
        ];
        speed_up(&mut rows);
        let speedups = rows.map(|row| row.speedup);
        assert_eq!(speedups, [None, None, Some(2.0), Some(1.0)]);
    }
}
