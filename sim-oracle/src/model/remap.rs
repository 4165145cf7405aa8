//! mremap.

use sim_core::{
    Bytes, Errno, MapFlags, MremapArgs, MremapFlags, PAGE_SIZE, SyscallRange, UffdFeatures,
    VirtAddr, VmFlags,
};

use super::merge::Wish;
use super::page::Page;
use super::place::Wanted;
use super::rules::Rules;
use super::space::{Pages, Space};

/// Memory that keeps its size.
const RIGID: VmFlags = VmFlags::DONTEXPAND.union(VmFlags::PFNMAP);

/// A call, or the part of it that is about one VMA; bytes, lengths are whole pages.
#[derive(Clone, Copy, Debug)]
struct Remap {
    from: u64,
    old: u64,
    new: u64,
    /// By how much the source was cut before it moves.
    cut: u64,
    to: u64,
    fixed: bool,
    keep: bool,
    may_move: bool,
}

/// A mapping afterwards.
pub(super) struct Remapped {
    pub(super) addr: u64,
    /// A locked mapping grew.
    pub(super) populate: Option<Pages>,
}

impl Remap {
    const fn elsewhere(&self) -> bool {
        self.fixed || self.keep
    }

    fn grows_by(&self) -> u64 {
        self.new.saturating_sub(self.old)
    }
}

fn round(bytes: Bytes) -> u64 {
    bytes.0.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1)
}

fn unless(bad: bool, errno: Errno) -> Result<(), Errno> {
    if bad { Err(errno) } else { Ok(()) }
}

