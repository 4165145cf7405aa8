//! Mapped objects: files, shared memory, devices, and the page cache.

mod cache;
mod mappings;
mod object;
pub(crate) mod readahead;
pub(crate) mod swapped;
mod sync;
mod table;
mod truncate;

pub(crate) use cache::release;
pub(crate) use cache::{add_page, link, materialize, unlink};
pub(crate) use mappings::for_each_mapping;
pub use object::{CachedPage, FileObject, FileState, Lookup};
pub(crate) use swapped::SwappedPage;
pub(crate) use swapped::{Extent, bring_back};
pub(crate) use sync::{msync, write_back};
pub use table::Files;
pub(crate) use truncate::{punch_hole, punch_mapped, truncate};
