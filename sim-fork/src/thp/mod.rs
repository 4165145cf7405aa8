//! Transparent huge pages: faults, splitting, collapse, khugepaged (`mm/huge_memory.c`,
//! `mm/khugepaged.c`, 6.19).

pub(crate) mod collapse;
pub(crate) mod eligible;
pub(crate) mod fault;
pub(crate) mod folio;
pub(crate) mod khugepaged;
pub(crate) mod object;
pub(crate) mod split;
pub(crate) mod unmap;

pub use khugepaged::Khugepaged;
