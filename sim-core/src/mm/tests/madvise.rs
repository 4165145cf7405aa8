//! What each advice does to each kind of VMA, as observed on 6.18.

use super::check;
use crate::testing::{World, range};
use crate::{Advice, AdviceClass, Bytes, Errno, Profile, SyscallRange, VirtAddr, check_madvise};

/// Each kind of mapping with the advice it refuses; everything else succeeds.
#[test]
fn each_mapping_refuses_what_linux_refuses() {
    let discard = "dontneed:EPERM free:EPERM remove:EPERM dontfork:EPERM wipeonfork:EPERM \
                   dontneed_locked:EPERM guard_install:EPERM";
    for (mapping, refused) in [
        ("map 0..8 rw", "remove:EINVAL"),
        ("map 0..8 r", "remove:EINVAL"),
        ("map 0..8 -", "remove:EINVAL"),
        ("map 0..8 rw shared", "free:EINVAL wipeonfork:EINVAL"),
        (
            "map 0..8 rw file",
            "free:EINVAL remove:EACCES wipeonfork:EINVAL",
        ),
        ("map 0..8 rw shared file", "free:EINVAL wipeonfork:EINVAL"),
        ("map 0..8 r shared file", "free:EINVAL wipeonfork:EINVAL"),
        (
            "map 0..8 rw memfd",
            "free:EINVAL remove:EACCES wipeonfork:EINVAL",
        ),
        ("map 0..8 rw shared memfd", "free:EINVAL wipeonfork:EINVAL"),
        (
            "map 0..8 rw droppable",
            "remove:EINVAL dodump:EINVAL keeponfork:EINVAL",
        ),
        (
            "map 0..8 rw; lock 0..8",
            "dontneed:EINVAL free:EINVAL remove:EINVAL cold:EINVAL pageout:EINVAL \
             guard_install:EINVAL",
        ),
        (
            "map 0..8 rw shared file; lock 0..8",
            "dontneed:EINVAL free:EINVAL remove:EINVAL wipeonfork:EINVAL cold:EINVAL \
             pageout:EINVAL guard_install:EINVAL",
        ),
        ("map 0..8 rw; seal 0..8", "remove:EINVAL"),
        ("map 0..8 r; seal 0..8", discard),
        (
            "map 0..8 r shared; seal 0..8",
            "free:EINVAL wipeonfork:EINVAL",
        ),
        (
            "map 0..8 r file; seal 0..8",
            "free:EINVAL remove:EACCES wipeonfork:EINVAL",
        ),
        (
            "map 0..8 r; lock 0..8; seal 0..8",
            &format!("{discard} cold:EINVAL pageout:EINVAL"),
        ),
    ] {
        for &advice in Advice::ALL {
            if advice == Advice::Hwpoison || advice == Advice::SoftOffline {
                continue;
            }
            let name = advice.name().expect("all of these have names");
            let errno = refused
                .split_whitespace()
                .find_map(|item| item.strip_prefix(name)?.strip_prefix(':'));
            let step = match errno {
                Some(errno) => format!("advise 2..6 {name} = {errno}"),
                None => format!("advise 2..6 {name}"),
            };
            World::new(Profile::V6_18Stable).script(&format!("{mapping}; {step}"));
        }
    }
}

#[test]
fn advice_sets_flags() {
    for (script, layout) in [
        ("advise 0..4 random", "0..4 rw rr"),
        ("advise 0..4 random; advise 0..4 sequential", "0..4 rw sr"),
        ("advise 0..4 sequential; advise 0..4 random", "0..4 rw rr"),
        ("advise 0..4 random; advise 0..4 normal", "0..4 rw"),
        ("advise 1..2 dontfork", "0..1 rw | 1..2 rw dc | 2..4 rw"),
        ("advise 1..2 dontfork; advise 0..4 dofork", "0..4 rw"),
        ("advise 2..4 wipeonfork", "0..2 rw | 2..4 rw wf"),
        ("advise 2..4 wipeonfork; advise 2..4 keeponfork", "0..4 rw"),
        ("advise 0..1 dontdump", "0..1 rw dd | 1..4 rw"),
        ("advise 0..1 dontdump; advise 0..4 dodump", "0..4 rw"),
        ("advise 0..4 mergeable", "0..4 rw mg"),
        ("advise 0..4 mergeable; advise 0..4 unmergeable", "0..4 rw"),
        ("advise 0..4 hugepage", "0..4 rw hg"),
        ("advise 0..4 hugepage; advise 0..4 nohugepage", "0..4 rw nh"),
        ("advise 0..2 hugepage; advise 2..4 hugepage", "0..4 rw hg"),
    ] {
        check("flags", &format!("map 0..4 rw; {script}"), layout);
    }
    check(
        "ignored",
        "map 0..4 rw shared; advise 0..4 mergeable",
        "0..4 rws",
    );
}

#[test]
fn holes_are_found_out_at_the_end_and_errors_stop() {
    for (script, layout) in [
        (
            "map 0..2 rw; map 4..6 rw; advise 0..6 random = ENOMEM",
            "0..2 rw rr | 4..6 rw rr",
        ),
        ("map 0..2 rw; advise 0..8 random = ENOMEM", "0..2 rw rr"),
        ("map 0..2 rw; advise 2..4 random = ENOMEM", "0..2 rw"),
        (
            "map 0..2 rw; map 2..4 rw file; map 4..6 rw; advise 0..6 wipeonfork = EINVAL",
            "0..2 rw wf | 2..4 rw | 4..6 rw",
        ),
    ] {
        check("holes", script, layout);
    }
}

#[test]
fn memory_that_runs_short_is_eagain() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..4 rw");
    let Ok(Some((pages, AdviceClass::Flags))) = check_madvise(range("1..2"), Advice::Random) else {
        panic!("random is an advice on flags");
    };
    world.mm.fail_points().arm(1);
    let got = world
        .mm
        .madvise_flags(&mut world.pages, pages, Advice::Random);
    assert_eq!(got, Err(Errno::EAGAIN));
    world.mm.fail_points().disarm();
}

#[test]
fn ranges_are_checked_after_the_advice() {
    let page = 0x1000_0000;
    for (addr, len, advice, expected) in [
        (page, 0, Advice::Other(99), Err(Errno::EINVAL)),
        (page, 0, Advice::Hwpoison, Err(Errno::EINVAL)),
        (page + 1, 0x1000, Advice::Normal, Err(Errno::EINVAL)),
        (page, u64::MAX, Advice::Normal, Err(Errno::EINVAL)),
        (
            page,
            0u64.wrapping_sub(0x1000),
            Advice::Normal,
            Err(Errno::EINVAL),
        ),
        (page, 0, Advice::Normal, Ok(0)),
        (page, 1, Advice::Normal, Ok(1)),
        (1 << 50, 0x1000, Advice::Normal, Ok(1)),
    ] {
        let range = SyscallRange::new(VirtAddr::new(addr), Bytes::new(len));
        let got = check_madvise(range, advice).map(|ok| ok.map_or(0, |(range, _)| range.pages()));
        assert_eq!(got, expected, "{range:?} {advice:?}");
    }
}
