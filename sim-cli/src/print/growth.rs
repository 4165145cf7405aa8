//! How time an operation takes grows with VMAs and pages, as a plot (SVG).
//!
//! Both axes are logarithmic: a line that rises like the grid's diagonal is proportional to the
//! size, a flat one does not depend on it.

use std::fmt::Write as _;

use super::bench::Row;

const WIDTH: f64 = 960.0;
const PLOT_WIDTH: f64 = 660.0;
const PLOT_HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
/// From one plot to the next.
const PLOT_PITCH: f64 = PLOT_HEIGHT + 110.0;
const LEGEND_LINE: f64 = 18.0;

/// Colours that are told apart on white, also by most who see colours differently.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f",
];

/// One plot: what its sizes are, and a line for each workload and contestant.
struct Plot {
    of: SizeOf,
    lines: Vec<Line>,
}

/// What sizes are counted in.
struct SizeOf {
    title: &'static str,
    size: fn(&Row) -> Option<u64>,
    /// The powers of what have ticks.
    base: f64,
    tick: fn(f64) -> String,
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// A logarithmic axis: the powers that it spans, and where they lie.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, base: f64, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        // Logarithms of powers are not always whole.
        let low = (low.log(base) + 1e-9).floor();
        let high = (high.log(base) - 1e-9).ceil().max(low + 1.0);
        Self {
            low: base.powf(low).ln(),
            high: base.powf(high).ln(),
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.ln() - self.low) / (self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    /// The powers of `base` on it.
    fn ticks(&self, base: f64) -> Vec<f64> {
        let exponents = |end: f64| (end / base.ln()).round() as i32;
        (exponents(self.low)..=exponents(self.high))
            .map(|exponent| base.powi(exponent))
            .collect()
    }
}

/// The picture of measurements at several sizes.
pub(crate) fn svg(rows: &[Row]) -> String {
    let plots: Vec<_> = [
        SizeOf {
            title: "VMAs",
            size: |row| row.vmas,
            base: 10.0,
            tick: count,
        },
        SizeOf {
            title: "memory",
            size: |row| row.pages,
            base: 4.0,
            tick: bytes,
        },
    ]
    .into_iter()
    .map(|of| plot(rows, of))
    .filter(|plot| !plot.lines.is_empty())
    .collect();
    let height = TOP + PLOT_PITCH * plots.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>vmsim bench: growth</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (plot, number) in plots.iter().zip(0..) {
        draw(&mut text, plot, TOP + PLOT_PITCH * f64::from(number));
    }
    text.push_str("</svg>\n");
    text
}

fn plot(rows: &[Row], of: SizeOf) -> Plot {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let Some(size) = (of.size)(row).filter(|size| *size > 0) else {
            continue;
        };
        let name = format!("{}, {}", row.workload.name(), row.store);
        let point = (size as f64, row.figures.ns_per_op.max(0.1));
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }
    // What has one size only says nothing of growth.
    lines.retain(|line| line.points.len() > 1);
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Plot { of, lines }
}

