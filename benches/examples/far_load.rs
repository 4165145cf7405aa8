//! What a load that depends on the one before takes on this machine, by how much memory they are
//! scattered over: the floor of a look-up that has to read one cache line of a store of that size.
//!
//! ```sh
//! cargo run --release -p vmsim-benches --example far_load
//! ```

use std::hint::black_box;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// A cache line that says which one comes next.
#[repr(align(64))]
struct Line(u32);

/// Sizes of the maple store with so many VMAs, at 22 bytes each.
const VMAS: [usize; 4] = [1_000, 65_000, 250_000, 1_000_000];
const BYTES: usize = 22;
const LOADS: usize = 1 << 20;
const REPEATS: usize = 5;

fn main() {
    println!("{:>10} {:>10} {:>10}", "VMAs", "KiB", "ns/load");
    for vmas in VMAS {
        let bytes = vmas * BYTES;
        let circle = circle(bytes / size_of::<Line>());
        let mut times: Vec<f64> = (0..REPEATS).map(|_| chase(&circle)).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{vmas:>10} {:>10} {:>10.1}",
            bytes >> 10,
            times[REPEATS / 2]
        );
    }
}

/// Lines that lead to each other in random order, all in one circle.
fn circle(lines: usize) -> Vec<Line> {
    let mut order: Vec<u32> = (0..lines as u32).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(1));
    let mut circle: Vec<Line> = order.iter().map(|_| Line(0)).collect();
    for (i, &at) in order.iter().enumerate() {
        circle[at as usize] = Line(order[(i + 1) % lines]);
    }
    circle
}

fn chase(circle: &[Line]) -> f64 {
    let start = Instant::now();
    let mut at = 0;
    for _ in 0..LOADS {
        at = circle[at as usize].0;
    }
    black_box(at);
    start.elapsed().as_nanos() as f64 / LOADS as f64
}
