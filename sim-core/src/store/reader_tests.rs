//! Readers without a lock: beside a thread that changes the store, and step by step.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::{PAGE_SIZE, PageRange, VirtAddr};

use super::{
    BTreeStore, Changing, Entry, MapleReader, MapleStore, RangeMapStore, StoreReader as _, VmaId,
    VmaStore,
};

fn page(number: u64) -> VirtAddr {
    VirtAddr::new(number * PAGE_SIZE)
}

fn pages(start: u64, end: u64) -> PageRange {
    PageRange::new(page(start), page(end))
}

#[test]
fn readers_see_a_bracket_as_one_change() {
    let mut store = MapleStore::default();
    let reader = store.reader();
    assert_eq!(reader.get(page(0)), Ok(None));
    store.insert(pages(0, 4), VmaId(1));
    let entry = |start, end, id| {
        let range = pages(start, end);
        Ok(Some(Entry { range, id }))
    };
    assert_eq!(reader.get(page(3)), entry(0, 4, VmaId(1)));
    store.begin_change();
    assert_eq!(
        reader.get(page(3)),
        entry(0, 4, VmaId(1)),
        "nothing changed"
    );
    store.resize(page(0), pages(0, 2));
    assert_eq!(reader.get(page(3)), Err(Changing), "in a bracket");
    store.begin_change();
    store.insert(pages(2, 4), VmaId(2));
    store.end_change();
    assert_eq!(reader.get(page(3)), Err(Changing), "brackets nest");
    store.end_change();
    assert_eq!(reader.get(page(3)), entry(2, 4, VmaId(2)));
    drop(store);
    let found = reader.get(page(3));
    assert_eq!(
        found,
        entry(2, 4, VmaId(2)),
        "nodes live as long as readers"
    );
}

#[test]
fn stores_without_such_readers_say_so() {
    let (mut btree, mut range_map) = (BTreeStore::default(), RangeMapStore::default());
    btree.insert(pages(0, 1), VmaId(1));
    range_map.insert(pages(0, 1), VmaId(1));
    assert_eq!(btree.reader().get(page(0)), Err(Changing));
    assert_eq!(range_map.reader().get(page(0)), Err(Changing));
}

/// Pages from one group of entries to the next one.
const STRIDE: u64 = 32;
/// Groups: enough for inner nodes below the root, and for leaves that split and merge.
const GROUPS: u64 = if cfg!(miri) { 8 } else { 1_000 };
/// Changes of the writer once all groups are there.
const CHANGES: u64 = if cfg!(miri) { 24 } else { 50_000 };
/// Answers that each reader waits for, whatever the scheduler does.
const ANSWERS: u64 = if cfg!(miri) { 10 } else { 1_000 };
/// Changes after which the writer lets readers run that have no answers yet.
const YIELD_EVERY: u64 = if cfg!(miri) { 4 } else { 1_000 };
/// Every so many changes, single pages come to all groups, or go.
const CROWD_EVERY: u64 = CHANGES.div_ceil(4);

/// A small random number generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Where things are in a group, in pages from its start, and whose they are, from its first id.
///
/// ```text
///   0   4..5    8     11    14   16     20   24  26   28 29 30
///   STABLE      WHOLE or    │    OLD or      FLAP     CROWD
///   (end moves) LOWER│UPPER      NEW         or none  or none
/// ```
#[derive(Clone, Copy)]
struct Group(u64);

impl Group {
    const STABLE: u32 = 0;
    const LOWER: u32 = 1;
    const UPPER: u32 = 2;
    const OLD: u32 = 3;
    const NEW: u32 = 4;
    const FLAP: u32 = 5;
    const CROWD: u32 = 6;
    const IDS: u64 = 8;

    fn id(self, which: u32) -> VmaId {
        VmaId((self.0 * Self::IDS) as u32 + which)
    }

    fn page(self, number: u64) -> VirtAddr {
        page(self.0 * STRIDE + number)
    }

    fn pages(self, start: u64, end: u64) -> PageRange {
        pages(self.0 * STRIDE + start, self.0 * STRIDE + end)
    }
}

/// The thread that changes the store.
struct Writer {
    store: MapleStore,
    random: Random,
}

impl Writer {
    fn build(&mut self, group: Group) {
        let store = &mut self.store;
        store.insert(group.pages(8, 14), group.id(Group::LOWER));
        store.insert(group.pages(16, 20), group.id(Group::OLD));
        store.insert(group.pages(0, 4), group.id(Group::STABLE));
    }

    fn change(&mut self) {
        let group = Group(self.random.below(GROUPS));
        match self.random.below(4) {
            0 => self.move_end(group),
            1 => self.split_or_merge(group),
            2 => self.replace(group),
            _ => self.flap(group, pages(24, 26), Group::FLAP),
        }
    }

