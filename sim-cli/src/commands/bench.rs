//! `vmsim bench`: how fast the hot paths are.

use std::sync::Arc;

use sim_core::{PageCount, Setup};
use sim_oracle::bench::{
    Axis, BenchError, Contestant, Effort, Figures, Player, Script, Simulated, Spec, StoreName,
    Workload, count, mixed_scripts, race,
};

use crate::arguments::BenchArguments;
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print::baseline::{Baseline, Change};
use crate::print::bench::{self as print, Format, Row};
use crate::print::growth;
use crate::trace_script::script;
use crate::{live, simulator, sources};

/// Measures and reports.
pub(crate) fn run(arguments: &BenchArguments, output: &mut Output) -> Result<Ending, Trouble> {
    let workloads = workloads(arguments)?;
    let baseline = arguments
        .baseline
        .as_deref()
        .map(read_baseline)
        .transpose()?;
    let kernels = machines(arguments)?;
    let scripts = Scripts::new(arguments, &kernels, &workloads)?;
    let groups = groups(arguments, &kernels, &workloads, &scripts)?;
    let mut run = Run {
        arguments,
        baseline,
        not_measured: 0,
        slower: 0,
        all: Vec::new(),
    };
    let format = format(arguments);
    print::heading(format, arguments.repeats, output);
    for group in groups {
        run.group(group, output);
    }
    if let Some(path) = &arguments.growth {
        draw_growth(path, &run.all)?;
    }
    if run.not_measured > 0 {
        return Err(Trouble::Impossible(format!(
            "{} measurements were not possible here",
            run.not_measured
        )));
    }
    Ok(Ending::good_if(run.slower == 0))
}

fn draw_growth(path: &std::path::Path, rows: &[Row]) -> Result<(), Trouble> {
    let written = std::fs::write(path, growth::svg(rows));
    written.map_err(|error| Trouble::Impossible(format!("{}: {error}", path.display())))
}

const fn format(arguments: &BenchArguments) -> Format {
    if arguments.json {
        Format::Json
    } else if arguments.csv {
        Format::Csv
    } else {
        Format::Table
    }
}

/// Those asked for; without any all that can be run.
fn workloads(arguments: &BenchArguments) -> Result<Vec<Workload>, Trouble> {
    let asked: Vec<_> = arguments
        .workloads
        .iter()
        .chain(&arguments.workload)
        .copied()
        .collect();
    if asked.contains(&Workload::Replay) && arguments.trace.is_none() {
        let why = "vmsim: the workload replay needs --trace FILE";
        return Err(Trouble::WrongInput(why.to_owned()));
    }
    if !asked.is_empty() {
        return Ok(asked);
    }
    let all = Workload::ALL.into_iter();
    Ok(all
        .filter(|w| *w != Workload::Replay || arguments.trace.is_some())
        .collect())
}

fn read_baseline(path: &std::path::Path) -> Result<Baseline, Trouble> {
    let bytes = sources::read(path)?;
    Baseline::parse(&bytes)
        .map_err(|error| Trouble::WrongInput(format!("error: {}:{error}", path.display())))
}

/// A machine that is measured, and the features in which it is not as its kernel.
#[derive(Clone)]
struct Machine {
    setup: Arc<Setup>,
    features: String,
}

/// Machines of the kernels asked for: each as it is, then with each switch of a feature.
fn machines(arguments: &BenchArguments) -> Result<Vec<Machine>, Trouble> {
    let mut machines = Vec::new();
    for kernel in &arguments.kernel {
        let setup = simulator::setup(Some(*kernel))?;
        for switches in &arguments.feature {
            let mut switched = setup.clone();
            for switch in &switches.0 {
                switch.apply(&mut switched.features);
            }
            machines.push(Machine {
                setup: Arc::new(switched),
                features: switches.to_string(),
            });
        }
        let plain = Machine {
            setup: Arc::new(setup),
            features: String::new(),
        };
        machines.insert(machines.len() - arguments.feature.len(), plain);
    }
    Ok(machines)
}

/// What `replay` and `mixed` run, for each kernel.
struct Scripts {
    replay: Vec<Arc<[Script]>>,
    mixed: Vec<Arc<[Script]>>,
}

