//! Contestants measured by turns, so that what disturbs one disturbs all.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;

use super::stats::{median, quantile, spread};
use super::{BenchError, Effort, Player, Repeat, Target};

/// Something that can be measured again and again.
pub trait Contestant {
    /// Measures once.
    ///
    /// # Errors
    /// If it fails.
    fn repeat(&mut self, effort: Effort) -> Result<Repeat, BenchError>;

    /// VMAs that its first process has now, if that can be known.
    fn vmas(&self) -> Option<usize>;
}

impl<T: Target> Contestant for Player<T> {
    fn repeat(&mut self, effort: Effort) -> Result<Repeat, BenchError> {
        Player::repeat(self, effort)
    }

    fn vmas(&self) -> Option<usize> {
        self.target().vmas()
    }
}

/// What repeats came to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figures {
    /// Operations of all repeats.
    pub ops: u64,
    /// The median of the repeats.
    pub ns_per_op: f64,
    /// The median of single operations.
    pub p50_ns: f64,
    /// What one of a hundred exceeds.
    pub p99_ns: f64,
    /// How far repeats lie from their median, usually, as a part of it.
    pub spread: f64,
}

/// Measures each contestant `repeats` times, by turns in random order. A contestant that fails is
/// left out from then on.
pub fn race(
    contestants: &mut [&mut dyn Contestant],
    repeats: usize,
    effort: Effort,
    seed: u64,
) -> Vec<Result<Figures, BenchError>> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut results: Vec<_> = contestants.iter().map(|_| Ok(Vec::new())).collect();
    let mut order: Vec<_> = (0..contestants.len()).collect();
    for _ in 0..repeats {
        order.shuffle(&mut random);
        for &index in &order {
            if let Ok(measured) = &mut results[index] {
                match contestants[index].repeat(effort) {
                    Ok(repeat) => measured.push(repeat),
                    Err(error) => results[index] = Err(error),
                }
            }
        }
    }
    results
        .into_iter()
        .map(|result| result.map(|repeats| figures(&repeats)))
        .collect()
}

fn figures(repeats: &[Repeat]) -> Figures {
    let mut each: Vec<_> = repeats
        .iter()
        .map(|repeat| repeat.nanoseconds / repeat.ops.max(1) as f64)
        .collect();
    let mut singles: Vec<_> = repeats
        .iter()
        .flat_map(|repeat| repeat.singles.iter().copied())
        .collect();
    Figures {
        ops: repeats.iter().map(|repeat| repeat.ops).sum(),
        ns_per_op: median(&mut each),
        p50_ns: quantile(&mut singles, 0.5),
        p99_ns: quantile(&mut singles, 0.99),
        spread: spread(&mut each),
    }
}
