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

/// Runs a script under every profile and on both architectures.
#[track_caller]
fn everywhere(lines: &str) {
    for &profile in Profile::ALL {
        for &(_, arch) in sim_core::Arch::NAMES {
            let mut setup = setup(profile);
            setup.arch = arch;
            script::run(&setup, lines);
        }
    }
}

/// Runs a script under one profile.
#[track_caller]
fn under(profile: Profile, lines: &str) {
    script::run(&setup(profile), lines);
}
