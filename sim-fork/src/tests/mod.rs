//! Tests of the machine: scripts of one-line steps, see [`script`]. Invariants are checked after
//! every step.

mod batches;
mod cow;
mod dumps;
mod every_call;
mod exec;
mod failures;
mod faults;
mod forks;
mod guards;
mod huge;
mod mmu;
mod scale;
mod script;
mod swap;
mod swap_huge;
mod threads;
mod uffd;

use sim_core::{FileKind, FileSpec, Profile, Setup};

/// A machine of a profile with two files of 100 pages: `file` (regular) and `shmem` (memfd).
fn setup(profile: Profile) -> Setup {
    let file = |name: &str, kind| FileSpec {
        name: name.to_owned(),
        kind,
        size: sim_core::Bytes::from_pages(100),
        fill: None,
    };
    let mut setup = Setup::new(profile);
    setup.files = vec![
        file("file", FileKind::Regular),
        file("shmem", FileKind::Memfd),
    ];
    setup
}

/// Every profile on both architectures.
fn setups() -> impl Iterator<Item = Setup> {
    let on_both = |&profile| {
        let on = move |&(_, arch): &(_, sim_core::Arch)| Setup {
            arch,
            ..setup(profile)
        };
        sim_core::Arch::NAMES.iter().map(on)
    };
    Profile::ALL.iter().flat_map(on_both)
}

/// Runs a script under every profile and on both architectures.
#[track_caller]
fn everywhere(lines: &str) {
    for setup in setups() {
        script::run(&setup, lines);
    }
}

/// Runs a script under one profile.
#[track_caller]
fn under(profile: Profile, lines: &str) {
    script::run(&setup(profile), lines);
}
