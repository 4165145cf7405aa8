//! The VMA half of madvise.
