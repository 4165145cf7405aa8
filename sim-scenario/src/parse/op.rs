//! The parameters of operations.

use sim_core::{Bytes, NewStack, Policy};
use toml::de::DeValue;

use super::context::{Context, Fields, Value, span_of};
use super::step::{Block, MAX_NESTING, steps};
use super::{check, range, scalar, setup, size, words};
use crate::diagnostics::Diagnostic;
use crate::scenario::{AccessKind, BrkTarget, CopySource, MmapStep, MremapStep, Op};

/// Reads the parameters of one operation. A parameter that is missing has been reported before.
pub(super) struct Reader<'t> {
    pub(super) fields: Fields<'t>,
    pub(super) op: &'static str,
}

type Parse<T> = fn(&mut Context, &Value<'_>) -> Option<T>;

impl Reader<'_> {
    /// The operation.
    pub(super) fn op(&self, cx: &mut Context, inner: Block<'_>) -> Option<Op> {
        Some(match self.op {
            "mmap" => Op::Mmap(self.mmap(cx)?),
            "munmap" => Op::Munmap(self.get(cx, "range", range::range)?),
            "mseal" => Op::Mseal(self.get(cx, "range", range::range)?),
            "munlock" => Op::Munlock(self.get(cx, "range", range::range)?),
            "msync" => Op::Msync(self.get(cx, "range", range::range)?),
            "mincore" => Op::Mincore(self.get(cx, "range", range::range)?),
            "uffd_zeropage" => Op::UffdZeropage(self.get(cx, "range", range::range)?),
            "uffd_poison" => Op::UffdPoison(self.get(cx, "range", range::range)?),
            "mprotect" => {
                let range = self.get(cx, "range", range::range);
                let prot = self.get(cx, "prot", words::prot);
                let pkey = self.opt(cx, "pkey", scalar::signed);
                Op::Mprotect {
                    range: range?,
                    prot: prot?,
                    pkey: pkey?,
                }
            }
            "mremap" => Op::Mremap(self.mremap(cx)?),
            "madvise" => {
                let range = self.get(cx, "range", range::range);
                let advice = self.get(cx, "advice", words::advice);
                Op::Madvise {
                    range: range?,
                    advice: advice?,
                }
            }
            "mlock" => {
                let range = self.get(cx, "range", range::range);
                let onfault = self.opt(cx, "onfault", scalar::boolean);
                Op::Mlock {
                    range: range?,
                    onfault: onfault?.unwrap_or(false),
                }
            }
            "mlockall" => Op::Mlockall(self.get(cx, "flags", words::mlockall_flags)?),
            "munlockall" => Op::Munlockall,
            "brk" => Op::Brk(self.get(cx, "to", brk_target)?),
            "mbind" => {
                let range = self.get(cx, "range", range::range);
                let policy = self.policy(cx);
                Op::Mbind {
                    range: range?,
                    policy: policy?,
                }
            }
            "vma_name" => {
                let range = self.get(cx, "range", range::range);
                let label = self.get(cx, "label", label);
                Op::VmaName {
                    range: range?,
                    label: Some(label?).filter(|label| !label.is_empty()),
                }
            }
            "fork" => {
                let name = self.get(cx, "name", name);
                let share = self.opt(cx, "share", scalar::boolean);
                Op::Fork {
                    name: name?,
                    share: share?.unwrap_or(false),
                }
            }
            "exit" => Op::Exit,
            "execve" => self.execve(cx)?,
            "khugepaged" => Op::Khugepaged {
                passes: self.opt(cx, "passes", scalar::passes)?.unwrap_or(1),
            },
            "reclaim" => self.reclaim(cx)?,
            "clear_refs" => Op::ClearRefs(self.get(cx, "value", scalar::byte)?),
            "truncate" => {
                let file = self.get(cx, "file", scalar::file);
                let size = self.get(cx, "size", setup::file_size);
                Op::Truncate {
                    file: file?,
                    size: size?,
                }
            }
            "punch_hole" => {
                let file = self.get(cx, "file", scalar::file);
                let range = self.get(cx, "range", file_range);
                let (offset, len) = range?;
                Op::PunchHole {
                    file: file?,
                    offset,
                    len,
                }
            }
            "inject" => Op::Inject {
                nth: self.get(cx, "fail_alloc", nth)?,
            },
            "read" => self.access(cx, AccessKind::Read)?,
            "write" => self.access(cx, AccessKind::Write)?,
            "exec" => self.access(cx, AccessKind::Exec)?,
            "repeat" | "parallel" => self.block(cx, inner)?,
            "check" => Op::Check(Box::new(check::check(cx, &self.fields)?)),
            _ => self.userfaultfd(cx)?,
        })
    }

    fn userfaultfd(&self, cx: &mut Context) -> Option<Op> {
        let range = self.get(cx, "range", range::range);
        Some(match self.op {
            "uffd_register" => {
                let mode = self.get(cx, "mode", words::uffd_mode);
                Op::UffdRegister {
                    range: range?,
                    mode: mode?,
                }
            }
            "uffd_unregister" => {
                self.opt(cx, "mode", words::uffd_mode)?;
                Op::UffdUnregister(range?)
            }
            "uffd_writeprotect" => {
                let on = self.get(cx, "on", scalar::boolean);
                Op::UffdWriteprotect {
                    range: range?,
                    on: on?,
                }
            }
            "uffd_copy" => {
                let source = self.copy_source(cx);
                let wp = self.opt(cx, "wp", scalar::boolean);
                Op::UffdCopy {
                    range: range?,
                    source: source?,
                    wp: wp?.unwrap_or(false),
                }
            }
            "uffd_continue" => {
                let wp = self.opt(cx, "wp", scalar::boolean);
                Op::UffdContinue {
                    range: range?,
                    wp: wp?.unwrap_or(false),
                }
            }
            "uffd_move" => {
                let from = self.get(cx, "from", range::address);
                Op::UffdMove {
                    range: range?,
                    from: from?,
                }
            }
            other => unreachable!("`{other}` is in the table of operations but not read"),
        })
    }

    fn mmap(&self, cx: &mut Context) -> Option<MmapStep> {
        let name = self.opt(cx, "name", name);
        let addr = self.opt(cx, "addr", range::address);
        let len = self.get(cx, "len", scalar::bytes);
        let prot = self.get(cx, "prot", words::prot);
        let flags = self.get(cx, "flags", words::map_flags);
        let file = self.opt(cx, "file", scalar::file);
        let offset = self.opt(cx, "offset", scalar::bytes);
        Some(MmapStep {
            name: name?,
            addr: addr?,
            len: len?,
            prot: prot?,
            flags: flags?,
            file: file?,
            offset: offset?.map_or(0, Bytes::get),
        })
    }

    fn mremap(&self, cx: &mut Context) -> Option<MremapStep> {
        let range = self.get(cx, "range", range::range);
        let new_len = self.get(cx, "new_len", scalar::bytes);
        let flags = self.opt(cx, "flags", words::mremap_flags);
        let to = self.opt(cx, "to", range::address);
        let name = self.opt(cx, "name", name);
        Some(MremapStep {
            range: range?,
            new_len: new_len?,
            flags: flags?.unwrap_or_default(),
            to: to?,
            name: name?,
        })
    }

    fn execve(&self, cx: &mut Context) -> Option<Op> {
        let strings = self.opt(cx, "stack", scalar::bytes);
        let shift = self.opt(cx, "shift", scalar::bytes);
        let (strings, shift) = (strings?, shift?);
        if strings.is_none() && shift.is_some() {
            let message = "`shift` says where the stack goes: there is none without `stack`";
            return cx.error(Diagnostic::new(self.fields.span, message));
        }
        let stack = strings.map(|strings| NewStack {
            strings,
            shift: shift.unwrap_or_default(),
        });
        Some(Op::Execve { stack })
    }

    fn policy(&self, cx: &mut Context) -> Option<Policy> {
        let mask = self.opt(cx, "nodes", words::nodes);
        let policy = self.fields.get("policy")?;
        let policy = words::policy(cx, policy, mask.flatten().unwrap_or(0));
        mask.and(policy)
    }

    fn access(&self, cx: &mut Context, kind: AccessKind) -> Option<Op> {
        let range = self.get(cx, "range", range::range);
        let value = self.opt(cx, "value", scalar::byte);
        Some(Op::Access {
            kind,
            range: range?,
            value: value?,
        })
    }

    fn copy_source(&self, cx: &mut Context) -> Option<CopySource> {
        match self.either(cx, "from", "value")? {
            "from" => self.get(cx, "from", range::address).map(CopySource::Memory),
            _ => self.get(cx, "value", scalar::byte).map(CopySource::Value),
        }
    }

    fn reclaim(&self, cx: &mut Context) -> Option<Op> {
        match self.either(cx, "range", "pages")? {
            "range" => self.get(cx, "range", range::range).map(Op::Reclaim),
            _ => self.get(cx, "pages", page_count).map(Op::ReclaimPages),
        }
    }

    fn block(&self, cx: &mut Context, inner: Block<'_>) -> Option<Op> {
        if inner.depth() > MAX_NESTING {
            let message = format!("blocks are nested more than {MAX_NESTING} deep here");
            return cx.error(Diagnostic::new(self.fields.span, message));
        }
        if self.op == "repeat" {
            let times = self.get(cx, "times", |cx, value| {
                scalar::integer(cx, value, u64::MAX)
            });
            let step = self.fields.get("step")?;
            let steps = steps(cx, step, inner);
            return Some(Op::Repeat {
                times: times?,
                steps,
            });
        }
        let threads = self.fields.get("threads")?;
        let DeValue::Array(lists) = threads.get_ref() else {
            return cx.wrong_type(threads, "a list of lists of steps");
        };
        let threads = lists.iter().map(|list| steps(cx, list, inner)).collect();
        Some(Op::Parallel { threads })
    }

    /// Which of two parameters is given, if it is exactly one.
    fn either(
        &self,
        cx: &mut Context,
        one: &'static str,
        other: &'static str,
    ) -> Option<&'static str> {
        match (self.fields.get(one), self.fields.get(other)) {
            (Some(_), None) => Some(one),
            (None, Some(_)) => Some(other),
            (None, None) => {
                let message = format!("`{}` needs `{one}` or `{other}`", self.op);
                cx.error(Diagnostic::new(self.fields.span, message))
            }
            (Some(_), Some(value)) => {
                let message = format!("`{}` takes `{one}` or `{other}`, not both", self.op);
                cx.error(Diagnostic::new(span_of(value), message))
            }
        }
    }

    /// A parameter that must be there.
    fn get<T>(&self, cx: &mut Context, name: &str, parse: Parse<T>) -> Option<T> {
        self.fields.get(name).and_then(|value| parse(cx, value))
    }

    /// A parameter that may be missing; `None` if it is wrong.
    #[expect(
        clippy::option_option,
        reason = "the outer one is success of parsing, the inner one is presence"
    )]
    fn opt<T>(&self, cx: &mut Context, name: &str, parse: Parse<T>) -> Option<Option<T>> {
        match self.fields.get(name) {
            None => Some(None),
            Some(value) => parse(cx, value).map(Some),
        }
    }
}

