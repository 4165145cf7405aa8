//! Checks an address space against the definitions of what it holds. Shares no helper with the
//! operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::VmaStore;
use crate::{AnonVmaId, AnonVmas, MappedKind, Mm, VmFlags, Vma};

impl<S: VmaStore> Mm<S> {
    /// Checks store, arena, counters and the links of every VMA.
    ///
    /// # Panics
    /// With the invariant's name if one is broken.
    pub fn check_invariants(&self) {
        self.store.check_invariants();
        self.check_store();
        self.check_counters();
        for (_, vma) in self.iter() {
            check_flags(vma);
            self.check_chain(vma);
        }
    }

    fn check_store(&self) {
        let mut ids = BTreeSet::new();
        let mut end = crate::VirtAddr::ZERO;
        for entry in self.store.iter_from(crate::VirtAddr::ZERO) {
            let vma = self.vma(entry.id);
            assert_eq!(entry.range, vma.range(), "store-range-is-vma-range");
            assert!(!entry.range.is_empty(), "no-empty-vma");
            assert!(end <= entry.range.start(), "vmas-ascend-disjoint");
            assert!(ids.insert(entry.id), "vma-is-in-store-once");
            end = entry.range.end();
        }
        assert_eq!(ids.len(), self.vmas.len(), "arena-is-what-store-names");
        assert_eq!(ids.len(), self.store.len(), "map-count-is-vmas");
        assert!(
            end <= self.config.layout.task_size,
            "vmas-are-in-user-space"
        );
    }

    fn check_counters(&self) {
        let sum = |wanted: &dyn Fn(VmFlags) -> bool| -> u64 {
            let vmas = self.vmas.iter();
            vmas.filter(|vma| wanted(vma.flags()))
                .map(|vma| vma.range().len().get() / crate::PAGE_SIZE)
                .sum()
        };
        let has = |flags: VmFlags, wanted: VmFlags| flags & wanted == wanted;
        let stack = |f| has(f, VmFlags::GROWSDOWN);
        let exec = |f| has(f, VmFlags::EXEC) && !has(f, VmFlags::WRITE) && !stack(f);
        let data = |f| has(f, VmFlags::WRITE) && !has(f, VmFlags::SHARED) && !stack(f);
        let counters = &self.counters;
        assert_eq!(counters.total_vm, sum(&|_| true), "total-vm");
        assert_eq!(counters.exec_vm, sum(&exec), "exec-vm");
        assert_eq!(counters.stack_vm, sum(&stack), "stack-vm");
        assert_eq!(counters.data_vm, sum(&data), "data-vm");
        let locked = sum(&|f| has(f, VmFlags::LOCKED));
        assert_eq!(
            counters.locked_vm,
            locked + counters.stray_locked,
            "locked-vm"
        );
    }

    fn check_chain(&self, vma: &Vma) {
        let chain: Vec<AnonVmaId> = vma.chain().collect();
        let unique: BTreeSet<_> = chain.iter().collect();
        assert_eq!(unique.len(), chain.len(), "chain-links-are-distinct");
        assert_eq!(chain.len(), vma.chain_len(), "chain-length");
        match vma.anon_vma() {
            None => assert!(chain.is_empty(), "no-chain-without-anon-vma"),
            Some(own) => assert!(chain.contains(&own), "own-anon-vma-is-in-chain"),
        }
        for id in chain {
            assert!(self.anon_vmas.view(id).links > 0, "linked-anon-vma-lives");
        }
    }
}

fn check_flags(vma: &Vma) {
    let flags = vma.flags();
    let implies = |a: VmFlags, b: VmFlags| !flags.contains(a) || flags.contains(b);
    assert!(
        implies(VmFlags::LOCKONFAULT, VmFlags::LOCKED),
        "lockonfault-implies-locked"
    );
    assert!(
        implies(VmFlags::SHARED, VmFlags::MAYSHARE),
        "shared-implies-mayshare"
    );
    assert_eq!(
        vma.uffd().is_some(),
        flags.intersects(VmFlags::UFFD),
        "uffd-flags-with-context"
    );
    let unlockable = VmFlags::SPECIAL | VmFlags::DROPPABLE;
    assert!(
        !(flags.contains(VmFlags::LOCKED) && flags.intersects(unlockable)),
        "special-vmas-are-not-locked"
    );
    match vma.file().map(|file| file.kind) {
        None => assert!(!flags.contains(VmFlags::MAYSHARE), "anon-is-private"),
        Some(MappedKind::DevZero) => {
            assert!(flags.contains(VmFlags::MAYSHARE), "shared-anon-is-shared");
        }
        Some(
            MappedKind::Regular | MappedKind::Memfd | MappedKind::Pfnmap | MappedKind::Mixedmap,
        ) => {}
    }
}

impl AnonVmas {
    /// Checks every anon_vma against the VMAs of all address spaces.
    ///
    /// # Panics
    /// With the invariant's name if one is broken.
    pub fn check_invariants<'a>(&self, vmas: impl Iterator<Item = &'a Vma>) {
        let mut links: BTreeMap<AnonVmaId, u32> = BTreeMap::new();
        let mut active: BTreeMap<AnonVmaId, u32> = BTreeMap::new();
        for vma in vmas {
            for id in vma.chain() {
                *links.entry(id).or_default() += 1;
            }
            if let Some(own) = vma.anon_vma() {
                *active.entry(own).or_default() += 1;
            }
        }
        let ids = self.ids();
        assert!(
            links.keys().eq(ids.iter()),
            "anon-vmas-live-while-linked: {links:?} {ids:?}"
        );
        let mut children: BTreeMap<AnonVmaId, u32> = BTreeMap::new();
        for &id in &ids {
            *children.entry(self.view(id).parent).or_default() += 1;
        }
        for id in ids {
            let view = self.view(id);
            assert_eq!(view.links, links[&id], "anon-vma-links");
            let expected = active.get(&id).copied().unwrap_or(0);
            assert_eq!(view.active, expected, "anon-vma-active");
            let expected = children.get(&id).copied().unwrap_or(0);
            assert_eq!(view.children, expected, "anon-vma-children");
            let root = if view.parent == id {
                id
            } else {
                self.view(view.parent).root
            };
            assert_eq!(view.root, root, "anon-vma-root");
        }
    }
}
