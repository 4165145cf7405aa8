//! Mapped objects: files, shared memory, devices, and the page cache.

mod cache;
mod object;
mod sync;
mod table;
mod truncate;

#[expect(unused_imports, reason = "for truncation")]
pub(crate) use cache::release;
pub(crate) use cache::{link, materialize, unlink};
pub use object::{CachedPage, FileObject, FileState, Lookup};
pub(crate) use sync::msync;
pub use table::Files;
pub(crate) use truncate::{punch_hole, truncate};
