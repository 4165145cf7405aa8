//! The part of mmap that turns arguments into VMA flags, and the checks on them.

use crate::{
    Arch, Backing, Bytes, Errno, MapFlags, MappedKind, MmapArgs, PMD_SHIFT, PMD_SIZE, PageOffset,
    Prot, VmFlags,
};

/// Bytes that a file can have: Linux's `MAX_LFS_FILESIZE`.
const MAX_FILE_SIZE: u64 = i64::MAX as u64;

/// `MAP_HUGE_2MB | MAP_HUGE_1GB`, which `LEGACY_MAP_MASK` has.
const HUGE_SIZES: MapFlags = MapFlags::from_bits_retain(0x1f << 26);

/// Flags that `MAP_SHARED` keeps and `MAP_SHARED_VALIDATE` knows (`LEGACY_MAP_MASK`).
const LEGACY: MapFlags = MapFlags::SHARED
    .union(MapFlags::PRIVATE)
    .union(MapFlags::FIXED)
    .union(MapFlags::ANONYMOUS)
    .union(MapFlags::DENYWRITE)
    .union(MapFlags::EXECUTABLE)
    .union(MapFlags::UNINITIALIZED)
    .union(MapFlags::GROWSDOWN)
    .union(MapFlags::LOCKED)
    .union(MapFlags::NORESERVE)
    .union(MapFlags::POPULATE)
    .union(MapFlags::NONBLOCK)
    .union(MapFlags::STACK)
    .union(MapFlags::HUGETLB)
    .union(MapFlags::LOW_32BIT)
    .union(MapFlags::ABOVE4G)
    .union(HUGE_SIZES);

/// The access flags for a protection (`calc_vm_prot_bits()`).
pub(crate) fn prot_flags(prot: Prot, arch: Arch) -> VmFlags {
    let mut flags =
        VmFlags::from_bits_retain(u64::from(prot.bits()) & VmFlags::ACCESS_FLAGS.bits());
    if arch == Arch::Arm64 && prot.contains(Prot::BTI) {
        flags |= VmFlags::ARCH_1;
    }
    flags
}

/// The flags for `MAP_*` (`calc_vm_flag_bits()`).
fn map_flags(flags: MapFlags) -> VmFlags {
    const KNOWN: [(MapFlags, VmFlags); 4] = [
        (MapFlags::GROWSDOWN, VmFlags::GROWSDOWN),
        (MapFlags::LOCKED, VmFlags::LOCKED),
        (MapFlags::SYNC, VmFlags::SYNC),
        (MapFlags::STACK, VmFlags::NOHUGEPAGE),
    ];
    const ANY: MapFlags = MapFlags::GROWSDOWN
        .union(MapFlags::LOCKED)
        .union(MapFlags::SYNC)
        .union(MapFlags::STACK);
    if !flags.intersects(ANY) {
        return VmFlags::empty();
    }
    let given = KNOWN.into_iter().filter(|&(map, _)| flags.contains(map));
    given.map(|(_, vm)| vm).collect()
}

/// The flags of a mapping before those of its type.
pub(super) fn initial_flags(args: &MmapArgs, def_flags: VmFlags, arch: Arch) -> VmFlags {
    prot_flags(args.prot, arch) | map_flags(args.flags) | def_flags | VmFlags::MAY_FLAGS
}

/// Flags and offset that the type of mapping gives it.
pub(super) struct Typed {
    /// The VMA's flags.
    pub(super) flags: VmFlags,
    /// The mapping's `MAP_*` flags; `MAP_SHARED` of a file drops new ones.
    pub(super) map: MapFlags,
    /// The offset of its first page.
    pub(super) pgoff: PageOffset,
}

/// The checks by type of mapping (`mm/mmap.c: do_mmap()`, 6.19), in Linux's order. Descriptors
/// are open for reading and writing.
pub(super) fn by_type(
    args: &MmapArgs,
    backing: Backing,
    initial: VmFlags,
    anon_pgoff: PageOffset,
) -> Result<Typed, Errno> {
    let mut typed = match backing {
        Backing::File(file) => file_mapping(args, file.kind, initial)?,
        Backing::Anon => anon_mapping(args, initial, anon_pgoff)?,
    };
    if typed.map.contains(MapFlags::NORESERVE) {
        typed.flags |= VmFlags::NORESERVE;
    }
    Ok(typed)
}

