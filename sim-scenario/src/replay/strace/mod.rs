//! Reads `strace -f` logs.
//!
//! [`Trace::parse`] takes any bytes and never panics: a log that is none is a list of
//! [`TraceError`]s with line numbers. Calls that mm has no part in are skipped and counted.
//!
//! # Order
//!
//! A call that other tasks' lines interrupt is two lines, `<unfinished ...>` and `resumed`, and took
//! effect somewhere between them. What makes room (`munmap`) or a child (`fork`) counts at the
//! first, since others can see its effect before the second is printed; all else at the second.

mod args;
mod decode;
mod files;
mod line;
mod names;
mod parse;
mod repair;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use sim_core::{Call, Errno, FileSpec};

/// The memory and process calls of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The files that were mapped; [`sim_core::FileId`] is the index.
    pub files: Vec<FileSpec>,
    /// How often each call was skipped that is none of mm's, or whose result the log lacks.
    pub skipped: BTreeMap<String, u64>,
    /// Signals that were delivered, by name.
    pub signals: BTreeMap<String, u64>,
    /// Lines of the log.
    pub lines: u32,
    /// The last line is cut off; it was left out.
    pub truncated: bool,
}

/// One thing that a task did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The line of the log where its result is, counted from 1.
    pub line: u32,
    /// Which task: its number in the log, or [`Task::UNNAMED`].
    pub task: Task,
    /// What it did.
    pub action: Action,
    /// What came of it.
    pub logged: Logged,
}

/// A task's number in the log (`gettid`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Task(pub u32);

impl Task {
    /// The task of lines without a number.
    pub const UNNAMED: Self = Self(0);
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNNAMED => f.write_str("main"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// What a task did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A call of mm, with the addresses of the log.
    Call(Call),
    /// `fork`, `vfork`, `clone`; the logged value is the child's number.
    Spawn(Spawn),
    /// A successful `execve`.
    Execve,
    /// `exit`: this task ends.
    EndTask,
    /// `exit_group`: its process ends.
    EndProcess,
}

/// What a new task shares with its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spawn {
    /// Nothing: `fork`.
    Copy,
    /// The address space: `vfork`, `clone(CLONE_VM)`.
    Share,
    /// The process: `clone(CLONE_THREAD)`.
    Thread,
}

/// What the log says about a call's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Logged {
    /// It returned this.
    Value(u64),
    /// It failed with an error of mm.
    Errno(Errno),
    /// It failed with an error that mm never gives.
    OtherError,
    /// It did not return.
    Unknown,
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value:#x}"),
            Self::Errno(errno) => write!(f, "{errno}"),
            Self::OtherError => f.write_str("another error"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// A line that is no line of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceError {
    /// Its number, counted from 1.
    pub line: u32,
    /// The beginning of it.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            text,
            expected,
        } = self;
        write!(f, "line {line}: expected {expected}: `{text}`")
    }
}

impl std::error::Error for TraceError {}
