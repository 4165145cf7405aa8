//! The checks of mmap that need no VMA.
