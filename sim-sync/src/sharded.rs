//! One value for each group of threads, so that threads do not write to the same cache line.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many groups there are.
const SHARDS: usize = 8;

/// What Linux keeps for each CPU: threads share a value only if there are more of them than
/// values.
#[derive(Debug, Default)]
pub struct Sharded<T> {
    shards: [Padded<T>; SHARDS],
}

/// A cache line of its own, and the one that is fetched along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

fn my_shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.with(|shard| *shard)
}

impl<T> Sharded<T> {
    /// Values made by `make`.
    pub fn from_fn(mut make: impl FnMut() -> T) -> Self {
        Self {
            shards: std::array::from_fn(|_| Padded(make())),
        }
    }

    /// The calling thread's.
    pub fn mine(&self) -> &T {
        &self.shards[my_shard()].0
    }

    /// All of them, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.shards.iter().map(|shard| &shard.0)
    }
}
