//! Huge pages: the cases of `tools/testing/selftests/mm/khugepaged.c` (K-01 …) and what the
//! running kernel does.

use sim_core::{Arch, Bytes, Profile, Setup, ThpEnabled, ThpSetup};

use super::{script, setup};

/// Runs a script on both architectures with files of four blocks and these settings.
#[track_caller]
fn with(profile: Profile, thp: &ThpSetup, lines: &str) {
    for &(_, arch) in Arch::NAMES {
        let mut setup: Setup = setup(profile);
        setup.arch = arch;
        setup.thp = thp.clone();
        for file in &mut setup.files {
            file.size = Bytes::from_pages(2048);
        }
        script::run(&setup, lines);
    }
}

#[track_caller]
fn huge(lines: &str) {
    for &profile in Profile::ALL {
        with(profile, &ThpSetup::default(), lines);
    }
}

#[test]
fn a_fault_maps_a_huge_page_where_the_mode_lets_it() {
    let script = "map 0..1024 rw anon
                  write 3
                  smaps 0 AnonHugePages = HUGE";
    for (enabled, kb) in [
        (ThpEnabled::Always, "2048"),
        (ThpEnabled::Madvise, "0"),
        (ThpEnabled::Never, "0"),
    ] {
        let thp = ThpSetup {
            enabled,
            ..ThpSetup::default()
        };
        with(Profile::V6_19, &thp, &script.replace("HUGE", kb));
    }
}

#[test]
fn a_droppable_huge_page_goes_whole_even_if_it_was_written() {
    huge(
        "map 0..1024 rw droppable
         advise 0..1024 hugepage
         write 0 7
         write 600 8
         advise 0..512 pageout
         smaps 0 Rss = 2048
         read 0 = 0
         read 600 = 8",
    );
}

#[test]
fn faults() {
    huge(
        "map 0..1024 rw anon
         advise 0..1024 hugepage
         write 0 7                      # K-01
         smaps 0 AnonHugePages = 2048
         advise 1..2 dontneed           # K-02
         smaps 0 AnonHugePages = 0
         smaps 0 Rss = 2044
         read 0 = 7
         read 600 = 0                   # the huge zero page
         smaps 0 Rss = 2044
         write 601 9
         smaps 0 AnonHugePages = 2048
         read 601 = 9
         read 600 = 0",
    );
}

#[test]
fn advice_collapses() {
    huge(
        "map 0..2048 rw anon
         write 0..512 1                 # K-03
         advise 0..512 collapse
         smaps 0 AnonHugePages = 2048
         read 511 = 1
         advise 0..512 collapse         # K-21
         advise 512..1024 collapse = EINVAL   # K-04
         write 512 5                    # K-05
         advise 512..1024 collapse
         smaps 0 AnonHugePages = 4096
         read 512 = 5
         read 513 = 0
         advise 513..1024 dontneed      # K-09
         smaps 0 AnonHugePages = 2048
         advise 512..1024 collapse
         smaps 0 AnonHugePages = 4096
         read 512 = 5
         advise 100..200 collapse = EINVAL",
    );
}

#[test]
fn a_guard_stops_a_collapse() {
    huge(
        "map 0..1024 rw anon
         write 0..512
         advise 7..8 guard_install
         advise 0..512 collapse = EINVAL
         smaps 0 AnonHugePages = 0
         read 7 = SIGSEGV",
    );
}

#[test]
fn an_empty_block_ends_a_collapse_until_6_19() {
    let script = "map 0..1024 rw anon
                  write 512
                  advise 0..1024 collapse = EINVAL
                  smaps 0 AnonHugePages = HUGE";
    for (profile, kb) in [(Profile::V6_18Stable, "0"), (Profile::V6_19, "2048")] {
        with(profile, &ThpSetup::default(), &script.replace("HUGE", kb));
    }
}

#[test]
fn forked_pages() {
    huge(
        "map 0..512 rw anon
         write 0 1
         fork child                     # K-16
         child: write 1 2
         child: advise 0..512 collapse
         child: smaps 0 AnonHugePages = 2048
         child: read 0 = 1
         smaps 0 AnonHugePages = 0
         read 0 = 1
         read 1 = 0",
    );
    huge(
        "map 0..512 rw anon
         advise 0..512 hugepage
         write 0..512 1
         fork child                     # K-17, K-20
         child: smaps 0 AnonHugePages = 2048
         child: write 0 2
         child: smaps 0 AnonHugePages = 0
         child: advise 0..512 collapse
         child: smaps 0 AnonHugePages = 2048
         child: read 0 = 2
         child: read 1 = 1
         smaps 0 AnonHugePages = 2048
         read 0 = 1",
    );
}