fn file_mapping(args: &MmapArgs, kind: MappedKind, initial: VmFlags) -> Result<Typed, Errno> {
    let len = args.len.page_align().get();
    let pgoff = PageOffset::new(args.offset >> crate::PAGE_SHIFT);
    let room = MAX_FILE_SIZE.checked_sub(len).ok_or(Errno::EOVERFLOW)?;
    if pgoff.get() > room >> crate::PAGE_SHIFT {
        return Err(Errno::EOVERFLOW);
    }
    let (mut flags, mut map) = (initial, args.flags);
    match map & MapFlags::TYPE {
        MapFlags::SHARED => {
            map &= LEGACY;
            flags |= VmFlags::SHARED | VmFlags::MAYSHARE;
        }
        MapFlags::SHARED_VALIDATE => {
            // The fixed flag that stands for FIXED_NOREPLACE is a legacy one; that itself is not.
            // Disk file systems say that they know MAP_SYNC (FOP_MMAP_SYNC), and refuse it later.
            let sync = match kind {
                MappedKind::Regular => MapFlags::SYNC,
                MappedKind::Memfd
                | MappedKind::DevZero
                | MappedKind::Pfnmap
                | MappedKind::Mixedmap => MapFlags::empty(),
            };
            if !(LEGACY | sync).contains(map) {
                return Err(Errno::EOPNOTSUPP);
            }
            flags |= VmFlags::SHARED | VmFlags::MAYSHARE;
        }
        MapFlags::PRIVATE => {}
        _unknown => return Err(Errno::EINVAL),
    }
    if flags.contains(VmFlags::GROWSDOWN) {
        return Err(Errno::EINVAL);
    }
    Ok(Typed {
        flags: flags | driver_flags(kind),
        map,
        pgoff,
    })
}

/// Flags that a driver's `mmap` adds.
fn driver_flags(kind: MappedKind) -> VmFlags {
    match kind {
        // remap_pfn_range()
        MappedKind::Pfnmap => {
            VmFlags::IO | VmFlags::PFNMAP | VmFlags::DONTEXPAND | VmFlags::DONTDUMP
        }
        // vm_insert_page()
        MappedKind::Mixedmap => VmFlags::MIXEDMAP,
        MappedKind::Regular | MappedKind::Memfd | MappedKind::DevZero => VmFlags::empty(),
    }
}

fn anon_mapping(args: &MmapArgs, initial: VmFlags, anon_pgoff: PageOffset) -> Result<Typed, Errno> {
    let map = args.flags;
    let typed = |flags, pgoff| Ok(Typed { flags, map, pgoff });
    let stack = initial.contains(VmFlags::GROWSDOWN);
    match map & MapFlags::TYPE {
        MapFlags::SHARED if stack => Err(Errno::EINVAL),
        MapFlags::SHARED => typed(
            initial | VmFlags::SHARED | VmFlags::MAYSHARE,
            PageOffset::new(0),
        ),
        MapFlags::DROPPABLE => {
            if map.intersects(MapFlags::LOCKED | MapFlags::HUGETLB) || stack {
                return Err(Errno::EINVAL);
            }
            let droppable =
                VmFlags::DROPPABLE | VmFlags::NORESERVE | VmFlags::WIPEONFORK | VmFlags::DONTDUMP;
            typed(initial | droppable, anon_pgoff)
        }
        MapFlags::PRIVATE => typed(initial, anon_pgoff),
        _unknown => Err(Errno::EINVAL),
    }
}

/// The arguments of a `MAP_HUGETLB` mapping as `do_mmap()` gets them: a length of whole huge pages
/// (`mm/mmap.c: ksys_mmap_pgoff()`), and the size of those.
///
/// # Errors
/// `EINVAL` for a file that is not one of hugetlbfs, or for a size of huge pages that there is not.
pub(super) fn hugetlb_args(args: &MmapArgs) -> Result<(MmapArgs, Bytes), Errno> {
    const SIZE_SHIFT: u32 = 26;
    const GIB_SHIFT: u32 = 30;
    if !args.flags.contains(MapFlags::ANONYMOUS) {
        return Err(Errno::EINVAL);
    }
    let page = match args.flags.bits() >> SIZE_SHIFT & 0x3f {
        0 | PMD_SHIFT => PMD_SIZE,
        GIB_SHIFT => 1 << GIB_SHIFT,
        _unknown => return Err(Errno::EINVAL),
    };
    let len = Bytes(args.len.get().wrapping_add(page - 1) & !(page - 1));
    Ok((MmapArgs { len, ..*args }, Bytes(page)))
}
