//! Every object that can be mapped, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_core::{FileId, FileSpec};
use sim_sync::{RwLock, class};

use super::FileObject;

/// Ids of shared anonymous memory start here, far above those of files.
const FIRST_DEV_ZERO: u32 = 1 << 31;

/// The machine's mapped objects.
#[derive(Debug, Default)]
pub struct Files {
    inner: RwLock<Inner, class::Files>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<FileId, Arc<FileObject>>,
    dev_zeros: u32,
}

impl Files {
    /// The files of a set-up.
    pub(crate) fn new(specs: &[FileSpec]) -> Self {
        let objects = specs.iter().zip(0..).map(|(spec, number)| {
            let id = FileId(number);
            (id, Arc::new(FileObject::of_spec(id, spec)))
        });
        Self {
            inner: RwLock::new(Inner {
                objects: objects.collect(),
                dev_zeros: 0,
            }),
        }
    }

    /// The object with this id.
    pub fn get(&self, id: FileId) -> Option<Arc<FileObject>> {
        self.inner.read().objects.get(&id).cloned()
    }

    /// Every object, by ascending id.
    pub fn all(&self) -> Vec<Arc<FileObject>> {
        self.inner.read().objects.values().cloned().collect()
    }

    /// New shared anonymous memory.
    pub(crate) fn new_dev_zero(&self, pages: u64) -> Arc<FileObject> {
        let mut inner = self.inner.write();
        let id = FileId(FIRST_DEV_ZERO + inner.dev_zeros);
        inner.dev_zeros += 1;
        let object = Arc::new(FileObject::dev_zero(id, pages));
        inner.objects.insert(id, Arc::clone(&object));
        object
    }

    /// Forgets an object; its pages are the caller's to free.
    pub(crate) fn remove(&self, id: FileId) {
        self.inner.write().objects.remove(&id);
    }
}