impl Scripts {
    fn new(
        arguments: &BenchArguments,
        machines: &[Machine],
        workloads: &[Workload],
    ) -> Result<Self, Trouble> {
        let mut scripts = Self {
            replay: Vec::new(),
            mixed: Vec::new(),
        };
        for Machine { setup: kernel, .. } in machines {
            if workloads.contains(&Workload::Mixed) {
                let mixed = mixed_scripts(kernel, arguments.seed);
                scripts
                    .mixed
                    .push(mixed.map_err(|e| simulator::trouble(&e))?);
            }
            if let (Some(trace), true) = (&arguments.trace, workloads.contains(&Workload::Replay)) {
                scripts.replay.push(Arc::new([script(trace, kernel)?]));
            }
        }
        Ok(scripts)
    }

    /// Those of a workload under the kernel with this index.
    fn of(&self, workload: Workload, kernel: usize) -> Arc<[Script]> {
        let list = match workload {
            Workload::Replay => &self.replay,
            Workload::Mixed => &self.mixed,
            _ => return Arc::new([]),
        };
        Arc::clone(&list[kernel])
    }
}

/// Measurements that are compared with each other: of one workload and size, on any number of
/// threads.
struct Group {
    rivals: Vec<Rival>,
}

/// One measurement.
struct Rival {
    spec: Spec,
    on: On,
}

/// On what.
enum On {
    Simulator { store: StoreName, machine: Machine },
    Kernel(Result<Box<dyn live::Process>, BenchError>),
}

/// Processes for system calls are started here, before anything is simulated: their memory is to be
/// small, and the program has one thread.
fn groups(
    arguments: &BenchArguments,
    machines: &[Machine],
    workloads: &[Workload],
    scripts: &Scripts,
) -> Result<Vec<Group>, Trouble> {
    if arguments.live {
        live::can_measure()?;
    }
    let mut groups = Vec::new();
    for &workload in workloads {
        for &size in sizes(arguments, workload) {
            let mut rivals = Vec::new();
            for &threads in &arguments.threads {
                let several = arguments.threads.iter().any(|threads| *threads > 1);
                let beside_threads = several || arguments.without_locks;
                let spec = Spec {
                    threads: threads as usize,
                    beside_threads,
                    locks: beside_threads,
                    seed: arguments.seed,
                    ..sized(workload, size)
                };
                rivals.extend(measured(arguments, machines, &spec, scripts));
                if arguments.without_locks && threads == 1 {
                    let without = Spec {
                        locks: false,
                        ..spec
                    };
                    rivals.extend(measured(arguments, &machines[..1], &without, scripts));
                }
            }
            groups.push(Group { rivals });
        }
    }
    Ok(groups)
}

fn sizes(arguments: &BenchArguments, workload: Workload) -> &[u64] {
    match (workload, workload.axis()) {
        (Workload::Collapse, _) => &[sim_core::PMD_PAGES],
        (_, Axis::Vmas) => &arguments.vmas,
        (_, Axis::Pages) => &arguments.pages,
        (_, Axis::Own) => &[0],
    }
}

fn sized(workload: Workload, size: u64) -> Spec {
    match workload.axis() {
        Axis::Vmas => Spec::new(workload, size, PageCount(0)),
        Axis::Pages => Spec::new(workload, 0, PageCount(size)),
        Axis::Own => Spec::new(workload, 0, PageCount(0)),
    }
}

fn measured(
    arguments: &BenchArguments,
    machines: &[Machine],
    spec: &Spec,
    scripts: &Scripts,
) -> Vec<Rival> {
    // Where no store matters there is one row.
    let stores = match spec.workload.axis() {
        Axis::Pages => &[StoreName::Maple][..],
        Axis::Vmas | Axis::Own => &arguments.store.0[..],
    };
    let mut rivals = Vec::new();
    for (index, machine) in machines.iter().enumerate() {
        rivals.extend(stores.iter().map(|&store| Rival {
            spec: Spec {
                scripts: scripts.of(spec.workload, index),
                ..spec.clone()
            },
            on: On::Simulator {
                store,
                machine: machine.clone(),
            },
        }));
    }
    let once = spec.locks == spec.beside_threads;
    if arguments.live && once && spec.workload.not_live().is_none() {
        rivals.push(Rival {
            spec: spec.clone(),
            on: On::Kernel(live::start_bench(spec)),
        });
    }
    rivals
}