#[test]
fn shared_memory() {
    for backing in ["shmem@0", "shared"] {
        huge(
            &"map 0..1024 rw BACKING
              advise 0..512 collapse = EINVAL
              write 3 9
              fork child
              advise 0..512 collapse
              smaps 0 ShmemPmdMapped = 2048
              read 3 = 9
              child: smaps 0 Rss = 0
              child: read 4 = 0
              child: smaps 0 ShmemPmdMapped = 2048
              advise 5..6 dontneed
              smaps 0 Rss = 0
              write 5
              smaps 0 ShmemPmdMapped = 2048
              advise 7..8 guard_install
              smaps 0 Rss = 0
              write 8
              advise 0..512 collapse = EINVAL"
                .replace("BACKING", backing),
        );
    }
}

#[test]
fn regular_files_need_a_kernel_built_for_it() {
    let script = "map 0..512 r file
                  read 0
                  advise 0..512 collapse = RESULT";
    let built = ThpSetup {
        read_only_thp_for_fs: true,
        ..ThpSetup::default()
    };
    with(
        Profile::V6_19,
        &ThpSetup::default(),
        &script.replace("RESULT", "EINVAL"),
    );
    let script = format!("{script}\nsmaps 0 FilePmdMapped = 2048\nread 300 = 50");
    with(Profile::V6_19, &built, &script.replace(" = RESULT", ""));
}

#[test]
fn moves_and_splits() {
    huge(
        "map 0..1024 rw anon
         advise 0..1024 hugepage
         write 0 1
         move 0..512 2048..2560
         smaps 2048 AnonHugePages = 2048
         read 2048 = 1
         move 2048..2560 4097..4609
         smaps 4097 AnonHugePages = 0
         smaps 4097 Rss = 2048
         read 4097 = 1
         write 512 3
         protect 600..601 r
         smaps 512 AnonHugePages = 0
         read 512 = 3
         unmap 700..701
         read 699 = 0",
    );
}

/// K-11: a page table of pages from sixteen huge pages, made by moves that shrink and moves that
/// grow in turn, is collapsed.
#[test]
fn pieces_of_many_huge_pages() {
    let (block, end, aside, piece) = (4096, 4608, 16384, 32);
    for collapse in ["advise 3584..4096 collapse", "khugepaged 2"] {
        let mut lines = vec![
            format!("map {block}..{end} rw anon"),
            format!("advise {block}..{end} hugepage"),
        ];
        for n in 0..16 {
            let (had, has) = (block - n * piece, (n + 1) * piece);
            lines.extend([
                format!("write {block}..{} {}", block + piece, n + 1),
                format!("smaps {block} AnonHugePages = 2048"),
                format!("move {had}..{end} {aside}..{}", aside + has),
                format!("smaps {aside} AnonHugePages = 0"),
                format!("move {aside}..{} {}..{end}", aside + has, block - has),
            ]);
        }
        lines.extend([
            format!("unmap {block}..{end}"),
            "vmas = 3584..4096 rw-p".to_owned(),
            "smaps 3584 AnonHugePages = 0".to_owned(),
            "smaps 3584 Rss = 2048".to_owned(),
            collapse.to_owned(),
            "smaps 3584 AnonHugePages = 2048".to_owned(),
        ]);
        for page in (0..512).step_by(31) {
            let number = page / piece + 1;
            lines.push(format!("read {} = {number}", 3584 + page));
        }
        huge(&lines.join("\n"));
    }
}

#[test]
fn failing_allocations() {
    for nth in 1..8 {
        let script = format!(
            "map 0..1024 rw anon
             write 0..512 1
             inject {nth}
             advise 0..512 collapse = any
             read 511 = 1
             advise 0..1024 hugepage
             inject {nth}
             write 600 2
             read 600 = 2"
        );
        with(Profile::V6_19, &ThpSetup::default(), &script);
    }
}

#[test]
fn khugepaged_keeps_to_its_limits() {
    let thp = ThpSetup {
        max_ptes_none: 256,
        ..ThpSetup::default()
    };
    with(
        Profile::V6_19,
        &thp,
        "map 0..1024 rw anon
         write 0..255 1
         advise 0..1024 hugepage
         khugepaged 1                   # K-06
         smaps 0 AnonHugePages = 0
         write 255 1
         khugepaged 1                   # K-08
         smaps 0 AnonHugePages = 2048
         read 255 = 1
         fork child                     # K-18
         child: write 0..255 2
         child: khugepaged 1
         child: smaps 0 AnonHugePages = 0
         child: write 255 2             # K-19
         child: khugepaged 1
         child: smaps 0 AnonHugePages = 2048
         child: read 255 = 2
         smaps 0 AnonHugePages = 2048
         read 0 = 1",
    );
}
