//! Transparent huge pages: faults, splitting, collapse, khugepaged (`mm/huge_memory.c`,
//! `mm/khugepaged.c`, 6.19).
//!
//! Two things can be split: the huge *entry* of one page table, whose folio stays whole and is
//! mapped by 512 entries then (`mapping.rs`), and the *folio*, with whatever maps it (`folio.rs`).

pub(crate) mod collapse;
pub(crate) mod eligible;
pub(crate) mod fault;
pub(crate) mod folio;
pub(crate) mod khugepaged;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod unmap;

pub use khugepaged::Khugepaged;
