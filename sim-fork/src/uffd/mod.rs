//! userfaultfd: registration and the requests on registered memory (`fs/userfaultfd.c`,
//! `mm/userfaultfd.c`, 6.19).
//!
//! ```text
//!   register.rs      UFFDIO_REGISTER, UFFDIO_UNREGISTER: the VMAs are sim-core's
//!   writeprotect.rs  UFFDIO_WRITEPROTECT: pageops/protect.rs does the entries
//!   fill.rs          what COPY, ZEROPAGE and POISON share: one VMA, page by page
//!     copy.rs          new pages, private or in the object
//!     zeropage.rs      the zero page, or new pages in the object
//!     poison.rs        markers
//!   move_pages.rs    UFFDIO_MOVE: one VMA to another, block by block
//!     move_entry.rs    one entry
//!   range.rs         checks of ranges, and what a request that stops half-way returns
//! ```
//!
//! The faults that a registration causes are in [`crate::fault`]: nobody handles them here.

mod copy;
mod fill;
mod move_entry;
mod move_pages;
mod poison;
mod range;
mod register;
mod writeprotect;
mod zeropage;

pub(crate) use self::fill::{Fill, fill};
pub(crate) use self::move_pages::move_pages;
pub(crate) use self::register::{register, unregister};
pub(crate) use self::writeprotect::writeprotect;
