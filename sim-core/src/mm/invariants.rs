//! Checks an address space against the definitions of what it holds.

use crate::Mm;
use crate::store::VmaStore;

impl<S: VmaStore> Mm<S> {
    /// Checks everything.
    ///
    /// # Panics
    /// With the invariant's name if one is broken.
    pub fn check_invariants(&self) {
        self.store.check_invariants();
    }
}
