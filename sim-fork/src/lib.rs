//! The simulated machine: processes, faults, fork, guard regions, huge pages, page cache, /proc views.
