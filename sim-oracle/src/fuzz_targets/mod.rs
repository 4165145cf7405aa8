//! Bodies of the fuzz targets: any bytes are an input, a panic is a finding.
//!
//! The targets in `fuzz/` only call these; `cargo test` runs each for about a second on bytes of
//! its own. What libFuzzer mutates are decisions, so that a small change of the bytes is a small
//! change of what is done.

mod calls;
mod store;

pub use calls::calls_against_model;
pub use store::store_against_btreemap;

/// Bytes that are read as numbers; when they are used up, zeros.
#[derive(Debug)]
struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        first
    }

    /// A number below `bound`, which is at most 256.
    fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.byte()) % bound
    }

    fn choose<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rand::rngs::SmallRng;
    use rand::{Rng as _, SeedableRng as _};

    /// Runs a target on random bytes for about a second.
    fn feed(mut target: impl FnMut(&[u8])) {
        let begin = Instant::now();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut runs = 0;
        while begin.elapsed() < Duration::from_secs(1) {
            let len = rng.random_range(0..600);
            let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
            target(&bytes);
            runs += 1;
        }
        assert!(runs > 10, "only {runs} inputs in a second");
    }

    #[test]
    fn calls_against_model() {
        feed(super::calls_against_model);
    }

    #[test]
    fn store_against_btreemap() {
        feed(super::store_against_btreemap);
    }
}
