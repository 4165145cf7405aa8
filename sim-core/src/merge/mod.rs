//! Merging of VMAs: a pure plan, and one function that carries it out.
//!
//! [`plan_new_range`] and [`plan_existing_range`] decide from a request and two neighbours what
//! Linux would do (`mm/vma.c: vma_merge_new_range()`, `vma_merge_existing_range()`), with the
//! reason for each side that does not merge. `Mm::apply_merge` (in `apply.rs`) is the only code
//! that changes VMAs and store for a merge.

mod anon;
mod apply;
mod compare;
mod plan_existing;
mod plan_new;
mod refusal;
mod request;
mod scene;
#[cfg(test)]
mod small_world;
#[cfg(test)]
mod tests;

pub(crate) use apply::Considered;
pub use plan_existing::plan_existing_range;
pub use plan_new::plan_new_range;
pub use refusal::Refusal;
pub use request::{
    Attributes, Candidate, ExistingRange, MergeCase, MergeDecision, MergePlan, MergeReport,
    NewRange,
};
pub use scene::{MergeScene, VmaView};