    fn move_end(&mut self, group: Group) {
        let end = 4 + self.random.below(2);
        self.store.resize(group.page(0), group.pages(0, end));
    }

    fn split_or_merge(&mut self, group: Group) {
        let store = &mut self.store;
        store.begin_change();
        if store
            .get(group.page(13))
            .is_some_and(|e| e.id == group.id(Group::UPPER))
        {
            store.remove(group.page(11));
            store.resize(group.page(8), group.pages(8, 14));
        } else {
            store.resize(group.page(8), group.pages(8, 11));
            store.insert(group.pages(11, 14), group.id(Group::UPPER));
        }
        store.end_change();
    }

    fn replace(&mut self, group: Group) {
        let (old, new) = (group.id(Group::OLD), group.id(Group::NEW));
        self.store.begin_change();
        let was = self.store.remove(group.page(16)).id;
        let becomes = if was == old { new } else { old };
        self.store.insert(group.pages(16, 20), becomes);
        self.store.end_change();
    }

    fn flap(&mut self, group: Group, at: PageRange, which: u32) {
        let (start, end) = (at.start().page_number(), at.end().page_number());
        match self.store.get(group.page(start)) {
            Some(entry) => drop(self.store.remove(entry.range.start())),
            None => self.store.insert(group.pages(start, end), group.id(which)),
        }
    }

    fn crowd(&mut self) {
        for group in (0..GROUPS).map(Group) {
            (28..31).for_each(|at| self.flap(group, pages(at, at + 1), Group::CROWD));
        }
    }
}

/// Looks at one page; true if there was an answer.
fn look(reader: &MapleReader, group: Group, at: u64) -> bool {
    let addr = group.page(at);
    let allowed: (&[u32], bool) = match at {
        0..4 => (&[Group::STABLE], false),
        4 => (&[Group::STABLE], true),
        8..11 => (&[Group::LOWER], false),
        11..14 => (&[Group::LOWER, Group::UPPER], false),
        16..20 => (&[Group::OLD, Group::NEW], false),
        24..26 => (&[Group::FLAP], true),
        28..31 => (&[Group::CROWD], true),
        _ => (&[], true),
    };
    match reader.get(addr) {
        Ok(Some(entry)) => {
            assert!(
                entry.range.contains(addr),
                "{entry:?} is not that of {addr}"
            );
            let known = allowed.0.iter().any(|which| group.id(*which) == entry.id);
            assert!(
                known,
                "{entry:?} was never at page {at} of group {}",
                group.0
            );
            true
        }
        Ok(None) => {
            assert!(allowed.1, "page {at} of group {} is always mapped", group.0);
            true
        }
        Err(Changing) => false,
    }
}

/// What the threads tell each other.
#[derive(Default)]
struct Talk {
    /// Groups that are there.
    built: AtomicU64,
    /// The writer is done.
    done: AtomicBool,
    /// Answers that each reader got.
    answers: [AtomicU64; 2],
}

/// Looks until the writer is done.
fn look_around(reader: MapleReader, talk: &Talk, number: usize) {
    let mut random = Random(number as u64 + 1);
    while !talk.done.load(Ordering::Acquire) {
        let groups = talk.built.load(Ordering::Acquire);
        if groups > 0 {
            let group = Group(random.below(groups));
            let answered = look(&reader, group, random.below(STRIDE));
            talk.answers[number].fetch_add(u64::from(answered), Ordering::Relaxed);
        }
        if cfg!(miri) {
            thread::yield_now();
        }
    }
    for group in (0..GROUPS).map(Group) {
        let all = (0..STRIDE).all(|at| look(&reader, group, at));
        assert!(all, "nothing changes any more");
    }
}

#[test]
fn readers_never_miss_what_is_always_there() {
    let mut writer = Writer {
        store: MapleStore::default(),
        random: Random(0x9e37_79b9_7f4a_7c15),
    };
    let talk = Talk::default();
    let all_answered = || {
        let enough = |count: &AtomicU64| count.load(Ordering::Relaxed) >= ANSWERS;
        talk.answers.iter().all(enough)
    };
    thread::scope(|scope| {
        for number in 0..talk.answers.len() {
            let (reader, talk) = (writer.store.reader(), &talk);
            scope.spawn(move || look_around(reader, talk, number));
        }
        for number in 0..GROUPS {
            writer.build(Group(number));
            talk.built.store(number + 1, Ordering::Release);
        }
        let mut number = 0;
        while number < CHANGES || !all_answered() {
            if number % CROWD_EVERY == 0 {
                writer.crowd();
            }
            if number % YIELD_EVERY == 0 && !all_answered() {
                thread::yield_now();
            }
            writer.change();
            number += 1;
        }
        talk.done.store(true, Ordering::Release);
    });
    writer.store.check_invariants();
}
