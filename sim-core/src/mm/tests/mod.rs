//! Whole operations on small address spaces, by script.

mod attributes;
mod copy;
mod fail;
mod fork;
mod kernel;
mod life;
mod limits;
mod madvise;
mod mmap;
mod mremap;
mod place;
mod protect_merge;
mod readers;
mod short_memory;
mod threads;

use crate::Profile;
use crate::testing::World;

/// Runs a script on 6.19 and compares the VMAs afterwards.
#[track_caller]
fn check(case: &str, script: &str, after: &str) -> World {
    check_on(Profile::V6_19, case, script, after)
}

/// The same on another kernel.
#[track_caller]
fn check_on(profile: Profile, case: &str, script: &str, after: &str) -> World {
    let mut world = World::new(profile);
    world.script(script);
    assert_eq!(world.vmas(), after, "{case}: {script}");
    world
}

macro_rules! scripts {
    ($($test:ident: $script:literal => $after:literal;)+) => {
        $(#[test]
        fn $test() {
            super::check(stringify!($test), $script, $after);
        })+
    };
}
use scripts;
