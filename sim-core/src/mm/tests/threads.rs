//! What happens under the read lock, on real threads.

use std::thread;

use crate::testing::World;
use crate::{AtomicVmFlag, Mm, NoPages, Profile, VmFlags};

const fn is_shared<T: Send + Sync>() {}

const _: () = is_shared::<Mm>();

/// Threads that fault in the same VMAs at once give each one anon_vma, and lose no flag.
#[test]
fn first_faults_race() {
    for _round in 0..50 {
        let mut world = World::new(Profile::V6_19);
        world.script("map 0..2 rw noreserve; map 2..4 rwx noreserve; map 6..8 rw noreserve");
        let mm = &world.mm;
        thread::scope(|scope| {
            for _thread in 0..4 {
                scope.spawn(|| {
                    for (id, vma) in mm.iter() {
                        mm.anon_vma_prepare(id).expect("nothing fails");
                        vma.set_flag_atomic(AtomicVmFlag::MAYBE_GUARD);
                    }
                });
            }
        });
        for (_, vma) in world.mm.iter() {
            assert!(vma.flags().contains(VmFlags::MAYBE_GUARD));
            assert_eq!(vma.chain_len(), 1);
        }
        world.check();
    }
}

/// Processes that descend from one fork and exit at once.
#[test]
fn forks_race() {
    let mut world = World::new(Profile::V6_19);
    world.script("map 0..2 rw noreserve; write 0; map 4..6 rw noreserve; write 4");
    let children: Vec<Mm> = (0..4)
        .map(|_| world.mm.fork(&mut NoPages::default()).expect("no limit"))
        .collect();
    thread::scope(|scope| {
        for mut child in children {
            scope.spawn(move || {
                let mut pages = NoPages::default();
                for _generation in 0..20 {
                    let next = child.fork(&mut pages).expect("no limit");
                    child.exit(&mut pages);
                    child = next;
                }
                child.exit(&mut pages);
            });
        }
    });
    world.check();
}
