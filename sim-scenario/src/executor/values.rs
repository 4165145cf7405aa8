//! The `value` of a `read` or `exec`: looks at every page of the range, one after another.

use sim_core::{Access, Bytes, Call, Outcome, PAGE_SIZE, Pid, SyscallRange, VirtAddr};

use super::{CallAction, CallRole};
use crate::report::Failure;
use crate::scenario::{Op, Step};

/// Wrong pages that a failure lists.
const MAX_WRONG_PAGES: usize = 4;

/// An access that has been made, and the pages whose content is still to be compared.
#[derive(Clone, Debug)]
pub(super) struct PagesLeft<'s> {
    pub(super) step: &'s Step,
    pub(super) pid: Pid,
    pub(super) call: Call,
    /// What the access came to.
    pub(super) outcome: Outcome,
    next: VirtAddr,
    left: u64,
    value: u8,
    wrong: Vec<String>,
}

impl<'s> PagesLeft<'s> {
    /// The pages to look at after an access, if it expects a value and succeeded.
    pub(super) fn after(step: &'s Step, pid: Pid, call: &Call, outcome: Outcome) -> Option<Self> {
        let Op::Access {
            value: Some(value), ..
        } = &step.op
        else {
            return None;
        };
        let Call::Access {
            range,
            access: Access::Read | Access::Exec,
        } = call
        else {
            return None;
        };
        if !outcome.is_ok() || range.len == Bytes(0) {
            return None;
        }
        let last = range.addr.get().saturating_add(range.len.get() - 1);
        Some(Self {
            step,
            pid,
            call: call.clone(),
            outcome,
            next: range.addr.page_down(),
            left: VirtAddr::new(last).page_number() - range.addr.page_number() + 1,
            value: *value,
            wrong: Vec::new(),
        })
    }

    /// The read of the next page.
    pub(super) fn look(&self) -> CallAction<'s> {
        CallAction {
            step: self.step,
            pid: self.pid,
            call: Call::Access {
                range: SyscallRange::new(self.next, Bytes(1)),
                access: Access::Read,
            },
            role: CallRole::Helper,
        }
    }

    /// Notes what the next page holds.
    pub(super) fn seen(&mut self, outcome: Outcome) {
        let right = outcome == Outcome::Value(u64::from(self.value));
        if !right && self.wrong.len() < MAX_WRONG_PAGES {
            self.wrong.push(format!("{} reads {outcome}", self.next));
        }
        self.left -= 1;
        self.next = VirtAddr::new(self.next.get().wrapping_add(PAGE_SIZE));
    }

    /// Has every page been looked at?
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The failure, if a page holds something else.
    pub(super) fn failure(&self) -> Option<Failure> {
        if self.wrong.is_empty() {
            return None;
        }
        let (value, wrong) = (self.value, self.wrong.join(", "));
        Some(Failure {
            span: self.step.span,
            cause: format!("expected {value:#x} in every page, but {wrong}"),
        })
    }
}
