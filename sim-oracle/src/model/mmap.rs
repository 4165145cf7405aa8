//! mmap.

use sim_core::{
    Arch, Backing, Errno, FileId, FileRef, MapFlags, MappedKind, MmapArgs, PAGE_SIZE, Prot, VmFlags,
};

use super::files::Files;
use super::merge::Wish;
use super::page::Page;
use super::place::Wanted;
use super::rules::Rules;
use super::space::{Pages, Space};

/// What `MAP_SHARED` keeps of the flags.
const OLD_FLAGS: u32 = 0x7c07_f9f3;

/// What `MAP_SHARED_VALIDATE` accepts: those that it always did, and what file systems tell of.
fn known_flags(kind: MappedKind) -> u32 {
    match kind {
        MappedKind::Regular => OLD_FLAGS | MapFlags::SYNC.bits(),
        MappedKind::Memfd | MappedKind::DevZero | MappedKind::Pfnmap | MappedKind::Mixedmap => {
            OLD_FLAGS
        }
    }
}

/// A mapping that was made.
pub(super) struct Made {
    pub(super) pages: Pages,
    pub(super) populate: bool,
}

/// VMA flags for a protection.
pub(super) fn access_flags(prot: Prot, arch: Arch) -> VmFlags {
    let bti = arch == Arch::Arm64 && prot.contains(Prot::BTI);
    let basic = VmFlags::from_bits_retain(u64::from(prot.bits() & 7));
    basic
        | if bti {
            VmFlags::ARCH_1
        } else {
            VmFlags::empty()
        }
}

/// What is asked for without looking at the address space.
fn mapped_object(args: &MmapArgs, files: &Files) -> Result<Backing, Errno> {
    if !args.offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let map = if args.flags.contains(MapFlags::ANONYMOUS) {
        Backing::Anon
    } else {
        let id = args.file.ok_or(Errno::EBADF)?;
        let kind = files.get(id).ok_or(Errno::EBADF)?.kind;
        Backing::File(FileRef { id, kind })
    };
    Ok(map)
}

/// Flags and first offset by the type of mapping.
fn typed(
    args: &MmapArgs,
    map: Backing,
    flags: VmFlags,
    start: u64,
) -> Result<(VmFlags, u64), Errno> {
    let kind = args.flags & MapFlags::TYPE;
    let stack = flags.contains(VmFlags::GROWSDOWN);
    let shared = flags | VmFlags::SHARED | VmFlags::MAYSHARE;
    let Backing::File(file) = map else {
        return match kind {
            MapFlags::SHARED if !stack => Ok((shared, 0)),
            MapFlags::PRIVATE => Ok((flags, start)),
            MapFlags::DROPPABLE if !stack && !args.flags.contains(MapFlags::LOCKED) => {
                let more = VmFlags::DROPPABLE
                    | VmFlags::NORESERVE
                    | VmFlags::WIPEONFORK
                    | VmFlags::DONTDUMP;
                Ok((flags | more, start))
            }
            _ => Err(Errno::EINVAL),
        };
    };
    let (pgoff, len) = (
        args.offset / PAGE_SIZE,
        args.len.0.next_multiple_of(PAGE_SIZE),
    );
    let last = (i64::MAX as u64).checked_sub(len).ok_or(Errno::EOVERFLOW)?;
    if pgoff > last / PAGE_SIZE {
        return Err(Errno::EOVERFLOW);
    }
    let flags = match kind {
        MapFlags::PRIVATE => flags,
        MapFlags::SHARED => shared,
        MapFlags::SHARED_VALIDATE if args.flags.bits() & !known_flags(file.kind) != 0 => {
            return Err(Errno::EOPNOTSUPP);
        }
        MapFlags::SHARED_VALIDATE => shared,
        _ => return Err(Errno::EINVAL),
    };
    if stack {
        return Err(Errno::EINVAL);
    }
    let driver = match file.kind {
        MappedKind::Pfnmap => {
            VmFlags::IO | VmFlags::PFNMAP | VmFlags::DONTEXPAND | VmFlags::DONTDUMP
        }
        MappedKind::Mixedmap => VmFlags::MIXEDMAP,
        MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => VmFlags::empty(),
    };
    Ok((flags | driver, pgoff))
}

