//! Objects that are mapped: what they are and how long.

use std::collections::BTreeMap;

use sim_core::{Bytes, Errno, FileId, FileRef, FileSpec, MappedKind, PAGE_SIZE};

/// Where the numbers of shared anonymous memory begin.
const FIRST_SHARED: u32 = 1 << 31;
/// The longest file.
const MAX_BYTES: u64 = i64::MAX as u64;

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) kind: MappedKind,
    pub(super) bytes: u64,
}

impl Object {
    /// Has it this page?
    pub(super) const fn has_page(&self, index: u64) -> bool {
        index < self.bytes.div_ceil(PAGE_SIZE)
    }

    const fn is_device(&self) -> bool {
        matches!(self.kind, MappedKind::Pfnmap | MappedKind::Mixedmap)
    }
}

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Files {
    objects: BTreeMap<FileId, Object>,
    shared: u32,
}

impl Files {
    pub(super) fn new(specs: &[FileSpec]) -> Self {
        let objects = specs.iter().zip(0..).map(|(spec, number)| {
            let object = Object {
                name: spec.name.clone(),
                kind: spec.kind.into(),
                bytes: spec.size.0,
            };
            (FileId(number), object)
        });
        Self {
            objects: objects.collect(),
            shared: 0,
        }
    }

    pub(super) fn get(&self, id: FileId) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// The memory of a new `MAP_SHARED | MAP_ANONYMOUS`.
    pub(super) fn new_shared(&mut self, pages: u64) -> FileRef {
        let id = FileId(FIRST_SHARED + self.shared);
        self.shared += 1;
        let kind = MappedKind::DevZero;
        let object = Object {
            name: "/dev/zero".to_owned(),
            kind,
            bytes: pages * PAGE_SIZE,
        };
        self.objects.insert(id, object);
        FileRef { id, kind }
    }

    /// `ftruncate`; `None` if there is no such file.
    pub(super) fn truncate(&mut self, id: FileId, size: Bytes) -> Option<Result<(), Errno>> {
        let object = self.objects.get_mut(&id)?;
        if object.is_device() || size.0 > MAX_BYTES {
            return Some(Err(Errno::EINVAL));
        }
        object.bytes = size.0;
        Some(Ok(()))
    }

    /// `fallocate(FALLOC_FL_PUNCH_HOLE)`: whether it is possible. The hole has no effect on VMAs.
    pub(super) fn punch(&self, id: FileId, offset: u64, len: u64) -> Option<Result<(), Errno>> {
        let object = self.objects.get(&id)?;
        Some(if offset > MAX_BYTES || len == 0 || len > MAX_BYTES {
            Err(Errno::EINVAL)
        } else if object.is_device() {
            Err(Errno::ENODEV)
        } else if offset.checked_add(len).is_none_or(|end| end > MAX_BYTES) {
            Err(Errno::EFBIG)
        } else {
            Ok(())
        })
    }
}
