//! One mapped object and its page cache.

use sim_sync::prim::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rangemap::RangeSet;
use sim_core::{Bytes, FileId, FileRef, FileSpec, MappedKind, PAGE_SIZE};
use sim_pagetable::Pfn;
use sim_sync::{Mutex, MutexGuard, class};

use super::SwappedPage;

/// A page of a regular file starts with the byte *i* mod this + 1.
const PATTERN: u64 = 251;

/// What an object has at one page offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CachedPage {
    /// A page in the page cache.
    Present(Pfn),
    /// A page of shared memory that was swapped out.
    Swapped(SwappedPage),
    /// Nothing in memory; what the disk holds has this content.
    OnDisk(u32),
}

/// What a lookup in an object finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// A page in the page cache.
    Present(Pfn),
    /// A page that is in the page cache by definition of the set-up, but that the simulator has not
    /// given a frame yet.
    Pristine(u32),
    /// A swapped-out page of shared memory.
    Swapped(SwappedPage),
    /// It must be read from disk and will have this content.
    OnDisk(u32),
    /// There is nothing: the disk has no block, or shared memory was never allocated.
    Hole,
    /// Beyond the end of the object.
    Beyond,
}

/// Size and pages of an object.
#[derive(Debug)]
pub struct FileState {
    size: u64,
    /// Pages below this one that are neither in `pages` nor in `holes` are as the set-up made them.
    pristine: u64,
    /// Pages that the disk has no block for, and what shared memory no longer has of the set-up's
    /// pages. Some may be in `pages` all the same: they were read, and are not on the disk yet if
    /// they were written to.
    holes: RangeSet<u64>,
    /// Holes that have a page in memory all the same, which nobody has read or filled yet: a part of it
    /// was to be zeroed, and there was nothing to zero.
    begun: BTreeSet<u64>,
    /// Is it the disk's?
    on_disk: bool,
    fill: Option<u8>,
    pages: BTreeMap<u64, CachedPage>,
}

/// A file, a memfd, the memory behind a shared anonymous mapping, or a device.
#[derive(Debug)]
pub struct FileObject {
    file: FileRef,
    name: String,
    /// VMAs that map it.
    links: AtomicU64,
    state: Mutex<FileState, class::File>,
}

impl FileObject {
    /// A file of the set-up.
    pub(crate) fn of_spec(id: FileId, spec: &FileSpec) -> Self {
        let kind = MappedKind::from(spec.kind);
        let all_present = match kind {
            MappedKind::Regular | MappedKind::Pfnmap | MappedKind::Mixedmap => true,
            MappedKind::Memfd | MappedKind::DevZero => spec.fill.is_some(),
        };
        let pages = spec.size.get().div_ceil(PAGE_SIZE);
        Self {
            file: FileRef { id, kind },
            name: spec.name.clone(),
            links: AtomicU64::new(0),
            state: Mutex::new(FileState {
                size: spec.size.get(),
                pristine: if all_present { pages } else { 0 },
                holes: RangeSet::new(),
                begun: BTreeSet::new(),
                on_disk: kind == MappedKind::Regular,
                fill: spec.fill,
                pages: BTreeMap::new(),
            }),
        }
    }

    /// The memory behind a shared anonymous mapping (`mm/shmem.c: shmem_zero_setup()`).
    pub(crate) fn dev_zero(id: FileId, pages: u64) -> Self {
        Self {
            file: FileRef {
                id,
                kind: MappedKind::DevZero,
            },
            name: "/dev/zero".to_owned(),
            links: AtomicU64::new(0),
            state: Mutex::new(FileState {
                size: Bytes::from_pages(pages).get(),
                pristine: 0,
                holes: RangeSet::new(),
                begun: BTreeSet::new(),
                on_disk: false,
                fill: None,
                pages: BTreeMap::new(),
            }),
        }
    }

    /// Its identity and kind.
    pub const fn file(&self) -> FileRef {
        self.file
    }

    /// Its name in maps.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Size and pages, locked (`i_pages`).
    pub fn lock(&self) -> MutexGuard<'_, FileState, class::File> {
        self.state.lock()
    }

    /// One more VMA maps it.
    pub(crate) fn link(&self) {
        self.links.fetch_add(1, Ordering::Relaxed);
    }

    /// One VMA less maps it; how many are left.
    pub(crate) fn unlink(&self) -> u64 {
        self.links.fetch_sub(1, Ordering::Relaxed) - 1
    }

    /// VMAs that map it.
    pub fn links(&self) -> u64 {
        self.links.load(Ordering::Relaxed)
    }
}

impl FileState {
    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its size in pages, a partial one included.
    pub const fn size_in_pages(&self) -> u64 {
        self.size.div_ceil(PAGE_SIZE)
    }

    /// Changes the size. Pages beyond it must have been taken out by the caller; what is new reads
    /// as zero.
    pub fn set_size(&mut self, size: u64) {
        let before = self.size_in_pages();
        self.size = size;
        let pages = self.size_in_pages();
        self.pristine = self.pristine.min(pages);
        self.holes.remove(pages..u64::MAX);
        self.punch(before..pages);
    }

    /// What is at a page offset.
    pub fn lookup(&self, index: u64) -> Lookup {
        if index >= self.size_in_pages() {
            return Lookup::Beyond;
        }
        match self.pages.get(&index) {
            Some(&CachedPage::Present(pfn)) => Lookup::Present(pfn),
            Some(&CachedPage::Swapped(swapped)) => Lookup::Swapped(swapped),
            Some(&CachedPage::OnDisk(content)) => Lookup::OnDisk(content),
            None if self.is_hole(index) => Lookup::Hole,
            None if index < self.pristine => Lookup::Pristine(self.pristine_content(index)),
            None => Lookup::Hole,
        }
    }

