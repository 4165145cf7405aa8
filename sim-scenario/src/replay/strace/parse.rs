//! Lines become events: halves are joined, tasks without a number get one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::decode;
use super::files::Files;
use super::line::{self, Body, RawCall};
use super::repair::repair;
use super::{Action, Event, Logged, Spawn, Task, Trace, TraceError};

/// Errors after which reading stops.
const MAX_ERRORS: usize = 20;
/// Characters of a wrong line that are shown.
const EXCERPT: usize = 80;

impl Trace {
    /// Reads a log.
    ///
    /// # Errors
    /// Every line that is none of a log, up to twenty. A last line that was cut off is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<TraceError>> {
        let text = repair(String::from_utf8_lossy(bytes));
        let mut parser = Parser::default();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            parser.line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if let Err(expected) = parser.read(line) {
                errors.push(TraceError {
                    line: parser.line,
                    text: line.chars().take(EXCERPT).collect(),
                    expected,
                });
            }
            if errors.len() == MAX_ERRORS {
                return Err(errors);
            }
        }
        let cut_off = !text.ends_with('\n')
            && parser.line > 1
            && errors.len() == 1
            && errors[0].line == parser.line;
        if !cut_off && !errors.is_empty() {
            return Err(errors);
        }
        let mut trace = parser.finish();
        trace.truncated = cut_off;
        Ok(trace)
    }
}

#[derive(Default)]
struct Parser<'a> {
    line: u32,
    /// A call that was begun early keeps its place; `None` until its result is known.
    events: Vec<Option<Event>>,
    unfinished: HashMap<Task, Unfinished<'a>>,
    files: Files,
    skipped: BTreeMap<&'a str, u64>,
    signals: BTreeMap<&'a str, u64>,
}

struct Unfinished<'a> {
    name: &'a str,
    args: &'a str,
    /// The place it keeps in `events`.
    place: Option<usize>,
}

impl<'a> Parser<'a> {
    fn read(&mut self, text: &'a str) -> Result<(), &'static str> {
        let line = line::split(text)?;
        let task = line.task.map_or(Task::UNNAMED, Task);
        match line.body {
            Body::Call(call) => self.call(task, call.name, call, None),
            Body::Unfinished { name, args } => {
                self.begin(task, name, args);
                Ok(())
            }
            Body::Resumed(call) => self.resume(task, call),
            Body::Ended => {
                self.push(task, Action::EndTask, Logged::Unknown, None);
                Ok(())
            }
            Body::Signal(name) => {
                *self.signals.entry(name).or_default() += 1;
                Ok(())
            }
            Body::Note => Ok(()),
        }
    }

    /// A complete call. `name` is `call.name`, in the log's text.
    fn call(
        &mut self,
        task: Task,
        name: &'a str,
        call: RawCall<'_>,
        place: Option<usize>,
    ) -> Result<(), &'static str> {
        if let Some(end) = ending(name) {
            self.push(task, end, Logged::Unknown, place);
            return Ok(());
        }
        let logged = decode::result(call.result)?;
        let action = match logged {
            Logged::Unknown => None,
            Logged::Value(_) | Logged::Errno(_) | Logged::OtherError => {
                decode::action(task.0, call, logged, &mut self.files)?
            }
        };
        match action {
            Some(action) => self.push(task, action, logged, place),
            None => *self.skipped.entry(name).or_default() += 1,
        }
        Ok(())
    }

    fn begin(&mut self, task: Task, name: &'a str, args: &'a str) {
        if let Some(end) = ending(name) {
            self.push(task, end, Logged::Unknown, None);
            return;
        }
        let early = matches!(name, "munmap" | "fork" | "vfork" | "clone" | "clone3");
        let place = early.then_some(self.events.len());
        if early {
            self.events.push(None);
        }
        self.unfinished
            .insert(task, Unfinished { name, args, place });
    }

    fn resume(&mut self, task: Task, rest: RawCall<'a>) -> Result<(), &'static str> {
        if ending(rest.name).is_some() {
            return Ok(());
        }
        // An execve resumes under the number of the leader, which began none.
        let begun = self.unfinished.remove(&task);
        let Some(begun) = begun.filter(|begun| begun.name == rest.name) else {
            if rest.name == "execve" {
                return self.call(task, rest.name, rest, None);
            }
            *self.skipped.entry(rest.name).or_default() += 1;
            return Ok(());
        };
        let joined;
        let args = if rest.args.trim().is_empty() {
            begun.args
        } else {
            joined = [begun.args, rest.args].concat();
            &joined
        };
        self.call(task, rest.name, RawCall { args, ..rest }, begun.place)
    }

    fn push(&mut self, task: Task, action: Action, logged: Logged, place: Option<usize>) {
        let event = Some(Event {
            line: self.line,
            task,
            action,
            logged,
        });
        match place.and_then(|place| self.events.get_mut(place)) {
            Some(kept) => *kept = event,
            None => self.events.push(event),
        }
    }

    fn finish(mut self) -> Trace {
        for begun in self.unfinished.values() {
            *self.skipped.entry(begun.name).or_default() += 1;
        }
        let mut events: Vec<Event> = self.events.into_iter().flatten().collect();
        name_first_task(&mut events);
        let counts = |map: BTreeMap<&str, u64>| {
            map.into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect()
        };
        Trace {
            events,
            files: self.files.into_specs(),
            skipped: counts(self.skipped),
            signals: counts(self.signals),
            lines: self.line,
            truncated: false,
        }
    }
}

fn ending(name: &str) -> Option<Action> {
    match name {
        "exit" => Some(Action::EndTask),
        "exit_group" => Some(Action::EndProcess),
        _ => None,
    }
}

/// Without `-o` strace leaves out the number while there is one task only. The first number that
/// is no child's is then the first task's.
fn name_first_task(events: &mut [Event]) {
    if events.iter().all(|event| event.task != Task::UNNAMED) {
        return;
    }
    let mut children = HashSet::new();
    let mut first = None;
    for event in events.iter() {
        if let (Action::Spawn(_), Logged::Value(child)) = (&event.action, event.logged) {
            children.insert(child);
        }
        let number = event.task;
        if number != Task::UNNAMED && !children.contains(&u64::from(number.0)) {
            first = Some(number);
            break;
        }
    }
    let Some(first) = first else {
        return;
    };
    for event in events {
        if event.task == Task::UNNAMED {
            event.task = first;
        }
    }
}

impl Spawn {
    /// Does the new task run in its parent's address space?
    pub const fn shares(self) -> bool {
        match self {
            Self::Copy => false,
            Self::Share | Self::Thread => true,
        }
    }
}
