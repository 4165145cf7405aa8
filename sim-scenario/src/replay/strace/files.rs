//! Which file a descriptor of the log stands for.
//!
//! `-y` prints paths, and logs with `openat` in them tell too. Otherwise only the number of the
//! descriptor is known, and programs use a number again and again: a mapping of the start of a
//! file at an address that the kernel chooses is then taken for a new file, since this is how
//! loaders begin; what is mapped from the same descriptor afterwards belongs to it.
//! DEVIATION: on Linux a descriptor stands for the file that was opened.

use std::collections::HashMap;

use sim_core::{Bytes, FileId, FileKind, FileSpec, PAGE_SIZE};

/// The files of a log, and what each task's descriptors stand for.
#[derive(Default)]
pub(super) struct Files {
    specs: Vec<FileSpec>,
    by_path: HashMap<String, FileId>,
    by_descriptor: HashMap<(u32, u64), Descriptor>,
}

#[derive(Clone, Copy)]
struct Descriptor {
    file: FileId,
    /// The log told which file was opened.
    named: bool,
}

/// A mapping of a descriptor.
#[derive(Clone, Copy)]
pub(super) struct Mapped<'a> {
    /// Who maps it.
    pub(super) task: u32,
    /// The descriptor's number.
    pub(super) descriptor: u64,
    /// Its path, if the log has it.
    pub(super) path: Option<&'a str>,
    /// The offset in the file.
    pub(super) offset: u64,
    /// The mapping's length.
    pub(super) len: u64,
    /// Whether the program chose the address.
    pub(super) fixed: bool,
}

impl Files {
    /// The file that is mapped; its size grows to what is mapped of it.
    pub(super) fn mapped(&mut self, mapped: Mapped<'_>) -> FileId {
        let file = match mapped.path {
            Some(path) => self.with_path(path),
            None => self.behind(mapped),
        };
        let end = mapped
            .offset
            .checked_add(mapped.len)
            .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE));
        if let (Some(end), Some(spec)) = (end, self.specs.get_mut(file.0 as usize)) {
            spec.size = spec.size.max(Bytes(end));
        }
        file
    }

    /// A descriptor was opened.
    pub(super) fn opened(&mut self, task: u32, descriptor: u64, path: &str) {
        let file = self.with_path(path);
        let named = Descriptor { file, named: true };
        self.by_descriptor.insert((task, descriptor), named);
    }

    /// A descriptor was closed.
    pub(super) fn closed(&mut self, task: u32, descriptor: u64) {
        self.by_descriptor.remove(&(task, descriptor));
    }

    /// All files, by number.
    pub(super) fn into_specs(self) -> Vec<FileSpec> {
        self.specs
    }

    fn behind(&mut self, mapped: Mapped<'_>) -> FileId {
        let key = (mapped.task, mapped.descriptor);
        let starts = mapped.offset == 0 && !mapped.fixed;
        match self.by_descriptor.get(&key) {
            Some(known) if known.named || !starts => known.file,
            Some(_) | None => {
                let name = format!("fd{}.{}", mapped.descriptor, self.specs.len());
                let file = self.add(name, FileKind::Regular);
                self.by_descriptor
                    .insert(key, Descriptor { file, named: false });
                file
            }
        }
    }

    fn with_path(&mut self, path: &str) -> FileId {
        if let Some(&file) = self.by_path.get(path) {
            return file;
        }
        let memory = path.starts_with("/memfd:") || path.starts_with("/dev/shm/");
        let kind = if memory {
            FileKind::Memfd
        } else {
            FileKind::Regular
        };
        let file = self.add(path.to_owned(), kind);
        self.by_path.insert(path.to_owned(), file);
        file
    }

    fn add(&mut self, name: String, kind: FileKind) -> FileId {
        let id = FileId(u32::try_from(self.specs.len()).unwrap_or(u32::MAX));
        self.specs.push(FileSpec {
            name,
            kind,
            size: Bytes(0),
            fill: None,
        });
        id
    }
}
