//! The vmsim scenario language: parser, runner, expectations, strace importer.

pub mod replay;
