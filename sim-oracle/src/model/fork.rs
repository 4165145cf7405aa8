//! fork.

use std::collections::BTreeMap;

use sim_core::{CopyOnFork, Errno, UffdFeatures, VmFlags};

use super::anon::Anons;
use super::page::Page;
use super::rules::Rules;
use super::space::{Run, Space};

/// Does the child get the markers that are in the parent's page tables?
fn copies_tables(rules: &Rules, child: &Page, parent: &Page) -> bool {
    let raw = VmFlags::PFNMAP | VmFlags::MIXEDMAP;
    let all = raw | VmFlags::UFFD_WP | VmFlags::MAYBE_GUARD;
    let by_flags = match rules.features.copy_on_fork {
        CopyOnFork::Legacy => parent.any(raw) || child.has(VmFlags::UFFD_WP),
        CopyOnFork::Guard => parent.any(raw | VmFlags::MAYBE_GUARD) || child.has(VmFlags::UFFD_WP),
        CopyOnFork::Source => parent.any(all),
        CopyOnFork::Child => child.any(all),
    };
    by_flags || parent.anon.is_some()
}

impl Space {
    /// A child's address space. `others` are all other pages that have anon_vmas.
    pub(super) fn fork<'a>(
        &'a self,
        rules: &Rules,
        anons: &mut Anons,
        others: impl Iterator<Item = &'a Page> + Clone,
        new_context: &mut dyn FnMut() -> u32,
    ) -> Result<Self, Errno> {
        let mut child = Self {
            def_flags: self.def_flags & VmFlags::NOHUGEPAGE,
            start_brk: self.start_brk,
            brk: self.brk,
            marked: self.marked,
            adrift: self.adrift.clone(),
            ..Self::default()
        };
        // A child's userfaultfd for each of the parent's.
        let mut contexts = BTreeMap::new();
        for run in &self.runs {
            let parent = &run.page;
            if parent.has(VmFlags::DONTCOPY) {
                continue;
            }
            if parent.has(VmFlags::ACCOUNT) && run.pages() > rules.commit {
                return Err(Errno::ENOMEM);
            }
            let mut page = parent.clone();
            page.anon = None;
            let follows = rules.uffd.contains(UffdFeatures::EVENT_FORK);
            page.uffd = parent
                .uffd
                .filter(|_| follows)
                .map(|context| *contexts.entry(context).or_insert_with(&mut *new_context));
            if page.uffd.is_none() {
                page.flags -= VmFlags::UFFD;
            }
            let wiped = parent.has(VmFlags::WIPEONFORK);
            if let Some(anon) = parent.anon.as_ref().filter(|_| !wiped) {
                let own = child.runs.iter().map(|run| &run.page);
                page.anon =
                    Some(anons.fork(anon, others.clone().map(|page| page as &Page).chain(own)));
            }
            page.flags -= VmFlags::LOCKED_MASK;
            if !wiped && !self.guards.is_empty() && copies_tables(rules, &page, parent) {
                let copied = self.guards.overlapping(run.start..run.end);
                let copied = copied.map(|r| r.start.max(run.start)..r.end.min(run.end));
                child.guards.extend(copied);
            }
            child.runs.push(Run {
                page,
                ..run.clone()
            });
        }
        Ok(child)
    }
}
