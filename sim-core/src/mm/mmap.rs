//! mmap.

use super::mmap_checks::{by_type, hugetlb_args, initial_flags};
use super::modify::NewRangeRequest;
use super::munmap::Gathered;
use super::unmapped_area::AreaRequest;
use crate::pages::dev_zero;
use crate::store::{NoMemory, VmaId, VmaStore};
use crate::{
    Attributes, Backing, Bytes, Errno, Event, FileId, FileRef, MapFlags, MappedKind, Mm, MmapArgs,
    PAGE_SHIFT, PageOffset, PageOps, PageRange, Refusal, VirtAddr, VmFlags, Vma,
};

/// A successful mapping call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the machine populates what is asked for"]
pub struct Mapped {
    /// The call's value.
    pub addr: VirtAddr,
    /// What is to be populated once the lock is dropped; errors of that are ignored.
    pub populate: Option<PageRange>,
}

/// A mapping whose arguments have been checked: what `mmap_region()` gets.
#[derive(Clone, Copy, Debug)]
struct Region {
    range: PageRange,
    flags: VmFlags,
    pgoff: PageOffset,
    backing: Backing,
}

/// The VMAs below and above a range.
type Around = (Option<VmaId>, Option<VmaId>);

impl Region {
    /// Shared memory without a file: its object is made when nothing else can fail.
    fn wants_object(&self) -> bool {
        self.backing.is_anon() && self.flags.contains(VmFlags::SHARED)
    }
}

