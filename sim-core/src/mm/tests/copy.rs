//! The VMA at the destination of a move.

use crate::testing::{BASE, World};
use crate::{Bytes, Features, MmConfig, PageOffset, Profile, Setup};

/// Copies a VMA to a page of the layout, at an offset that fits there.
fn copy(world: &mut World, name: char, to: u64, pages: u64) -> crate::CopiedVma {
    let pgoff = PageOffset::new(BASE.page_number() + to);
    let source = world.id(name);
    let to = (BASE.add_pages(to), Bytes::from_pages(pages));
    let copied = world.mm.copy_vma(&mut world.pages, source, to, pgoff);
    copied.expect("memory is not short")
}

#[test]
fn c01_without_merge() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("...AA", "");
    let copied = copy(&mut world, 'A', 0, 2);
    assert!(!copied.merged);
    assert_ne!(copied.id, world.id('A'));
    assert_eq!(world.layout(), "**.AA");
}

#[test]
fn c02_with_merge() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("AA....BB", "");
    let copied = copy(&mut world, 'A', 4, 2);
    assert_eq!(copied.id, world.id('B'));
    assert_eq!(copied.source, world.id('A'));
    assert_eq!(world.layout(), "AA..BBBB");
}

/// An unfaulted VMA moved next to itself is taken into the merged VMA: the source is another VMA
/// then.
#[test]
fn source_is_taken_in() {
    let mut world = World::new(Profile::V6_19);
    world.lay_out("AA", "");
    let copied = copy(&mut world, 'A', 2, 2);
    assert_eq!(copied.id, world.id('A'));
    assert_eq!(copied.source, world.id('A'));
    assert!(copied.need_rmap_locks);
    assert_eq!(world.layout(), "AAAA");
}

/// A faulted VMA merged into an unfaulted one: since 6.19 the target gets the source's chain, and
/// a fork child is refused.
#[test]
fn anon_vma_of_the_source() {
    // Attributes of the source, the feature, whether it merges, whether the target is faulted.
    let rows = [
        ("A:D", true, true, true),
        ("A:D", false, true, false),
        ("A:fork", true, false, false),
        ("A:fork", false, true, false),
    ];
    for (attrs, feature, merged, faulted) in rows {
        let mut config = MmConfig::new(&Setup::new(Profile::V6_19));
        config.features = Features {
            mremap_source_anon_vma: feature,
            ..config.features
        };
        let mut world = World::with_config(config);
        world.lay_out("BB........AA", &format!("{attrs},@2 B:rd"));
        let copied = copy(&mut world, 'A', 2, 2);
        assert_eq!(copied.merged, merged, "{attrs} {feature}");
        let target = world.mm.vma(world.id('B'));
        assert_eq!(target.anon_vma().is_some(), faulted, "{attrs} {feature}");
    }
}
