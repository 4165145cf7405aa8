//! Memory policies as `mbind(2)` takes them.

use sim_core::Policy;

/// The mode, and the node mask if it has one.
pub(super) const fn numbers(policy: Policy) -> (u64, Option<u64>) {
    match policy {
        Policy::Default => (0, None),
        Policy::Preferred(nodes) => (1, Some(nodes)),
        Policy::Bind(nodes) => (2, Some(nodes)),
        Policy::Interleave(nodes) => (3, Some(nodes)),
        Policy::Local => (4, None),
        Policy::PreferredMany(nodes) => (5, Some(nodes)),
    }
}
