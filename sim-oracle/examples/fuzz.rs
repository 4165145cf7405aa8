//! Fuzzes the simulator against the running kernel: MODE SEED CALLS [FIRST_RUN].
use sim_core::*;
use sim_oracle::compare::Level;
use sim_oracle::fuzz::*;
use sim_oracle::generate::Mode;
fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let a: Vec<String> = std::env::args().collect();
    let mode = Mode::NAMES.iter().find(|(n, _)| *n == a[1]).unwrap().1;
    let mut setup = Setup::new(Profile::V6_18Stable);
    setup.limits.swap = Bytes(0);
    setup.limits.ram = Bytes(24 << 30);
    let mut o = Options::new(a[2].parse().unwrap(), mode, setup);
    o.calls = a[3].parse().unwrap();
    o.first_run = a.get(4).map_or(0, |s| s.parse().unwrap());
    let level = std::env::var("LEVEL").unwrap_or("pages".into());
    o.comparison.level = Level::NAMES.iter().find(|(n, _)| *n == level).unwrap().1;
    o.compare_every = std::env::var("EVERY").map_or(1, |s| s.parse().unwrap());
    if let Ok(s) = std::env::var("IGNORE") {
        o.comparison.ignored_counters = s.split(',').map(|s| &*s.to_owned().leak()).collect();
    }
    let check = std::env::var("CHECK").is_ok();
    let r = fuzz(
        &o,
        &|| (Box::new(Simulator::new(check)), Box::<Live>::default()),
        &|_| {},
    );
    match r {
        Err(e) => println!("ERROR {e}"),
        Ok(r) => {
            println!(
                "{:?} {:.0}/s {:?}",
                r.progress,
                r.progress.rate(),
                r.not_modelled
            );
            if let Some(f) = r.found {
                println!(
                    "run {} mode {:?} from {} calls\n{}\n{}",
                    f.run,
                    f.mode,
                    f.original.len(),
                    f.scenario,
                    f.divergence.render(("vmsim", "linux"))
                );
                std::process::exit(1)
            }
        }
    }
}