    /// Has the disk no block for a page offset, whether or not there is a page in memory?
    pub fn is_hole(&self, index: u64) -> bool {
        self.holes.contains(&index)
    }

    /// The frame at a page offset, also where a huge page reaches beyond the end of the object.
    pub fn cached(&self, index: u64) -> Option<Pfn> {
        match self.pages.get(&index) {
            Some(&CachedPage::Present(pfn)) => Some(pfn),
            Some(CachedPage::Swapped(_) | CachedPage::OnDisk(_)) | None => None,
        }
    }

    /// The first byte of a page that nobody changed.
    fn pristine_content(&self, index: u64) -> u32 {
        self.fill
            .map_or_else(|| (index % PATTERN) as u32 + 1, u32::from)
    }

    /// What differs from the set-up at a page offset.
    pub fn get(&self, index: u64) -> Option<&CachedPage> {
        self.pages.get(&index)
    }

    /// Notes that a hole of a disk's file has a page in memory that was never filled.
    pub fn begin(&mut self, index: u64) {
        if self.on_disk && self.is_hole(index) {
            self.begun.insert(index);
        }
    }

    /// Has a hole a page in memory that was never filled?
    pub fn is_begun(&self, index: u64) -> bool {
        self.begun.contains(&index)
    }

    /// Pages from one offset to another that were never filled go.
    pub fn forget_begun(&mut self, range: &Range<u64>) {
        self.begun.retain(|index| !range.contains(index));
    }

    /// Puts something at a page offset; what was there before.
    pub fn set(&mut self, index: u64, page: CachedPage) -> Option<CachedPage> {
        self.begun.remove(&index);
        self.pages.insert(index, page)
    }

    /// A page was written to the disk, which has a block for it now.
    pub fn written(&mut self, index: u64) {
        if self.is_hole(index) {
            self.holes.remove(index..index + 1);
        }
    }

    /// Makes page offsets holes, whose pages have been taken out.
    pub fn punch(&mut self, range: Range<u64>) {
        let end = if self.on_disk {
            range.end
        } else {
            range.end.min(self.pristine)
        };
        if range.start < end {
            self.holes.insert(range.start..end);
        }
    }

    /// Is any page between these offsets in the page cache?
    pub fn caches_any(&self, range: Range<u64>) -> bool {
        let present = |(_, page): (&u64, &CachedPage)| matches!(page, CachedPage::Present(_));
        !range.is_empty()
            && (self.pages.range(range.clone()).any(present) || self.has_pristine(&range))
    }

    /// Is any page between these offsets as the set-up made it?
    fn has_pristine(&self, range: &Range<u64>) -> bool {
        let range = range.start..range.end.min(self.pristine);
        let untouched = |gap: Range<u64>| {
            let changed = self.pages.range(gap.clone()).count() as u64;
            changed < gap.end - gap.start
        };
        !range.is_empty() && self.holes.gaps(&range).any(untouched)
    }

    /// Takes out what is at a page offset.
    pub fn take(&mut self, index: u64) -> Option<CachedPage> {
        self.pages.remove(&index)
    }

    /// What differs from the set-up, by ascending page offset.
    pub fn pages(&self) -> impl DoubleEndedIterator<Item = (u64, CachedPage)> + '_ {
        self.pages.iter().map(|(&index, &page)| (index, page))
    }

    /// The same from an offset up.
    pub fn pages_from(
        &self,
        index: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, CachedPage)> + '_ {
        self.pages
            .range(index..)
            .map(|(&index, &page)| (index, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::FileKind;

    const TERABYTE: u64 = 1 << 40;

    fn file(kind: FileKind) -> FileObject {
        let spec = FileSpec {
            name: "data".to_owned(),
            kind,
            size: Bytes(TERABYTE),
            fill: None,
        };
        FileObject::of_spec(FileId(0), &spec)
    }

    #[test]
    fn a_hole_of_any_size_is_one_range() {
        let object = file(FileKind::Regular);
        let mut state = object.lock();
        let pages = state.size_in_pages();
        assert!(state.caches_any(1..pages));
        state.punch(1..pages);
        assert_eq!(state.lookup(0), Lookup::Pristine(1));
        assert_eq!(state.lookup(1), Lookup::Hole);
        assert_eq!(state.lookup(pages - 1), Lookup::Hole);
        assert!(state.caches_any(0..2));
        assert!(!state.caches_any(1..pages));
        state.set(5, CachedPage::Present(Pfn::new(4096)));
        assert!(state.caches_any(1..pages));
        state.take(5);
        assert_eq!(state.lookup(5), Lookup::Hole, "it is still there");
        state.written(5);
        state.set(5, CachedPage::OnDisk(0));
        assert_eq!(state.lookup(5), Lookup::OnDisk(0));
    }

    #[test]
    fn what_is_cut_off_and_grows_again_is_new() {
        let object = file(FileKind::Regular);
        let mut state = object.lock();
        state.punch(3..6);
        state.set_size(4 * PAGE_SIZE);
        state.set_size(8 * PAGE_SIZE);
        assert_eq!(state.lookup(2), Lookup::Pristine(3));
        assert_eq!(state.lookup(3), Lookup::Hole);
        assert_eq!(state.lookup(5), Lookup::Hole);
    }

    #[test]
    fn holes_of_shared_memory_are_nothing() {
        let object = file(FileKind::Memfd);
        let mut state = object.lock();
        let pages = state.size_in_pages();
        state.punch(0..pages);
        assert_eq!(state.lookup(7), Lookup::Hole);
    }
}