impl Space {
    /// # Errors
    /// With what was done before left as it is.
    pub(super) fn mremap(&mut self, rules: &Rules, args: &MremapArgs) -> Result<Remapped, Errno> {
        let has = |flag| args.flags.contains(flag);
        let remap = Remap {
            from: args.addr.get(),
            old: round(args.old_len),
            new: round(args.new_len),
            cut: 0,
            to: args.new_addr.get(),
            fixed: has(MremapFlags::FIXED),
            keep: has(MremapFlags::DONTUNMAP),
            may_move: has(MremapFlags::MAYMOVE),
        };
        self.check_params(rules, args, &remap)?;
        let modern = rules.features.multi_vma_mremap;
        if modern && remap.fixed && remap.old == remap.new {
            return self.move_every(rules, &remap);
        }
        let index = self.at(remap.from / PAGE_SIZE).ok_or(Errno::EFAULT)?;
        let locked = self.runs[index].page.has(VmFlags::LOCKED);
        if self.runs[index].page.has(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        let grows = remap.new > remap.old;
        if grows && !remap.elsewhere() || modern && remap.elsewhere() {
            self.check_vma(rules, &remap)?;
        }
        let addr = if remap.elsewhere() {
            self.remap_to(rules, &remap)?
        } else if grows {
            self.grow(rules, &remap)?
        } else {
            if remap.new < remap.old {
                self.cut_tail(rules, &remap)?;
            }
            remap.from
        };
        let grown = (
            (addr + remap.old) / PAGE_SIZE,
            (addr + remap.new) / PAGE_SIZE,
        );
        Ok(Remapped {
            addr,
            populate: (grows && locked).then_some(grown),
        })
    }

    fn check_params(&self, rules: &Rules, args: &MremapArgs, remap: &Remap) -> Result<(), Errno> {
        let modern = rules.features.multi_vma_mremap;
        let bad = args.flags.bits() & !7 != 0
            || !remap.from.is_multiple_of(PAGE_SIZE)
            || remap.new == 0
            || (modern && remap.new > rules.task_size());
        unless(bad, Errno::EINVAL)?;
        if !remap.elsewhere() {
            return Ok(());
        }
        let resized = if modern {
            remap.old != remap.new
        } else {
            args.old_len != args.new_len
        };
        let bad = !remap.to.is_multiple_of(PAGE_SIZE) || !remap.may_move || (remap.keep && resized);
        unless(bad, Errno::EINVAL)?;
        if modern {
            Self::check_target(rules, remap)?;
        }
        unless(self.is_near_limit(rules, 2), Errno::ENOMEM)
    }

    /// A move may need a few VMAs more on the way.
    fn is_near_limit(&self, rules: &Rules, more: usize) -> bool {
        self.runs.len() + more >= rules.max_map_count.saturating_sub(3)
    }

    fn check_target(rules: &Rules, remap: &Remap) -> Result<(), Errno> {
        let inside = rules
            .task_size()
            .checked_sub(remap.new)
            .is_some_and(|last| remap.to <= last);
        let overlap = remap.from.wrapping_add(remap.old) > remap.to
            && remap.to.wrapping_add(remap.new) > remap.from;
        unless(!inside || overlap, Errno::EINVAL)
    }

    /// May the VMA at the start grow or move so?
    fn check_vma(&self, rules: &Rules, remap: &Remap) -> Result<(), Errno> {
        let run = self.mapped(remap.from / PAGE_SIZE);
        let page = &run.page;
        let again = remap.old == 0;
        unless(
            again && !page.any(VmFlags::SHARED | VmFlags::MAYSHARE),
            Errno::EINVAL,
        )?;
        unless(remap.keep && page.any(RIGID), Errno::EINVAL)?;
        let beyond = remap.old.min(remap.new) > run.end * PAGE_SIZE - remap.from;
        unless(beyond, Errno::EFAULT)?;
        if remap.new <= remap.old {
            return Ok(());
        }
        let offset = (remap.from / PAGE_SIZE).wrapping_add(page.delta);
        unless(
            offset.checked_add(remap.new / PAGE_SIZE).is_none(),
            Errno::EINVAL,
        )?;
        unless(page.any(RIGID), Errno::EFAULT)?;
        let more = remap.grows_by() / PAGE_SIZE;
        unless(!self.may_lock(rules, page.flags, more), Errno::EAGAIN)?;
        unless(!self.has_room(rules, page.flags, more), Errno::ENOMEM)
    }

    /// A fixed move that keeps the length takes every VMA along, and the gaps between them.
    fn move_every(&mut self, rules: &Rules, whole: &Remap) -> Result<Remapped, Errno> {
        let end = whole.from.checked_add(whole.old).ok_or(Errno::EFAULT)? / PAGE_SIZE;
        let start = whole.from / PAGE_SIZE;
        let mut at = start;
        let mut moved = false;
        while let Some(part) = self.part(at, end) {
            unless(!moved && part.0 != start, Errno::EFAULT)?;
            let run = self.mapped(part.0);
            let alone = !moved && run.end >= end;
            let next = run.end;
            unless(!alone && run.page.uffd.is_some(), Errno::EFAULT)?;
            unless(run.page.has(VmFlags::SEALED), Errno::EPERM)?;
            let len = (part.1 - part.0) * PAGE_SIZE;
            let one = Remap {
                from: part.0 * PAGE_SIZE,
                old: len,
                new: len,
                to: whole.to + (part.0 - start) * PAGE_SIZE,
                ..*whole
            };
            self.check_vma(rules, &one)?;
            self.remap_to(rules, &one)?;
            moved = true;
            at = next;
        }
        unless(!moved, Errno::EFAULT)?;
        Ok(Remapped {
            addr: whole.to,
            populate: None,
        })
    }

    fn munmap_bytes(&mut self, rules: &Rules, start: u64, len: u64) -> Result<(), Errno> {
        self.munmap(rules, SyscallRange::new(VirtAddr::new(start), Bytes(len)))
    }

    /// The tail may be in other VMAs.
    fn cut_tail(&mut self, rules: &Rules, remap: &Remap) -> Result<(), Errno> {
        let tail = remap.from.checked_add(remap.new).ok_or(Errno::EINVAL)?;
        self.munmap_bytes(rules, tail, remap.old - remap.new)
    }

    fn remap_to(&mut self, rules: &Rules, remap: &Remap) -> Result<u64, Errno> {
        let mut remap = *remap;
        let modern = rules.features.multi_vma_mremap;
        let source = |space: &Self| space.at(remap.from / PAGE_SIZE).ok_or(Errno::EFAULT);
        if !modern {
            Self::check_target(rules, &remap)?;
        }
        if remap.fixed {
            self.munmap_bytes(rules, remap.to, remap.new)?;
            source(self)?;
        }
        if remap.new < remap.old {
            self.cut_tail(rules, &remap)?;
            source(self)?;
            remap.cut = remap.old - remap.new;
            remap.old = remap.new;
        }
        if !modern {
            self.check_vma(rules, &remap)?;
        }
        if remap.keep {
            let flags = self.mapped(remap.from / PAGE_SIZE).page.flags;
            unless(
                !self.has_room(rules, flags, remap.old / PAGE_SIZE),
                Errno::ENOMEM,
            )?;
        }
        self.place_and_move(rules, &remap)
    }

    fn place_and_move(&mut self, rules: &Rules, remap: &Remap) -> Result<u64, Errno> {
        let page = &self.mapped(remap.from / PAGE_SIZE).page;
        let mut flags = MapFlags::empty();
        flags.set(MapFlags::FIXED, remap.fixed);
        flags.set(MapFlags::SHARED, page.has(VmFlags::MAYSHARE));
        let wanted = Wanted {
            addr: if remap.elsewhere() { remap.to } else { 0 },
            len: remap.new,
            pgoff: (remap.from / PAGE_SIZE).wrapping_add(page.delta),
            flags,
            map: page.map,
            unborn: false,
        };
        let to = self.place(rules, &wanted)?;
        self.move_pages(rules, &Remap { to, ..*remap })?;
        Ok(to)
    }

    /// Longer where it is, if there is room behind it; else somewhere else.
    fn grow(&mut self, rules: &Rules, remap: &Remap) -> Result<u64, Errno> {
        let run = self.mapped(remap.from / PAGE_SIZE);
        let more = remap.grows_by() / PAGE_SIZE;
        let behind = (run.end, run.end + more);
        let to_its_end = run.end * PAGE_SIZE - remap.from == remap.old;
        let room =
            to_its_end && !self.is_used(behind) && self.may_be_fixed(rules, (run.start, behind.1));
        if !room {
            unless(!remap.may_move, Errno::ENOMEM)?;
            return self.place_and_move(rules, remap);
        }
        let page = run.page.clone();
        unless(
            page.has(VmFlags::ACCOUNT) && more > rules.commit,
            Errno::ENOMEM,
        )?;
        let wish = Wish {
            pages: behind,
            page: &page,
            anon: page.anon.as_ref(),
            forked: false,
        };
        unless(!self.merge_new(rules, &wish, None, false), Errno::ENOMEM)?;
        Ok(remap.from)
    }

    fn may_be_fixed(&self, rules: &Rules, (start, end): Pages) -> bool {
        let wanted = Wanted {
            addr: start * PAGE_SIZE,
            len: (end - start) * PAGE_SIZE,
            pgoff: 0,
            flags: MapFlags::FIXED,
            map: sim_core::Backing::Anon,
            unborn: false,
        };
        self.place(rules, &wanted).is_ok()
    }

    /// Moves pages of one VMA to a free place that may be longer.
    fn move_pages(&mut self, rules: &Rules, remap: &Remap) -> Result<(), Errno> {
        unless(self.is_near_limit(rules, 0), Errno::ENOMEM)?;
        let (from, to) = (remap.from / PAGE_SIZE, remap.to / PAGE_SIZE);
        let (old, new) = (remap.old / PAGE_SIZE, remap.new / PAGE_SIZE);
        let source = self.mapped(from).page.clone();
        let charged = if remap.keep {
            new
        } else {
            (remap.grows_by() + remap.cut) / PAGE_SIZE
        };
        unless(
            source.has(VmFlags::ACCOUNT) && charged > rules.commit,
            Errno::ENOMEM,
        )?;
        self.copy(rules, &source, from, (to, to + new));
        self.move_marks((from, from + old), to);
        if old > 0 && source.anon.is_some() && self.mapped(to).page.anon.is_none() {
            self.adrift.insert(to..to + old);
        }
        let follows = rules.uffd.contains(UffdFeatures::EVENT_REMAP);
        let copy = self.page_mut(to);
        if copy.uffd.is_some() && !follows {
            copy.uffd = None;
            copy.flags -= VmFlags::UFFD;
        }
        if remap.keep {
            self.leave_empty((from, from + old), to);
        } else {
            self.leave(rules, remap);
        }
        Ok(())
    }

    /// The VMA at the destination. Memory that was never written has no offset to keep.
    fn copy(&mut self, rules: &Rules, source: &Page, from: u64, to: Pages) {
        let fresh = source.map.is_anon() && source.anon.is_none();
        let page = Page {
            delta: if fresh {
                0
            } else {
                source.delta.wrapping_add(from).wrapping_sub(to.0)
            },
            ..source.clone()
        };
        let careful = rules.features.mremap_source_anon_vma;
        let wish = Wish {
            pages: to,
            page: &page,
            anon: source.anon.as_ref(),
            forked: careful && source.is_forked(),
        };
        let given = source.anon.clone().filter(|_| careful);
        if !self.merge_new(rules, &wish, given, false) {
            self.put(to, page);
        }
    }

    /// `MREMAP_DONTUNMAP`: the source stays mapped.
    fn leave_empty(&mut self, old: Pages, to: u64) {
        let source = self.at(old.0).expect("the source is mapped");
        let run = &mut self.runs[source];
        if run.page.has(VmFlags::LOCKED) {
            self.stray_locked += run.pages();
        }
        run.page.flags -= VmFlags::LOCKED_MASK;
        let apart = !(run.start <= to && to < run.end);
        if apart && (run.start, run.end) == old {
            run.page.anon = None;
        }
    }

    /// The source goes. Meanwhile it is not accounted for; if it cannot go, that remains so.
    fn leave(&mut self, rules: &Rules, remap: &Remap) {
        let from = remap.from / PAGE_SIZE;
        let source = self.at(from).expect("the source is mapped");
        let run = &mut self.runs[source];
        let (whole, gone) = ((run.start, run.end), (from, from + remap.old / PAGE_SIZE));
        let accounted = run.page.has(VmFlags::ACCOUNT);
        run.page.flags -= VmFlags::ACCOUNT;
        if self.munmap_bytes(rules, remap.from, remap.old).is_err() || !accounted {
            return;
        }
        if whole.0 < gone.0 {
            self.page_mut(gone.0 - 1).flags |= VmFlags::ACCOUNT;
        }
        if gone.1 < whole.1 {
            self.page_mut(gone.1).flags |= VmFlags::ACCOUNT;
        }
    }
}
