//! Whole operations on small address spaces, by script.

mod attributes;
mod calls;
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

/// Runs a script on an empty address space and compares the VMAs.
#[track_caller]
fn check(profile: Profile, script: &str, after: &str) -> World {
    let mut world = World::new(profile);
    world.script(script);
    assert_eq!(world.spans(), after, "{script}");
    world
}

macro_rules! scripts {
    ($($test:ident: $script:literal => $after:literal;)+) => {
        $(#[test]
        fn $test() {
            super::check(crate::Profile::V6_19, $script, $after);
        })+
    };
}
use scripts;
