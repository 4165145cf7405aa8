//! The page tables for people: the tree with indices, leaf entries decoded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sim_pagetable::{Arch, Dump, Entry, EntryView, Level, PageSize, PageTables, Pfn, PresentEntry};

/// The tree, a line an entry.
pub(super) fn text<A: Arch>(tables: &PageTables<A>) -> String {
    let all: BTreeMap<Pfn, Dump> = tables.dump().into_iter().map(|t| (t.pfn, t)).collect();
    let mut tree = Tree {
        tables: &all,
        text: String::new(),
    };
    let root = tables.root();
    let _ = writeln!(tree.text, "root {:#x}", root.phys());
    tree.table::<A>(root, 0);
    tree.text
}

struct Tree<'t> {
    tables: &'t BTreeMap<Pfn, Dump>,
    text: String,
}

impl Tree<'_> {
    fn table<A: Arch>(&mut self, pfn: Pfn, base: u64) {
        let Some(table) = self.tables.get(&pfn) else {
            return;
        };
        let depth = match table.level {
            Level::Pgd => 1,
            Level::Pud => 2,
            Level::Pmd => 3,
            Level::Pte => 4,
        };
        for (index, &raw) in table.entries.iter().enumerate() {
            if raw == 0 {
                continue;
            }
            let address = base + index as u64 * table.level.span();
            let head = format!("{:depth$}{:?}[{index}] {address:#x}", "", table.level);
            let below = A::table_pfn(raw).filter(|_| table.level != Level::Pte);
            if let Some(child) = below {
                let _ = writeln!(self.text, "{head} table {:#x}", child.phys());
                self.table::<A>(child, address);
            } else {
                let entry = Entry::<A>::from_raw(raw);
                let _ = writeln!(self.text, "{head} {raw:#018x} {}", decoded(entry.view()));
            }
        }
    }
}

/// An entry in words.
fn decoded(view: EntryView) -> String {
    match view {
        EntryView::None => "none".to_owned(),
        EntryView::Present(page) => present(page),
        EntryView::Swap(swapped) => {
            let exclusive = if swapped.exclusive { " exclusive" } else { "" };
            format!(
                "swap {}:{}{exclusive}",
                swapped.slot.device, swapped.slot.offset
            )
        }
        EntryView::Migration(moving) => format!("migration of {:#x}", moving.pfn.phys()),
        EntryView::Marker(marker) => {
            let names: Vec<_> = marker.iter_names().map(|(n, _)| n.to_lowercase()).collect();
            format!("marker {}", names.join(" "))
        }
        EntryView::HwPoison(pfn) => format!("memory error at {:#x}", pfn.phys()),
        EntryView::Device(kind, pfn) => format!("device {kind:?} {:#x}", pfn.phys()),
    }
}

fn present(page: PresentEntry) -> String {
    let mut words = vec![match page.size {
        PageSize::Base => format!("page {:#x}", page.pfn.phys()),
        PageSize::Huge => format!("huge page {:#x}", page.pfn.phys()),
    }];
    for (set, word) in [
        (page.prot_none, "prot_none"),
        (page.write, "write"),
        (page.exec, "exec"),
        (page.young, "young"),
        (page.dirty, "dirty"),
        (page.soft_dirty, "soft_dirty"),
        (page.uffd_wp, "uffd_wp"),
        (page.special, "special"),
    ] {
        if set {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}