/// A measurement that can begin, with what identifies it.
struct Ready {
    spec: Spec,
    store: &'static str,
    kernel: String,
    features: String,
    simulated: Option<(StoreName, Arc<Setup>)>,
    contestant: Box<dyn Contestant>,
}

impl Ready {
    fn new(rival: Rival) -> Result<Self, (String, BenchError)> {
        let Rival { spec, on } = rival;
        match on {
            On::Simulator { store, machine } => {
                let Machine {
                    setup: kernel,
                    features,
                } = machine;
                let name = format!("{} with {}", spec.workload.name(), store.name());
                let player = Simulated::new(store, &spec.setup(&kernel))
                    .map_err(BenchError::from)
                    .and_then(|machine| Player::new(machine, &spec))
                    .map_err(|error| (name, error))?;
                let without_locks = spec.beside_threads && !spec.locks;
                Ok(Self {
                    spec,
                    store: store.name(),
                    kernel: kernel.profile.name().to_owned(),
                    features: if without_locks {
                        "no locks".to_owned()
                    } else {
                        features
                    },
                    simulated: Some((store, kernel)),
                    contestant: Box::new(player),
                })
            }
            On::Kernel(process) => {
                let failed = |error| (format!("{} live", spec.workload.name()), error);
                let mut process = process.map_err(failed)?;
                process.prepare().map_err(failed)?;
                Ok(Self {
                    spec,
                    store: "live",
                    kernel: live::release(),
                    features: String::new(),
                    simulated: None,
                    contestant: process.into_contestant(),
                })
            }
        }
    }
}

struct Run<'a> {
    arguments: &'a BenchArguments,
    baseline: Option<Baseline>,
    not_measured: usize,
    slower: usize,
    /// Every measurement, if they are to be drawn.
    all: Vec<Row>,
}

impl Run<'_> {
    fn group(&mut self, group: Group, output: &mut Output) {
        let not_live = group
            .rivals
            .first()
            .and_then(|one| one.spec.workload.not_live());
        let mut ready = Vec::new();
        for rival in group.rivals {
            match Ready::new(rival) {
                Ok(one) => ready.push(one),
                Err((what, error)) => self.failed(&what, &error, output),
            }
        }
        let effort = Effort {
            least: std::time::Duration::from_millis(self.arguments.time),
            ..Effort::default()
        };
        let results = {
            let mut rivals: Vec<&mut dyn Contestant> = Vec::new();
            for one in &mut ready {
                rivals.push(&mut *one.contestant);
            }
            race(
                &mut rivals,
                self.arguments.repeats,
                effort,
                self.arguments.seed,
            )
        };
        let mut rows = Vec::new();
        for (one, result) in ready.iter().zip(results) {
            match result {
                Ok(figures) => rows.push(self.row(one, figures)),
                Err(error) => self.failed(one.spec.workload.name(), &error, output),
            }
        }
        print::speed_up(&mut rows);
        print::rows(format(self.arguments), &rows, output);
        if self.arguments.growth.is_some() {
            self.all.append(&mut rows);
        }
        if let (Some(why), true) = (not_live, self.arguments.live) {
            print::no_live_row(format(self.arguments), why, output);
        }
    }

    fn row(&mut self, one: &Ready, figures: Figures) -> Row {
        let spec = &one.spec;
        let vmas = match spec.workload.axis() {
            Axis::Vmas => Some(spec.vmas),
            Axis::Pages => None,
            Axis::Own => Some(one.contestant.vmas().unwrap_or(0) as u64),
        };
        let counters = one.simulated.as_ref().filter(|_| self.arguments.counters);
        let mut row = Row {
            workload: spec.workload,
            store: one.store,
            vmas,
            pages: vmas.is_none().then_some(spec.pages.get()),
            threads: spec.threads,
            kernel: one.kernel.clone(),
            features: one.features.clone(),
            figures,
            counters: counters.and_then(|(store, kernel)| count(spec, *store, kernel).ok()),
            change: None,
            speedup: None,
        };
        row.change = self.baseline.as_ref().and_then(|base| base.change(&row));
        if row.change.is_some_and(Change::is_slower) {
            self.slower += 1;
        }
        row
    }

    fn failed(&mut self, what: &str, error: &BenchError, output: &mut Output) {
        self.not_measured += 1;
        print::not_measured(what, error, output);
    }
}
