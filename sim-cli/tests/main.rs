//! Tests through the real program, and of what holds for the repository as a whole.

mod bench;
mod command_line;
mod documents;
mod layering;
mod library;
mod output;
mod program;
mod reasons;
mod threads;
mod vectors;
