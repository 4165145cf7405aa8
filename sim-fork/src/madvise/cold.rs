//! `MADV_COLD` and `MADV_PAGEOUT` (`mm/madvise.c: madvise_cold_or_pageout_pte_range()`).

use sim_core::store::VmaStore;
use sim_core::{Advice, BackendError, Outcome, PageRange};
use sim_pagetable::Arch;

use crate::dispatch::not_supported;
use crate::machine::Machine;
use crate::process::Process;

/// Deactivates or reclaims the pages of a range.
pub(crate) fn madvise<A: Arch, S: VmaStore>(
    _machine: &Machine<A, S>,
    _process: &Process<A, S>,
    _range: PageRange,
    _advice: Advice,
) -> Result<Outcome, BackendError> {
    Err(not_supported("madvise cold and pageout"))
}
