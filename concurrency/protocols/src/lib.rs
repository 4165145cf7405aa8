//! The protocols of `sim-sync` under loom: every schedule of a few threads, with every value that
//! a load may return under the C11 memory model.
//!
//! A test is a [`Check`]: a model that holds, and the mistakes that it is shown to notice. See
//! docs/concurrency.md for what each proves.

use sim_sync::Mutant;

/// A model, and the mistakes that it notices.
pub struct Check {
    /// What is run for each schedule.
    pub model: fn(),
    /// Mistakes with each of which some schedule fails.
    pub mutants: &'static [Mutant],
    /// Involuntary switches of threads that a schedule may have; all if `None`.
    pub preemptions: Option<usize>,
}

impl Check {
    fn explore(&self) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.check(self.model);
    }

    /// Checks that the model holds, and that it does not with any of the mistakes.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn run(&self) {
        self.explore();
        let missed = Mutant::unnoticed(self.mutants, || self.explore());
        assert!(missed.is_empty(), "not noticed: {missed:?}");
    }
}