impl<S: VmaStore> Mm<S> {
    /// `mmap(2)`. `kind` is that of `args.file`. Order of checks: `arch: sys_mmap()`, `mm/mmap.c:
    /// ksys_mmap_pgoff()`, `do_mmap()`, 6.19.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn mmap(
        &mut self,
        pages: &mut dyn PageOps,
        args: &MmapArgs,
        kind: Option<MappedKind>,
    ) -> Result<Mapped, Errno> {
        if !VirtAddr::new(args.offset).is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let backing = backing(args, kind)?;
        if args.flags.contains(MapFlags::HUGETLB) {
            return Err(self.hugetlb_error(pages, args));
        }
        let (region, map) = self.check_mmap(args, backing)?;
        self.mmap_region(pages, region)?;
        let wanted = region.flags.contains(VmFlags::LOCKED)
            || map & (MapFlags::POPULATE | MapFlags::NONBLOCK) == MapFlags::POPULATE;
        Ok(Mapped {
            addr: region.range.start(),
            populate: wanted.then_some(region.range),
        })
    }

    /// `MAP_HUGETLB`: no huge page is reserved on a simulated machine, so that it always fails
    /// (`fs/hugetlbfs/inode.c: hugetlbfs_file_mmap()`).
    ///
    /// What was mapped there is gone by then.
    ///
    /// DEVIATION: with `MAP_NORESERVE` Linux maps it, and each access is a SIGBUS.
    fn hugetlb_error(&mut self, pages: &mut dyn PageOps, args: &MmapArgs) -> Errno {
        let (args, page) = match hugetlb_args(args) {
            Ok(found) => found,
            Err(error) => return error,
        };
        let file = Backing::File(FileRef {
            id: FileId(u32::MAX),
            kind: MappedKind::Memfd,
        });
        let fixed = args
            .flags
            .intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
        if let Err(error) = self.admit_mmap(&args) {
            return error;
        }
        if args.len > self.config.layout.task_size - VirtAddr::ZERO {
            return Errno::ENOMEM;
        }
        // hugetlb_get_unmapped_area()
        if fixed && !args.addr.get().is_multiple_of(page.get()) {
            return Errno::EINVAL;
        }
        let region = match self.check_mmap(&args, file) {
            Err(error) => return error,
            Ok((region, _)) => region,
        };
        let room = self
            .room_for(pages, &region)
            .and_then(|()| self.do_munmap(pages, region.range));
        match room {
            Err(error) => error,
            Ok(()) if !args.offset.is_multiple_of(page.get()) => Errno::EINVAL,
            Ok(()) => Errno::ENOMEM,
        }
    }

    /// May a region take the place of what is there, as far as the limits are concerned?
    fn room_for(&mut self, pages: &mut dyn PageOps, region: &Region) -> Result<(), Errno> {
        let old = self.gather(pages, region.range)?;
        if !self.may_expand_vm(region.flags, region.range.pages() - old.pages) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// The checks of `do_mmap()` before a place is looked for. The arguments come back as those
    /// after it want them: in whole pages, the hint rounded, `FIXED_NOREPLACE` fixed.
    fn admit_mmap(&self, args: &MmapArgs) -> Result<MmapArgs, Errno> {
        if args.len == Bytes(0) {
            return Err(Errno::EINVAL);
        }
        let mut args = *args;
        if args.flags.contains(MapFlags::FIXED_NOREPLACE) {
            args.flags |= MapFlags::FIXED;
        }
        if !args.flags.contains(MapFlags::FIXED) {
            args.addr = self.round_hint(args.addr);
        }
        args.len = args.len.page_align();
        if args.len == Bytes(0) {
            return Err(Errno::ENOMEM);
        }
        let pgoff = args.offset >> PAGE_SHIFT;
        pgoff
            .checked_add(args.len.pages())
            .ok_or(Errno::EOVERFLOW)?;
        if self.above_map_limit() {
            let start = args.addr.page_down();
            let end = start.checked_add(args.len).unwrap_or(start);
            self.events.record(|| Event::Refused {
                range: PageRange::new(start, end),
                why: Refusal::MapCountLimit,
            });
            return Err(Errno::ENOMEM);
        }
        Ok(args)
    }

    /// The checks of `do_mmap()`, in its order.
    fn check_mmap(&self, args: &MmapArgs, backing: Backing) -> Result<(Region, MapFlags), Errno> {
        let args = self.admit_mmap(args)?;
        let (len, pgoff) = (args.len, args.offset >> PAGE_SHIFT);
        let initial = initial_flags(&args, self.def_flags, self.config.arch);
        let addr = self.get_unmapped_area(&AreaRequest {
            addr: args.addr,
            len,
            pgoff: PageOffset::new(pgoff),
            flags: args.flags,
            backing: placed_as(&args, backing),
        })?;
        let range = PageRange::new(addr, addr + len);
        let noreplace = args.flags.contains(MapFlags::FIXED_NOREPLACE);
        if noreplace && self.find_in(range).is_some() {
            return Err(Errno::EEXIST);
        }
        if args.flags.contains(MapFlags::LOCKED) && !self.can_do_mlock() {
            return Err(Errno::EPERM);
        }
        if !self.mlock_future_ok(initial, range.pages()) {
            return Err(Errno::EAGAIN);
        }
        let anon_pgoff = PageOffset::new(addr.page_number());
        let typed = by_type(&args, backing, initial, anon_pgoff)?;
        let region = Region {
            range,
            flags: typed.flags,
            pgoff: typed.pgoff,
            backing,
        };
        Ok((region, typed.map))
    }

    /// A hint, rounded as Linux does (`mm/mmap.c: round_hint_to_min()`).
    fn round_hint(&self, hint: VirtAddr) -> VirtAddr {
        let hint = hint.page_down();
        let min = VirtAddr::new(self.config.lowest_address().page_align().get());
        if hint != VirtAddr::ZERO && hint < min {
            min
        } else {
            hint
        }
    }

    /// Maps a region (`mm/vma.c: mmap_region()`, 6.19): makes room, checks limits, charges, then
    /// merges or makes a VMA.
    fn mmap_region(&mut self, pages: &mut dyn PageOps, mut region: Region) -> Result<(), Errno> {
        let around = self.around_vacant(region.range);
        let old = match around {
            Some(_) => None,
            None => Some(self.gather(pages, region.range)?),
        };
        let (old_pages, old_accounted) = old
            .as_ref()
            .map_or((0, 0), |old| (old.pages, old.accounted));
        let count = region.range.pages();
        if !self.may_expand_vm(region.flags, count - old_pages) {
            return Err(Errno::ENOMEM);
        }
        let accountable = region.flags.contains(VmFlags::WRITE)
            && !region
                .flags
                .intersects(VmFlags::NORESERVE | VmFlags::SHARED);
        if accountable {
            // What the old VMAs had charged is given back when they go; ask for the difference.
            self.charge(count - old_accounted)?;
            self.charge_unchecked(old_accounted);
            region.flags |= VmFlags::ACCOUNT;
        }
        let done = match old {
            Some(old) => self.replace(pages, old, &region),
            None => self.merge_or_make(pages, &region, around),
        };
        let id = done.inspect_err(|_| {
            if accountable {
                self.commit.uncharge(count);
            }
        })?;
        self.complete_mmap(id, count);
        Ok(())
    }

    /// Takes away what was mapped and maps the region: whoever looks without a lock sees the one
    /// or the other (`vms_complete_munmap_vmas()` comes after the new VMA is in the tree). A failure
    /// leaves a hole.
    fn replace(
        &mut self,
        pages: &mut dyn PageOps,
        old: Gathered,
        region: &Region,
    ) -> Result<VmaId, Errno> {
        self.clear_pages(pages, &old);
        self.store.begin_change();
        self.remove_gathered(pages, old);
        let result = self.merge_or_make(pages, region, None);
        self.store.end_change();
        result
    }

    /// The VMAs below and above a range, if nothing is mapped in it.
    fn around_vacant(&self, range: PageRange) -> Option<Around> {
        let found = self.store.neighbours(range.start());
        let below = found.prev.is_none_or(|e| e.range.end() <= range.start());
        let above = found.next.is_none_or(|e| e.range.start() >= range.end());
        let around = (found.prev.map(|e| e.id), found.next.map(|e| e.id));
        (below && above).then_some(around)
    }

    fn merge_or_make(
        &mut self,
        pages: &mut dyn PageOps,
        region: &Region,
        around: Option<Around>,
    ) -> Result<VmaId, Errno> {
        if !region.wants_object() {
            let request = NewRangeRequest {
                range: region.range,
                pgoff: region.pgoff,
                attributes: Attributes::new(region.flags, region.backing),
                copied_from: None,
                just_expand: false,
            };
            // A merge that memory is too short for is a merge that does not happen.
            let around = around.unwrap_or_else(|| self.around(region.range.start()));
            if let Ok(Some(id)) = self.merge_between(pages, &request, around) {
                return Ok(id);
            }
        }
        self.make_vma(pages, region)
    }

    /// A VMA of its own (`mm/vma.c: __mmap_new_vma()`, 6.19).
    fn make_vma(&mut self, pages: &mut dyn PageOps, region: &Region) -> Result<VmaId, Errno> {
        self.reserve_vma().map_err(|NoMemory| Errno::ENOMEM)?;
        let backing = if region.wants_object() {
            // The object is charged for (mm/shmem.c: shmem_acct_size()), until it goes.
            if !region.flags.contains(VmFlags::NORESERVE) {
                self.commit.admits(region.range.pages())?;
            }
            let object = pages.new_shared_anon(region.range.pages(), region.flags)?;
            Backing::File(dev_zero(object))
        } else {
            region.backing
        };
        if is_synchronous_disk_file(region) {
            return Err(Errno::EOPNOTSUPP);
        }
        let vma = Vma::new(region.range, region.pgoff, region.flags, backing);
        if backing.file().is_some() {
            pages.mmap_file(&vma)?;
        }
        let id = self.link_vma(pages, vma);
        if !backing.is_anon() {
            pages.khugepaged_enter(self.vma(id), region.flags);
        }
        Ok(id)
    }

    /// Counts the pages and sets what every new mapping gets (`mm/vma.c: __mmap_complete()`).
    fn complete_mmap(&mut self, id: VmaId, count: u64) {
        let flags = self.vma(id).flags();
        if self.config.soft_dirty && !flags.contains(VmFlags::SOFTDIRTY) {
            self.vm_flags_set(id, VmFlags::SOFTDIRTY);
        }
        let locked = flags.contains(VmFlags::LOCKED);
        let lockable = supports_mlock(flags);
        if locked && !lockable {
            self.vm_flags_clear(id, VmFlags::LOCKED_MASK);
        }
        self.counters.add(flags, count);
        if locked && lockable {
            self.counters.locked_vm += count;
        }
    }
}

