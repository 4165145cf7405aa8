//! The report of a replay as JSON.

use serde::Serialize;
use sim_core::{VirtAddr, VmaSnapshot};
use sim_scenario::replay::strace::Trace;
use sim_scenario::replay::{Adoption, Difference, Explanation, FinalImage, Report};
use std::collections::BTreeMap;

/// The whole document.
#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    lines: u32,
    truncated: bool,
    calls: u64,
    agreements: u64,
    moved: u64,
    operations: BTreeMap<&'static str, Counts>,
    skipped: &'a BTreeMap<String, u64>,
    signals: &'a BTreeMap<String, u64>,
    orphans: u64,
    adopted: Vec<AdoptedRegion>,
    differences: Vec<Differing>,
    processes: Vec<Image<'a>>,
}

#[derive(Serialize)]
struct Counts {
    calls: u64,
    agreements: u64,
}

#[derive(Serialize)]
struct AdoptedRegion {
    line: u32,
    process: String,
    start: String,
    end: String,
    what: &'static str,
}

#[derive(Serialize)]
struct Differing {
    line: u32,
    process: String,
    op: &'static str,
    logged: String,
    simulated: String,
    explanation: Option<&'static str>,
}

#[derive(Serialize)]
struct Image<'a> {
    name: String,
    ended: bool,
    vmas: Vec<Vma<'a>>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the run document")]
struct Vma<'a> {
    start: String,
    end: String,
    perms: String,
    offset: String,
    file: Option<&'a str>,
    label: Option<&'a str>,
    flags: Vec<&'static str>,
    anon_vma: Option<bool>,
}

/// The document's text.
pub(crate) fn document(trace: &Trace, report: &Report) -> String {
    let document = Document {
        ok: report.unexplained() == 0,
        lines: trace.lines,
        truncated: trace.truncated,
        calls: report.calls(),
        agreements: report.agreements(),
        moved: report.moved,
        operations: operations(report),
        skipped: &trace.skipped,
        signals: &trace.signals,
        orphans: report.orphans,
        adopted: report.adopted.iter().map(adopted).collect(),
        differences: report.differences.iter().map(differing).collect(),
        processes: report.images.iter().map(image).collect(),
    };
    super::json(&document)
}

fn operations(report: &Report) -> BTreeMap<&'static str, Counts> {
    let counts = report.ops.iter().map(|(op, count)| {
        let counts = Counts {
            calls: count.calls,
            agreements: count.agreements,
        };
        (*op, counts)
    });
    counts.collect()
}

fn adopted(adoption: &Adoption) -> AdoptedRegion {
    AdoptedRegion {
        line: adoption.line,
        process: adoption.task.to_string(),
        start: hex(adoption.range.start()),
        end: hex(adoption.range.end()),
        what: adoption.what,
    }
}

fn differing(difference: &Difference) -> Differing {
    Differing {
        line: difference.line,
        process: difference.task.to_string(),
        op: difference.op,
        logged: difference.logged.to_string(),
        simulated: difference.outcome.to_string(),
        explanation: difference.explanation.map(Explanation::text),
    }
}

fn image(image: &FinalImage) -> Image<'_> {
    Image {
        name: image.task.to_string(),
        ended: image.ended,
        vmas: image.snapshot.vmas.iter().map(vma).collect(),
    }
}

fn vma(vma: &VmaSnapshot) -> Vma<'_> {
    Vma {
        start: hex(vma.range.start()),
        end: hex(vma.range.end()),
        perms: vma.flags.perms().map(char::from).iter().collect(),
        offset: format!("{:#x}", vma.offset),
        file: vma.file.as_deref(),
        label: vma.label.as_deref(),
        flags: vma.flags.mnemonics().collect(),
        anon_vma: vma.anon_vma,
    }
}

fn hex(addr: VirtAddr) -> String {
    format!("{addr:#x}")
}