/// A name that ranges and `in` can use.
fn name(cx: &mut Context, value: &Value<'_>) -> Option<String> {
    let name = scalar::text(cx, value)?;
    match range::check_name(name) {
        Ok(()) => Some(name.to_owned()),
        Err(message) => cx.error(Diagnostic::new(span_of(value), message)),
    }
}

fn label(cx: &mut Context, value: &Value<'_>) -> Option<String> {
    scalar::text(cx, value).map(str::to_owned)
}

fn nth(cx: &mut Context, value: &Value<'_>) -> Option<u32> {
    match scalar::integer32(cx, value)? {
        0 => cx.error(
            Diagnostic::new(span_of(value), "allocations are counted from 1")
                .expected("an integer from 1"),
        ),
        nth => Some(nth),
    }
}

/// A number of pages: `16`, or a size: `"16p"`, `"64K"`.
fn page_count(cx: &mut Context, value: &Value<'_>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(_) => scalar::integer(cx, value, u64::MAX),
        _ => scalar::bytes(cx, value).map(Bytes::pages),
    }
}

fn brk_target(cx: &mut Context, value: &Value<'_>) -> Option<BrkTarget> {
    const FORMS: &str = "an address, or how far to move: \"+4p\", \"-4p\"";
    if let DeValue::String(text) = value.get_ref() {
        let text = text.trim();
        let moved = match text.chars().next() {
            Some('+') => Some(size::parse(&text[1..]).map(|n| BrkTarget::Up(Bytes(n)))),
            Some('-') => Some(size::parse(&text[1..]).map(|n| BrkTarget::Down(Bytes(n)))),
            _ => None,
        };
        match moved {
            Some(Ok(target)) => return Some(target),
            Some(Err(error)) => {
                let diagnostic = Diagnostic::new(span_of(value), error.to_string());
                return cx.error(diagnostic.expected(FORMS));
            }
            None => {}
        }
    }
    let addr = scalar::number(cx, value, u64::MAX, FORMS)?;
    Some(BrkTarget::Absolute(sim_core::VirtAddr::new(addr)))
}

/// Bytes of a file: `"[2..4]"` and `"data[2..4]"` (pages), `"2p..4p"`, `"0x2000+2p"`.
fn file_range(cx: &mut Context, value: &Value<'_>) -> Option<(u64, Bytes)> {
    const FORMS: &str = "a range of the file: \"[2..4]\", \"[3]\", \"2p..4p\" or \"0x2000+2p\"";
    let text = scalar::text(cx, value)?.trim();
    match super::file_range::parse(text) {
        Ok(range) => Some(range),
        Err(message) => cx.error(Diagnostic::new(span_of(value), message).expected(FORMS)),
    }
}