/// `MAP_*` that show in the VMA's flags.
fn plain_flags(args: &MmapArgs) -> VmFlags {
    let table = [
        (MapFlags::GROWSDOWN, VmFlags::GROWSDOWN),
        (MapFlags::LOCKED, VmFlags::LOCKED),
        (MapFlags::SYNC, VmFlags::SYNC),
        (MapFlags::STACK, VmFlags::NOHUGEPAGE),
    ];
    let set = table
        .into_iter()
        .filter(|(map, _)| args.flags.contains(*map));
    set.map(|(_, flag)| flag).collect()
}

impl Space {
    pub(super) fn mmap(
        &mut self,
        rules: &Rules,
        files: &mut Files,
        args: &MmapArgs,
    ) -> Result<Made, Errno> {
        let map = mapped_object(args, files)?;
        if args.flags.contains(MapFlags::HUGETLB) {
            return Err(self.no_huge_pages(rules, args, map));
        }
        let (pages, page) = self.check_mmap(rules, args, map)?;
        let flags = page.flags;
        self.map_pages(rules, files, pages, page)?;
        let asked =
            args.flags.contains(MapFlags::POPULATE) && !args.flags.contains(MapFlags::NONBLOCK);
        Ok(Made {
            pages,
            populate: asked || flags.contains(VmFlags::LOCKED),
        })
    }

    /// No huge page is set aside, which comes out when there is room already.
    fn no_huge_pages(&mut self, rules: &Rules, args: &MmapArgs, map: Backing) -> Errno {
        let size: u64 = match args.flags.bits() >> 26 & 0x3f {
            0 | 21 => 1 << 21,
            30 => 1 << 30,
            _ => return Errno::EINVAL,
        };
        if !map.is_anon() {
            return Errno::EINVAL;
        }
        let mut args = *args;
        args.len.0 = args.len.0.wrapping_add(size - 1) & !(size - 1);
        let file = Backing::File(FileRef {
            id: FileId(u32::MAX),
            kind: MappedKind::Memfd,
        });
        let nonsense = args.len.0 == 0
            || args.len.0 > rules.task_size()
            || self.runs.len() > rules.max_map_count;
        let fixed = MapFlags::FIXED | MapFlags::FIXED_NOREPLACE;
        let misplaced = args.flags.intersects(fixed) && !args.addr.get().is_multiple_of(size);
        let checked = self.check_mmap(rules, &args, file);
        if misplaced && !nonsense {
            return Errno::EINVAL;
        }
        let room = checked.and_then(|(pages, page)| {
            self.make_room(rules, pages)?;
            let old: u64 = self.within(pages).map(super::space::Run::pages).sum();
            if !self.has_room(rules, page.flags, pages.1 - pages.0 - old) {
                return Err(Errno::ENOMEM);
            }
            self.drop_pages(pages);
            Ok(())
        });
        match room {
            Err(error) => error,
            Ok(()) if !args.offset.is_multiple_of(size) => Errno::EINVAL,
            Ok(()) => Errno::ENOMEM,
        }
    }

