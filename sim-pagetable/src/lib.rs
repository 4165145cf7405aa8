//! Simulated physical frames and 4-level page tables of x86_64 and arm64.
