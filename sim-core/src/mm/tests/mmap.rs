//! mmap and munmap.

use super::{check, scripts};
use crate::testing::{BASE, World};
use crate::{
    Bytes, Errno, FileId, MapFlags, MappedKind, MmapArgs, Profile, Prot, Setup, SyscallRange,
    VirtAddr,
};

scripts! {
    // Replacing.
    replace_middle: "map 0..6 rw; map 2..4 r" => "0..2 rw | 2..4 r | 4..6 rw";
    replace_same: "map 0..6 rw; map 2..4 rw" => "0..6 rw";
    replace_several: "map 0..2 rw; map 2..4 r; map 5..7 rwx; map 1..6 rw" => "0..6 rw | 6..7 rwx";
    replace_loses_guard: "map 0..4 rw; guard 1; unmap 0..4; map 0..4 rw" => "0..4 rw";
    replace_sealed: "map 0..6 rw; seal 2..4; map 1..5 r = EPERM" => "0..1 rw | 1..2 rw | 2..4 rw sl | 4..6 rw";
    noreplace: "map 2..4 rw; map 0..3 rw noreplace = EEXIST; map 0..2 rw noreplace" => "0..4 rw";

    // Unmapping.
    unmap_middle: "map 0..6 rw; unmap 2..4" => "0..2 rw | 4..6 rw";
    unmap_nothing: "unmap 2..4" => "";
    unmap_over_holes: "map 0..2 rw; map 4..6 rw; unmap 1..5" => "0..1 rw | 5..6 rw";
    unmap_sealed_keeps_splits: "map 0..6 rw; seal 4..6; unmap 2..5 = EPERM" => "0..2 rw | 2..4 rw | 4..6 rw sl";
    unmap_sealed_first: "map 0..6 rw; seal 0..6; unmap 2..4 = EPERM" => "0..6 rw sl";

    // Types.
    growsdown_file: "map 0..2 rw memfd growsdown = EINVAL" => "";
    growsdown_shared: "map 0..2 rw shared growsdown = EINVAL" => "";
    droppable_locked: "map 0..2 rw droppable locked = EINVAL" => "";
}

#[test]
fn flags() {
    let rows = [
        ("map 0..1 rw", "rd wr mr mw me ac"),
        ("map 0..1 r", "rd mr mw me"),
        ("map 0..1 rw noreserve", "rd wr mr mw me nr"),
        ("map 0..1 rw shared", "rd wr sh mr mw me ms"),
        ("map 0..1 rw memfd", "rd wr mr mw me ac"),
        ("map 0..1 rw stack", "rd wr mr mw me ac nh"),
        ("map 0..1 rw growsdown", "rd wr mr mw me gd ac"),
        ("map 0..1 rw locked", "rd wr mr mw me lo ac"),
        ("map 0..1 rw droppable", "rd wr mr mw me nr wf dd dp"),
        (
            "map 0..1 rw shared pfnmap",
            "rd wr sh mr mw me ms pf io de dd",
        ),
    ];
    for (script, flags) in rows {
        let mut world = World::new(Profile::V6_19);
        world.script(script);
        assert_eq!(world.flags_at(0), flags, "{script}");
    }
}

#[test]
fn shared_anonymous_begins_at_0() {
    let world = check("offset", "map 3..6 rw shared; unmap 3..4", "4..6 rws");
    let (_, vma) = world.mm.iter().next().expect("one VMA");
    assert_eq!(vma.pgoff().get(), 1);
    assert_eq!(vma.file().map(|file| file.kind), Some(MappedKind::DevZero));
}

const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);

/// Arguments that are right.
const fn right() -> MmapArgs {
    MmapArgs {
        addr: BASE,
        len: Bytes(4096),
        prot: Prot::READ,
        flags: PRIVATE.union(MapFlags::FIXED),
        file: None,
        offset: 0,
    }
}

/// What a row changes.
type Change = fn(&mut MmapArgs);

/// Maps a file of this type.
const fn file(args: &mut MmapArgs, flags: MapFlags) {
    args.flags = MapFlags::FIXED.union(flags);
    args.file = Some(FileId(0));
}