    fn check_mmap(
        &self,
        rules: &Rules,
        args: &MmapArgs,
        map: Backing,
    ) -> Result<(Pages, Page), Errno> {
        if args.len.0 == 0 {
            return Err(Errno::EINVAL);
        }
        let keep = args.flags.contains(MapFlags::FIXED_NOREPLACE);
        let mut args = *args;
        if keep {
            args.flags |= MapFlags::FIXED;
        }
        let mut addr = args.addr.get();
        if !args.flags.contains(MapFlags::FIXED) {
            addr &= !(PAGE_SIZE - 1);
            if addr != 0 {
                addr = addr.max(rules.lowest.next_multiple_of(PAGE_SIZE));
            }
        }
        let len = args
            .len
            .0
            .checked_next_multiple_of(PAGE_SIZE)
            .ok_or(Errno::ENOMEM)?;
        let count = len / PAGE_SIZE;
        let pgoff = args.offset / PAGE_SIZE;
        pgoff.checked_add(count).ok_or(Errno::EOVERFLOW)?;
        if self.runs.len() > rules.max_map_count {
            return Err(Errno::ENOMEM);
        }
        let kind = args.flags & MapFlags::TYPE;
        let wanted = Wanted {
            addr,
            len,
            pgoff,
            flags: args.flags,
            map,
            unborn: map.is_anon() && kind == MapFlags::SHARED,
        };
        let start = self.place(rules, &wanted)? / PAGE_SIZE;
        let pages = (start, start + count);
        if keep && self.is_used(pages) {
            return Err(Errno::EEXIST);
        }
        if args.flags.contains(MapFlags::LOCKED) && rules.no_mlock {
            return Err(Errno::EPERM);
        }
        let flags = access_flags(args.prot, rules.arch)
            | plain_flags(&args)
            | self.def_flags
            | VmFlags::MAY_FLAGS;
        if !self.may_lock(rules, flags, count) {
            return Err(Errno::EAGAIN);
        }
        let (mut flags, first) = typed(&args, map, flags, start)?;
        if args.flags.contains(MapFlags::NORESERVE) {
            flags |= VmFlags::NORESERVE;
        }
        Ok((pages, Page::new(flags, map, first.wrapping_sub(start))))
    }

    fn map_pages(
        &mut self,
        rules: &Rules,
        files: &mut Files,
        pages: Pages,
        mut page: Page,
    ) -> Result<(), Errno> {
        let count = pages.1 - pages.0;
        self.make_room(rules, pages)?;
        let replaced = |charged: bool| -> u64 {
            let runs = self.within(pages);
            let counted = runs.filter(|run| !charged || run.page.has(VmFlags::ACCOUNT));
            counted.map(super::space::Run::pages).sum()
        };
        if !self.has_room(rules, page.flags, count - replaced(false)) {
            return Err(Errno::ENOMEM);
        }
        let charge = page.has(VmFlags::WRITE) && !page.any(VmFlags::SHARED | VmFlags::NORESERVE);
        if charge {
            if count - replaced(true) > rules.commit {
                return Err(Errno::ENOMEM);
            }
            page.flags |= VmFlags::ACCOUNT;
        }
        self.drop_pages(pages);
        self.settle(rules, files, pages, page)
    }

    /// The pages join what is around them, or stay by themselves.
    fn settle(
        &mut self,
        rules: &Rules,
        files: &mut Files,
        pages: Pages,
        mut page: Page,
    ) -> Result<(), Errno> {
        let unborn = page.map.is_anon() && page.has(VmFlags::SHARED);
        let wish = Wish {
            pages,
            page: &page,
            anon: None,
            forked: false,
        };
        let merged = !unborn && self.merge_new(rules, &wish, None, false);
        if !merged {
            if unborn {
                let pages = pages.1 - pages.0;
                if !page.has(VmFlags::NORESERVE) && pages > rules.commit {
                    return Err(Errno::ENOMEM);
                }
                page.map = Backing::File(files.new_shared(pages));
            }
            let disk = page
                .map
                .file()
                .is_some_and(|file| file.kind == MappedKind::Regular);
            if disk && page.has(VmFlags::SYNC) {
                return Err(Errno::EOPNOTSUPP);
            }
            self.put(pages, page);
        }
        self.finish_new(rules, pages.0);
        Ok(())
    }

    /// What the VMA of a new page gets in the end.
    fn finish_new(&mut self, rules: &Rules, at: u64) {
        let page = self.page_mut(at);
        if rules.soft_dirty {
            page.flags |= VmFlags::SOFTDIRTY;
        }
        if !can_lock(page.flags) && page.has(VmFlags::LOCKED) {
            page.flags -= VmFlags::LOCKED_MASK;
        }
    }
}

/// May the memory of such a VMA be locked?
pub(super) const fn can_lock(flags: VmFlags) -> bool {
    let never = VmFlags::SPECIAL
        .union(VmFlags::HUGETLB)
        .union(VmFlags::DROPPABLE);
    !flags.intersects(never)
}