fn draw(text: &mut String, plot: &Plot, top: f64) {
    let points = plot.lines.iter().flat_map(|line| line.points.iter());
    let (right, bottom) = (LEFT + PLOT_WIDTH, top + PLOT_HEIGHT);
    let horizontal = Axis::new(points.clone().map(|p| p.0), plot.of.base, LEFT, right);
    let vertical = Axis::new(points.map(|p| p.1), 10.0, bottom, top);
    line_of_text(
        text,
        (LEFT, top - 14.0, "start"),
        &format!("nanoseconds an operation, by {}", plot.of.title),
    );
    for value in vertical.ticks(10.0) {
        let y = vertical.place(value);
        grid(text, (LEFT, y), (right, y));
        line_of_text(text, (LEFT - 8.0, y + 4.0, "end"), &nanoseconds(value));
    }
    for value in horizontal.ticks(plot.of.base) {
        let x = horizontal.place(value);
        grid(text, (x, top), (x, bottom));
        line_of_text(text, (x, bottom + 18.0, "middle"), &(plot.of.tick)(value));
    }
    for ((line, colour), number) in plot.lines.iter().zip(COLOURS.iter().cycle()).zip(0..) {
        let dash = match number / COLOURS.len() {
            0 => "",
            _ => " stroke-dasharray=\"6 4\"",
        };
        let place = |p: &(f64, f64)| (horizontal.place(p.0), vertical.place(p.1));
        let path: Vec<_> = line.points.iter().map(place).collect();
        let coordinates: Vec<_> = path.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            coordinates.join(" ")
        );
        for ((x, y), (size, ns)) in path.iter().zip(&line.points) {
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\">\
                 <title>{}: {} at {}</title></circle>",
                line.name,
                nanoseconds(*ns),
                (plot.of.tick)(*size)
            );
        }
        let y = top + 10.0 + LEGEND_LINE * number as f64;
        let _ = writeln!(
            text,
            "<path d=\"M{:.1} {y:.1}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            right + 14.0
        );
        line_of_text(text, (right + 44.0, y + 4.0, "start"), &line.name);
    }
}

fn grid(text: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        text,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

fn line_of_text(text: &mut String, (x, y, anchor): (f64, f64, &str), words: &str) {
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

/// A number with its unit, a thousand of which make the next one.
fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < step {
            break;
        }
        value /= step;
        unit = next;
    }
    let shown = (value * 10.0).round() / 10.0;
    format!("{shown}{unit}")
}

fn nanoseconds(value: f64) -> String {
    scaled(value, 1000.0, &[" ns", " µs", " ms", " s"])
}

fn count(value: f64) -> String {
    scaled(value, 1000.0, &["", " k", " M"])
}

/// Pages as what they are in bytes.
fn bytes(pages: f64) -> String {
    scaled(pages * 4.0, 1024.0, &[" KiB", " MiB", " GiB", " TiB"])
}

#[cfg(test)]
mod tests {
    use sim_oracle::bench::{Figures, Workload};

    use super::*;

    fn row(workload: Workload, vmas: Option<u64>, pages: Option<u64>, ns: f64) -> Row {
        Row {
            workload,
            store: "maple",
            vmas,
            pages,
            threads: 1,
            kernel: "6.19".to_owned(),
            features: String::new(),
            figures: Figures {
                ops: 1,
                ns_per_op: ns,
                p50_ns: ns,
                p99_ns: ns,
                spread: 0.0,
            },
            counters: None,
            change: None,
            speedup: None,
        }
    }

    #[test]
    fn a_plot_for_each_kind_of_size_and_a_line_for_each_workload() {
        let picture = svg(&[
            row(Workload::Lookup, Some(10), None, 9.0),
            row(Workload::Lookup, Some(1000), None, 20.0),
            row(Workload::Fault, None, Some(1024), 30.0),
            row(Workload::Fault, None, Some(16_777_216), 31.0),
            row(Workload::Collapse, None, Some(512), 3000.0),
        ]);
        for part in [
            "by VMAs",
            "by memory",
            "lookup, maple",
            "fault, maple",
            "64 GiB",
        ] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert!(!picture.contains("collapse"), "one size is no growth");
    }

    #[test]
    fn units() {
        let shown = [
            nanoseconds(90.0),
            nanoseconds(1500.0),
            count(65_000.0),
            bytes(1024.0),
        ];
        assert_eq!(shown, ["90 ns", "1.5 µs", "65 k", "4 MiB"]);
    }

    #[test]
    fn powers_of_ten_lie_evenly() {
        let axis = Axis::new([12.0, 900.0].into_iter(), 10.0, 0.0, 100.0);
        assert_eq!(axis.ticks(10.0), [10.0, 100.0, 1000.0]);
        assert!((axis.place(100.0) - 50.0).abs() < 1e-9);
    }
}
