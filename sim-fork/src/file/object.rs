//! One mapped object and its page cache.

use sim_sync::prim::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;

use sim_core::{Bytes, FileId, FileRef, FileSpec, MappedKind, PAGE_SIZE};
use sim_pagetable::Pfn;
use sim_sync::{Mutex, MutexGuard, class};

use crate::swap::SwapId;

/// A page of a regular file starts with the byte *i* mod this + 1.
const PATTERN: u64 = 251;

/// What an object has at one page offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CachedPage {
    /// A page in the page cache.
    Present(Pfn),
    /// A page of shared memory that was swapped out.
    Swapped(SwapId),
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
    Swapped(SwapId),
    /// It must be read from disk and will have this content.
    OnDisk(u32),
    /// Shared memory was never allocated here.
    Hole,
    /// Beyond the end of the object.
    Beyond,
}

impl Lookup {
    /// Does an object of this kind have no page there? Shared memory has no disk: what was there at
    /// the start and was punched out is a hole.
    pub(crate) const fn is_hole(self, file: FileRef) -> bool {
        match self {
            Self::Hole => true,
            Self::OnDisk(_) => file.is_shmem(),
            Self::Present(_) | Self::Pristine(_) | Self::Swapped(_) | Self::Beyond => false,
        }
    }
}

/// Size and pages of an object.
#[derive(Debug)]
pub struct FileState {
    size: u64,
    /// Pages below this one that are not in `pages` are as the set-up made them.
    pristine: u64,
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
        self.size = size;
        self.pristine = self.pristine.min(self.size_in_pages());
    }

    /// What is at a page offset.
    pub fn lookup(&self, index: u64) -> Lookup {
        if index >= self.size_in_pages() {
            return Lookup::Beyond;
        }
        match self.pages.get(&index) {
            Some(&CachedPage::Present(pfn)) => Lookup::Present(pfn),
            Some(&CachedPage::Swapped(slot)) => Lookup::Swapped(slot),
            Some(&CachedPage::OnDisk(content)) => Lookup::OnDisk(content),
            None if index < self.pristine => Lookup::Pristine(self.pristine_content(index)),
            None => Lookup::Hole,
        }
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

    /// Puts something at a page offset; what was there before.
    pub fn set(&mut self, index: u64, page: CachedPage) -> Option<CachedPage> {
        self.pages.insert(index, page)
    }

    /// Makes a page offset a hole; what was there before.
    pub fn punch(&mut self, index: u64, on_disk: bool) -> Option<CachedPage> {
        if on_disk || index < self.pristine {
            self.pages.insert(index, CachedPage::OnDisk(0))
        } else {
            self.pages.remove(&index)
        }
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