/// Each row breaks one rule; the order of checks shows where two are broken.
const ERRORS: &[(&str, Change, Errno)] = &[
    (
        "offset",
        |a| (a.offset, a.len) = (1, Bytes(0)),
        Errno::EINVAL,
    ),
    (
        "no file",
        |a| (a.flags, a.len) = (MapFlags::PRIVATE, Bytes(0)),
        Errno::EBADF,
    ),
    ("length 0", |a| a.len = Bytes(0), Errno::EINVAL),
    ("length wraps", |a| a.len = Bytes(u64::MAX), Errno::ENOMEM),
    ("too long", |a| a.len = Bytes(1 << 48), Errno::ENOMEM),
    ("beyond", |a| a.addr = VirtAddr::new(1 << 47), Errno::ENOMEM),
    (
        "unaligned",
        |a| a.addr = VirtAddr::new(0x10_0001),
        Errno::EINVAL,
    ),
    ("low", |a| a.addr = VirtAddr::new(4096), Errno::EPERM),
    ("type 0", |a| a.flags.remove(MapFlags::TYPE), Errno::EINVAL),
    (
        "validate anonymous",
        |a| a.flags |= MapFlags::SHARED,
        Errno::EINVAL,
    ),
    (
        "sync",
        |a| file(a, MapFlags::SHARED_VALIDATE | MapFlags::SYNC),
        Errno::EOPNOTSUPP,
    ),
    ("file type 0", |a| file(a, MapFlags::empty()), Errno::EINVAL),
    (
        "file too big",
        |a| {
            file(a, MapFlags::PRIVATE);
            a.offset = 1 << 63;
        },
        Errno::EOVERFLOW,
    ),
    ("hugetlb", |a| a.flags |= MapFlags::HUGETLB, Errno::ENOMEM),
    (
        "hugetlb, unaligned",
        |a| {
            a.flags |= MapFlags::HUGETLB;
            a.addr = BASE.add_pages(1);
        },
        Errno::EINVAL,
    ),
    (
        "shared memory beyond RAM",
        |a| {
            a.flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
            a.len = Bytes(1 << 46);
        },
        Errno::ENOMEM,
    ),
    (
        "hugetlb of a file",
        |a| file(a, MapFlags::PRIVATE | MapFlags::HUGETLB),
        Errno::EINVAL,
    ),
];

#[test]
fn errors() {
    for (what, change, errno) in ERRORS {
        let mut args = right();
        change(&mut args);
        let mut world = World::new(Profile::V6_19);
        let kind = args.file.map(|_| MappedKind::Memfd);
        let result = world.mm.mmap(&mut world.pages, &args, kind);
        assert_eq!(result.map(|mapped| mapped.addr), Err(*errno), "{what}");
        assert_eq!(world.mm.map_count(), 0, "{what}");
        world.check();
    }
}

#[test]
fn above_the_limit_of_vmas_nothing_else_is_looked_at() {
    let mut setup = Setup::new(Profile::V6_19);
    setup.limits.max_map_count = 1;
    let mut world = World::with_setup(&setup);
    world.script("map 0..1 rw; map 2..3 rw");
    let args = MmapArgs {
        addr: BASE.add_pages(1),
        flags: PRIVATE | MapFlags::FIXED | MapFlags::HUGETLB,
        ..right()
    };
    let result = world.mm.mmap(&mut world.pages, &args, None);
    assert_eq!(result.map(|mapped| mapped.addr), Err(Errno::ENOMEM));
}

#[test]
fn huge_pages_beyond_the_limit_leave_what_is_there() {
    let mut setup = Setup::new(Profile::V6_19);
    setup.limits.address_space = Some(Bytes::from_pages(16));
    let mut world = World::with_setup(&setup);
    let at = BASE.get().next_multiple_of(crate::PMD_SIZE);
    let pages = MmapArgs {
        addr: VirtAddr::new(at),
        ..right()
    };
    let mapped = world.mm.mmap(&mut world.pages, &pages, None);
    assert!(mapped.is_ok());
    let huge = MmapArgs {
        flags: PRIVATE | MapFlags::FIXED | MapFlags::HUGETLB,
        ..pages
    };
    let result = world.mm.mmap(&mut world.pages, &huge, None);
    assert_eq!(result.map(|mapped| mapped.addr), Err(Errno::ENOMEM));
    assert_eq!(world.mm.map_count(), 1);
}

#[test]
fn shared_memory_without_a_reservation_may_exceed_ram() {
    let mut world = World::new(Profile::V6_19);
    let args = MmapArgs {
        len: Bytes(1 << 46),
        flags: MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::NORESERVE,
        ..right()
    };
    let result = world.mm.mmap(&mut world.pages, &args, None);
    assert!(result.is_ok());
}

#[test]
fn munmap_errors() {
    let task_size = 0x7fff_ffff_f000;
    let rows = [
        (1, 4096),
        (task_size + 4096, 4096),
        (4096, task_size),
        (4096, 0),
    ];
    for (addr, len) in rows {
        let mut world = World::new(Profile::V6_19);
        let range = SyscallRange::new(VirtAddr::new(addr), Bytes(len));
        let result = world.mm.munmap(&mut world.pages, range);
        assert_eq!(result, Err(Errno::EINVAL), "{addr:#x} {len:#x}");
    }
}

#[test]
fn disk_file_with_sync_leaves_a_hole() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..3 rw");
    let args = MmapArgs {
        addr: BASE.add_pages(1),
        flags: MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::SYNC,
        file: Some(FileId(0)),
        ..right()
    };
    let result = world
        .mm
        .mmap(&mut world.pages, &args, Some(MappedKind::Regular));
    assert_eq!(result.map(|mapped| mapped.addr), Err(Errno::EOPNOTSUPP));
    assert_eq!(world.vmas(), "0..1 rw | 2..3 rw");
    world.check();
}
