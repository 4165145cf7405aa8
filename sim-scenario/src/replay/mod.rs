//! Replay: the memory and process calls of a real program, run again in a back end.

pub mod strace;