/// Disk file systems refuse `MAP_SYNC` without DAX, when room has been made already
/// (`fs/ext4/file.c: ext4_file_mmap()`); shared memory ignores it.
fn is_synchronous_disk_file(region: &Region) -> bool {
    let kind = region.backing.file().map(|file| file.kind);
    kind == Some(MappedKind::Regular) && region.flags.contains(VmFlags::SYNC)
}

/// Can a VMA with these flags be locked? (`mm/internal.h: vma_supports_mlock()`)
pub(crate) const fn supports_mlock(flags: VmFlags) -> bool {
    !flags.intersects(
        VmFlags::SPECIAL
            .union(VmFlags::HUGETLB)
            .union(VmFlags::DROPPABLE),
    )
}

/// What the arguments ask to map; without `MAP_ANONYMOUS` there must be a file.
fn backing(args: &MmapArgs, kind: Option<MappedKind>) -> Result<Backing, Errno> {
    if args.flags.contains(MapFlags::ANONYMOUS) {
        return Ok(Backing::Anon);
    }
    match (args.file, kind) {
        (Some(id), Some(kind)) => Ok(Backing::File(FileRef { id, kind })),
        (Some(_) | None, Some(_) | None) => Err(Errno::EBADF),
    }
}

/// What address selection sees: shared anonymous memory is an object that does not exist yet.
fn placed_as(args: &MmapArgs, backing: Backing) -> Backing {
    let shared = args.flags & MapFlags::TYPE == MapFlags::SHARED;
    if shared && backing.is_anon() {
        Backing::File(dev_zero(FileId(u32::MAX)))
    } else {
        backing
    }
}
