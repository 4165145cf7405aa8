//! The structure checked against its definition, and printed.

use std::fmt::Write as _;

use crate::VirtAddr;
use crate::store::{Entry, StoreReader as _, VmaStore as _};

use super::arena::NodeId;
use super::inner::{INNER_MIN, UNKNOWN};
use super::leaf::Leaf;
use super::{MapleStore, Step};

/// What was seen on the way through the tree.
#[derive(Default)]
struct Seen {
    /// All entries so far, in order.
    entries: Vec<Entry>,
    /// All leaves so far, in order.
    leaves: Vec<NodeId>,
    inners: usize,
}

/// The keys that a node may have: from the first on, below the second.
#[derive(Clone, Copy)]
struct Bounds {
    low: u64,
    high: u64,
}

impl Seen {
    /// The widest gap before the entries from the `first` on, by definition.
    fn widest_from(&self, first: usize) -> u64 {
        let end_before = |index: usize| {
            let before = index.checked_sub(1).map(|before| self.entries[before]);
            before.map_or(0, |entry| entry.range.end().get())
        };
        (first..self.entries.len())
            .map(|index| self.entries[index].range.start().get() - end_before(index))
            .max()
            .unwrap_or(0)
    }
}

impl MapleStore {
    /// Walks the whole tree and checks all that its users rely on.
    pub(super) fn check(&self) {
        let mut seen = Seen::default();
        let all = Bounds {
            low: 0,
            high: u64::MAX,
        };
        self.check_node(self.root, 0, all, &mut seen);
        assert_eq!(seen.entries.len(), self.len, "every entry is counted");
        assert_eq!(seen.leaves.len(), self.leaves.used(), "no leaf is lost");
        assert_eq!(seen.inners, self.inners.used(), "no inner node is lost");
        for pair in seen.entries.windows(2) {
            let disjoint = pair[0].range.end() <= pair[1].range.start();
            assert!(disjoint, "entries are in order and disjoint");
        }
        self.check_links(&seen.leaves);
        self.check_finger();
        self.check_reader(&seen.entries);
    }

    /// Whoever looks without a lock sees the same.
    fn check_reader(&self, entries: &[Entry]) {
        assert_eq!(self.changes, 0, "no change is left open");
        let reader = self.reader();
        let mut free_from = VirtAddr::ZERO;
        for entry in entries {
            let (start, end) = (entry.range.start(), entry.range.end());
            let last = VirtAddr::new(end.get() - 1);
            let before = (free_from < start).then(|| VirtAddr::new(start.get() - 1));
            let what = "a reader without a lock sees the store";
            assert_eq!(reader.get(start), Ok(Some(*entry)), "{what}");
            assert_eq!(reader.get(last), Ok(Some(*entry)), "{what}");
            assert!(
                before.is_none_or(|addr| reader.get(addr) == Ok(None)),
                "{what}"
            );
            free_from = end;
        }
    }

    fn check_node(&self, node: NodeId, depth: usize, bounds: Bounds, seen: &mut Seen) {
        if depth == self.height {
            seen.leaves.push(node);
            self.check_leaf(&self.leaves[node], bounds, seen);
            return;
        }
        seen.inners += 1;
        let inner = &self.inners[node];
        let least = if depth == 0 { 2 } else { INNER_MIN };
        assert!(inner.len() >= least, "no inner node is too small");
        assert_eq!(
            inner.keys()[0],
            bounds.low,
            "a node begins where its parent says"
        );
        let unused = &inner.keys()[inner.len()..];
        assert!(
            unused.iter().all(|key| *key == u64::MAX),
            "unused keys are marked"
        );
        for slot in 0..inner.len() {
            let key_after = inner.keys().get(slot + 1).copied().unwrap_or(u64::MAX);
            let below = Bounds {
                low: inner.keys()[slot],
                high: key_after.min(bounds.high),
            };
            assert!(below.low < below.high, "keys ascend");
            let first = seen.entries.len();
            self.check_node(inner.child(slot), depth + 1, below, seen);
            self.check_gap(Step { node, slot }, depth, seen.widest_from(first));
        }
    }

    fn check_gap(&self, step: Step, depth: usize, widest: u64) {
        let inner = &self.inners[step.node];
        let child = inner.child(step.slot);
        let cached = inner.cached_gap(step.slot);
        let child_known = if depth + 1 == self.height {
            self.leaves[child].gap_known()
        } else {
            self.inners[child].gap_known()
        };
        let known = inner.gap_known();
        assert_eq!(
            child_known,
            cached != UNKNOWN,
            "parent and child agree on what is known"
        );
        assert!(child_known || !known, "who knows its gap knows those below");
        assert!(
            cached == UNKNOWN || cached == widest,
            "a known gap is right"
        );
    }

    fn check_leaf(&self, leaf: &Leaf, bounds: Bounds, seen: &mut Seen) {
        assert!(leaf.len() > 0 || self.height == 0, "no leaf is empty");
        assert!(leaf.is_sound(), "a leaf agrees with itself");
        for slot in 0..leaf.len() {
            let entry = leaf.entry(slot);
            let start = entry.range.start().get();
            assert!(!entry.range.is_empty(), "no entry is empty");
            let inside = bounds.low <= start && start < bounds.high;
            assert!(inside, "entries are where their parent says");
            seen.entries.push(entry);
        }
    }

    fn check_links(&self, leaves: &[NodeId]) {
        let mut before = NodeId::NONE;
        for (index, id) in leaves.iter().enumerate() {
            let after = leaves.get(index + 1).copied().unwrap_or(NodeId::NONE);
            assert_eq!(
                self.leaves[*id].prev(),
                before,
                "leaves are linked backwards"
            );
            assert_eq!(self.leaves[*id].next(), after, "leaves are linked forwards");
            before = *id;
        }
    }

    fn check_finger(&self) {
        if self.finger.leaf.is_none() {
            return;
        }
        let mut node = self.root;
        for step in &self.finger.path[..self.height] {
            assert_eq!(step.node, node, "the finger's path leads down");
            node = self.inners[node].child(step.slot);
        }
        assert_eq!(
            self.finger.leaf, node,
            "the finger's path leads to its leaf"
        );
    }

    /// The tree for people: a line for each node.
    pub(super) fn print(&self) -> String {
        let mut text = format!(
            "maple: {} entries, {} levels, {} leaves, {} inner nodes, {} bytes\n",
            self.len(),
            self.height + 1,
            self.leaves.used(),
            self.inners.used(),
            self.bytes().get(),
        );
        self.print_node(self.root, 0, &mut text);
        text
    }

    fn print_node(&self, node: NodeId, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth + 1);
        if depth == self.height {
            let leaf = &self.leaves[node];
            let _ = writeln!(text, "{indent}leaf: {} entries", leaf.len());
            for slot in 0..leaf.len() {
                let entry = leaf.entry(slot);
                let _ = writeln!(text, "{indent}  {} vma {}", entry.range, entry.id.0);
            }
            return;
        }
        let inner = &self.inners[node];
        let _ = writeln!(text, "{indent}node: {} children", inner.len());
        for slot in 0..inner.len() {
            let gap = match inner.cached_gap(slot) {
                UNKNOWN => "not computed".to_owned(),
                gap => format!("{gap:#x}"),
            };
            let _ = writeln!(
                text,
                "{indent}  from {:#x}, widest gap {gap}",
                inner.keys()[slot]
            );
            self.print_node(inner.child(slot), depth + 1, text);
        }
    }
}
