//! A merge as a picture of addresses: before, and after.
//!
//! ```text
//! before  |--below 2p--|***new 1p***|--above 4p--|
//! after   |--below 7p---************-------------|
//! ```

use sim_core::{MergeReport, MergeScene, PageRange, VirtAddr};

/// Columns of the narrowest piece.
const NARROWEST: usize = 5;

/// A merge as two lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Diagram {
    /// How it was.
    pub(crate) before: String,
    /// How it is, if the plan (or the split, where there is no plan) is carried out.
    pub(crate) after: String,
}

/// A VMA, or a range that is to be one.
#[derive(Clone, Debug)]
struct Piece {
    range: PageRange,
    name: &'static str,
}

impl Piece {
    fn label(&self) -> String {
        format!("{} {}p", self.name, self.range.pages())
    }
}

/// Draws a merge that was considered; `None` if nothing is known about the neighbours.
pub(crate) fn draw(report: &MergeReport) -> Option<Diagram> {
    let scene = report.scene.as_deref()?;
    let range = report.range;
    let before = before(scene);
    let after = after(report, &before);
    let mut drawn = before.clone();
    if scene.middle.is_none() {
        drawn.push(Piece { range, name: "new" });
        drawn.sort_by_key(|piece| piece.range.start());
    }
    let columns = Columns::new(drawn.iter().chain(&after), range);
    Some(Diagram {
        before: columns.line(&drawn, range),
        after: columns.line(&after, range),
    })
}

/// The VMAs of a scene, ascending.
fn before(scene: &MergeScene) -> Vec<Piece> {
    let sides = [
        (&scene.below, "below"),
        (&scene.middle, "middle"),
        (&scene.above, "above"),
    ];
    let piece = |(vma, name): (&Option<_>, _)| piece(vma.as_ref(), name);
    sides.into_iter().filter_map(piece).collect()
}

fn piece(vma: Option<&sim_core::VmaView>, name: &'static str) -> Option<Piece> {
    let range = vma?.range;
    Some(Piece { range, name })
}

/// What is there afterwards: the merged VMA and what is left of the others; without a plan the
/// range becomes a VMA of its own.
fn after(report: &MergeReport, before: &[Piece]) -> Vec<Piece> {
    let covered = report
        .decision
        .plan
        .map_or(report.range, |plan| plan.becomes);
    let name = match report.decision.plan {
        Some(_) => "merged",
        None if report.existing => "changed",
        None => "new",
    };
    let mut pieces = vec![Piece {
        range: covered,
        name,
    }];
    for piece in before {
        let (start, end) = (piece.range.start(), piece.range.end());
        let (from, to) = (covered.start().max(start), covered.end().min(end));
        if from >= to {
            pieces.push(piece.clone());
            continue;
        }
        for (start, end) in [(start, from), (to, end)] {
            if start < end {
                pieces.push(Piece {
                    range: PageRange::new(start, end),
                    name: piece.name,
                });
            }
        }
    }
    pieces.sort_by_key(|piece| piece.range.start());
    pieces
}

/// Where addresses are drawn.
struct Columns {
    /// Ascending, each with its column.
    marks: Vec<(VirtAddr, usize)>,
}

impl Columns {
    /// Wide enough for the label of every piece.
    fn new<'p>(pieces: impl Iterator<Item = &'p Piece> + Clone, range: PageRange) -> Self {
        let mut addresses = vec![range.start(), range.end()];
        addresses.extend(
            pieces
                .clone()
                .flat_map(|piece| [piece.range.start(), piece.range.end()]),
        );
        addresses.sort_unstable();
        addresses.dedup();
        let mut marks: Vec<_> = addresses
            .into_iter()
            .enumerate()
            .map(|(n, addr)| (addr, n * NARROWEST))
            .collect();
        for piece in pieces {
            widen(&mut marks, piece);
        }
        Self { marks }
    }

    fn of(&self, addr: VirtAddr) -> usize {
        let found = self.marks.iter().find(|(mark, _)| *mark == addr);
        found.map_or(0, |(_, column)| *column)
    }

    fn line(&self, pieces: &[Piece], range: PageRange) -> String {
        let width = self.marks.last().map_or(0, |(_, column)| column + 1);
        let mut line = vec![' '; width];
        for piece in pieces {
            let (from, to) = (self.of(piece.range.start()), self.of(piece.range.end()));
            line[from..=to].fill('-');
            let stars = (
                self.of(range.start()).max(from),
                self.of(range.end()).min(to),
            );
            if stars.0 < stars.1 {
                line[stars.0..=stars.1].fill('*');
            }
        }
        for piece in pieces {
            let (from, to) = (self.of(piece.range.start()), self.of(piece.range.end()));
            line[from] = '|';
            line[to] = '|';
            for (place, letter) in line[from + 2..].iter_mut().zip(piece.label().chars()) {
                *place = letter;
            }
        }
        line.into_iter().collect()
    }
}

/// Moves what is right of a piece's end until its label fits.
fn widen(marks: &mut [(VirtAddr, usize)], piece: &Piece) {
    let column = |addr| marks.iter().find(|(mark, _)| *mark == addr).map(|m| m.1);
    let (Some(from), Some(to)) = (column(piece.range.start()), column(piece.range.end())) else {
        return;
    };
    let needed = piece.label().chars().count() + 4;
    let missing = needed.saturating_sub(to - from);
    for (addr, column) in marks.iter_mut() {
        if *addr >= piece.range.end() {
            *column += missing;
        }
    }
}
