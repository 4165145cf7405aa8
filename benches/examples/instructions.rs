//! Instructions that operations of the workloads of `vmsim bench` take, counted by valgrind: figures
//! that hold on noisy machines.
//!
//! ```sh
//! cargo run --release -p vmsim-benches --example instructions             # print them
//! cargo run --release -p vmsim-benches --example instructions -- --check  # compare with instructions.txt
//! cargo run --release -p vmsim-benches --example instructions -- --write  # replace instructions.txt
//! ```
//!
//! Each workload runs in a process of its own under callgrind, which counts while [`counted`] runs.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use sim_core::{PageCount, Setup};
use sim_oracle::bench::{
    Axis, Player, Shape, Simulated, Spec, StoreName, Target, Timed, Workload, mixed_scripts,
};

/// VMAs beside which workloads run.
const VMAS: u64 = 60_000;
/// Pages of `fault` and `fork`.
const PAGES: u64 = 4096;
/// What a workload may take more than `instructions.txt` says, as a part of it.
const TOLERANCE: f64 = 0.1;
/// The same where another compiler made the program.
const TOLERANCE_OF_COMPILERS: f64 = 0.2;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Instructions an operation, by workload.
type Counts = BTreeMap<String, f64>;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--child", name] = arguments[..] {
        child(Workload::from_name(name).ok_or("no such workload")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !has_valgrind() {
        println!("SKIPPED: there is no valgrind to count instructions with");
        return Ok(ExitCode::SUCCESS);
    }
    let counts = count_all()?;
    match arguments[..] {
        [] => print!("{}", text(&counts)),
        ["--write"] => fs::write(baseline(), text(&counts))?,
        ["--check"] => return check(&counts),
        _ => return Err("usage: instructions [--check | --write]".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn baseline() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

fn has_valgrind() -> bool {
    let mut version = Command::new("valgrind");
    let version = version.arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn spec(workload: Workload) -> Result<Spec> {
    Ok(match workload.axis() {
        Axis::Vmas => Spec::new(workload, VMAS, PageCount(0)),
        Axis::Pages => Spec::new(workload, 0, PageCount(PAGES)),
        Axis::Own => Spec {
            scripts: mixed_scripts(&Setup::default(), 1)?,
            ..Spec::new(workload, 0, PageCount(0))
        },
    })
}

/// Runs a round of a workload and prints how many operations it had.
fn child(workload: Workload) -> Result<()> {
    let spec = spec(workload)?;
    let machine = Simulated::new(StoreName::Maple, &spec.setup(&Setup::default()))?;
    let mut player = Player::new(machine, &spec)?;
    let round = player.next_round(Shape::Bulk);
    player.before(&round)?;
    let target = player.target_mut();
    target.begin();
    counted(target, &round.timed)?;
    println!("{}", round.ops);
    Ok(())
}

/// What callgrind counts.
#[inline(never)]
fn counted(target: &mut Simulated, timed: &Timed) -> Result<()> {
    Ok(timed.run(target).map(drop)?)
}

fn count_all() -> Result<Counts> {
    let all = Workload::ALL.into_iter();
    all.filter(|workload| *workload != Workload::Replay)
        .map(|workload| Ok((workload.name().to_owned(), count(workload)?)))
        .collect()
}

/// Instructions an operation, to a tenth.
fn count(workload: Workload) -> Result<f64> {
    let report = env::temp_dir().join(format!("vmsim-instructions-{}", std::process::id()));
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*instructions*counted*",
        ])
        .arg(format!("--callgrind-out-file={}", report.display()))
        .arg(env::current_exe()?)
        .args(["--child", workload.name()])
        .output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{} failed: {why}", workload.name()).into());
    }
    let ops: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let lines = fs::read_to_string(&report)?;
    fs::remove_file(&report)?;
    let total = lines.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: f64 = total.ok_or("callgrind counted nothing")?.trim().parse()?;
    if total == 0.0 {
        return Err("callgrind did not find the function that is counted".into());
    }
    Ok((total / ops * 10.0).round() / 10.0)
}

fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    version.unwrap_or_default().trim().to_owned()
}

fn text(counts: &Counts) -> String {
    let mut text = format!(
        "# Instructions an operation, {VMAS} VMAs, {PAGES} pages; made by the example `instructions`.\n\
         # {}\n",
        compiler()
    );
    for (workload, count) in counts {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{workload:<22} {count:>10.1}");
    }
    text
}

/// Fails if a workload takes more than what `instructions.txt` says, beyond the tolerance.
fn check(counts: &Counts) -> Result<ExitCode> {
    let before = fs::read_to_string(baseline())?;
    let same_compiler = before.contains(&format!("# {}\n", compiler()));
    let tolerance = if same_compiler {
        TOLERANCE
    } else {
        TOLERANCE_OF_COMPILERS
    };
    let mut code = ExitCode::SUCCESS;
    for line in before.lines().filter(|line| !line.starts_with('#')) {
        let (workload, old) = line
            .split_once(' ')
            .ok_or("instructions.txt is unreadable")?;
        let old: f64 = old.trim().parse()?;
        let new = counts
            .get(workload)
            .ok_or("instructions.txt has an unknown workload")?;
        let change = new / old - 1.0;
        let verdict = if change > tolerance {
            code = ExitCode::FAILURE;
            "MORE"
        } else if change < -tolerance {
            "fewer: --write makes that the baseline"
        } else {
            ""
        };
        println!(
            "{workload:<22} {old:>10.1} {new:>10.1} {:>+7.1} % {verdict}",
            change * 100.0
        );
    }
    println!("tolerance: {:.0} %", tolerance * 100.0);
    Ok(code)
}
