//! `vmsim vectors`: calls with what each comes to, for people who write their own mm.

use sim_core::{Backend, BackendError, Call, Pid, Setup, SnapshotLevel};
use sim_oracle::fuzz::{Contestant, Simulator};
use sim_oracle::generate::{Generator, run_seed};
use sim_oracle::lockstep::Side;
use sim_oracle::{Level, Lockstep};
use sim_scenario::{Finished, Overrides, Scenario, StepResult, Stepper};

use crate::arguments::{Kernel, VectorsArguments};
use crate::ending::{Ending, Trouble};
use crate::output::Output;
use crate::print::vectors::{Document, Recorder, Vector};
use crate::{live, scenarios, simulator};

/// Calls in a generated vector.
const CALLS_PER_VECTOR: u64 = 40;
/// Scenarios with more calls than this are left out: their states would fill gigabytes.
const MOST_CALLS: usize = 1000;
/// Calls that cannot be run, one after another, after which a vector ends.
const MOST_SKIPPED: u32 = 100;

/// Prints vectors from scenarios, then generated ones.
pub(crate) fn run(arguments: &VectorsArguments, output: &mut Output) -> Result<Ending, Trouble> {
    if arguments.paths.is_empty() && arguments.seed.is_none() {
        let text = "error: name scenarios, or give a --seed for generated vectors";
        return Err(Trouble::WrongInput(text.to_owned()));
    }
    let mut maker = Maker::default();
    from_scenarios(arguments, &mut maker, output)?;
    if let Some(seed) = arguments.seed {
        generated(seed, arguments, &mut maker)?;
    }
    output.json(&Document::new(&maker.vectors));
    let mut notes = output.stderr();
    for note in &maker.notes {
        notes.line(note);
    }
    let _ = notes.finish();
    Ok(Ending::good_if(!maker.differs))
}

/// What has been made so far.
#[derive(Default)]
struct Maker {
    vectors: Vec<Vector>,
    /// What was left out, and why.
    notes: Vec<String>,
    /// Simulator and kernel were not of one mind somewhere.
    differs: bool,
}

/// What came of an attempt.
enum Made {
    Vector(Option<Vector>),
    LeftOut(String),
    Differs(String),
}

impl Maker {
    fn add(&mut self, name: &str, made: Made) {
        match made {
            Made::Vector(vector) => self.vectors.extend(vector),
            Made::LeftOut(why) => self.notes.push(format!("{name}: left out: {why}")),
            Made::Differs(why) => {
                self.differs = true;
                self.notes.push(format!("{name}: left out: {why}"));
            }
        }
    }
}

fn from_scenarios(
    arguments: &VectorsArguments,
    maker: &mut Maker,
    output: &Output,
) -> Result<(), Trouble> {
    if arguments.paths.is_empty() {
        return Ok(());
    }
    let all = scenarios::read_all(&arguments.paths, Overrides::default(), output)?;
    let all = match arguments.kernel {
        Some(kernel) => scenarios::on_kernel(all, kernel)?,
        None => all,
    };
    let verify = arguments.kernel == Some(Kernel::Host);
    for scenario in &all {
        let made = from_scenario(scenario, verify)?;
        maker.add(scenario.source.name(), made);
    }
    Ok(())
}

fn from_scenario(scenario: &Scenario, verify: bool) -> Result<Made, Trouble> {
    let mut setup = scenario.setup.clone();
    if verify {
        live::adopt(&mut setup);
    }
    let mut machine = simulator::new(&setup)?;
    if !verify {
        let recorder = Recorder::new(scenario.source.name().to_owned(), &setup, None);
        return Ok(walk(scenario, &mut *machine, recorder, &Judge::ALONE));
    }
    let mut contestant = live::contestant();
    let release = contestant.name();
    let kernel = match contestant.start(&setup) {
        Ok(kernel) => kernel,
        Err(error) => return Ok(Made::LeftOut(error.to_string())),
    };
    let mut both = Lockstep::new(
        &mut *machine,
        kernel,
        live::comparison(Level::Pages, setup.profile),
    );
    let name = scenario.source.name().to_owned();
    let recorder = Recorder::new(name, &setup, Some(release));
    Ok(walk(scenario, &mut both, recorder, &Judge::BOTH))
}

/// What is asked of a back end that may be two of them.
struct Judge<B: ?Sized> {
    /// In what the two came to differ.
    difference: fn(&B) -> Option<String>,
    /// After a call that was not supported: did one of them run it?
    ran_apart: fn(&B) -> bool,
}

impl<B: ?Sized> Judge<B> {
    /// For a simulator alone.
    const ALONE: Self = Self {
        difference: |_| None,
        ran_apart: |_| false,
    };
}

impl Judge<Lockstep<'_>> {
    /// For simulator and kernel.
    const BOTH: Self = Self {
        difference: |both| {
            both.divergence()
                .map(|found| format!("call {}: {}", found.index, found.difference))
        },
        ran_apart: |both| both.failed_side() == Some(&Side::Left),
    };
}

/// Runs a scenario and records it.
fn walk<B: Backend + ?Sized>(
    scenario: &Scenario,
    backend: &mut B,
    mut recorder: Recorder,
    judge: &Judge<B>,
) -> Made {
    let mut stepper = Stepper::new(scenario);
    for _ in 0..MOST_CALLS {
        let finished = match stepper.step(backend) {
            Ok(Some(finished)) => finished,
            Ok(None) => return Made::Vector(recorder.finish()),
            Err(error) => return Made::LeftOut(error.to_string()),
        };
        if let Some(difference) = (judge.difference)(backend) {
            return Made::Differs(difference);
        }
        if let Err(error) = record(&finished, &stepper, backend, &mut recorder) {
            return Made::LeftOut(error.to_string());
        }
    }
    Made::LeftOut(format!("it has more than {MOST_CALLS} steps"))
}

fn record<B: Backend + ?Sized>(
    finished: &Finished<'_>,
    stepper: &Stepper<'_>,
    backend: &mut B,
    recorder: &mut Recorder,
) -> Result<(), BackendError> {
    if let (Some((pid, call)), StepResult::Call(outcome)) = (&finished.call, finished.report.result)
    {
        let name = |pid| {
            let name = stepper.process_name(pid);
            name.map_or_else(|| pid_name(pid), str::to_owned)
        };
        recorder.record((*pid, call), outcome, states(backend)?, &name);
    }
    Ok(())
}

fn states<B: Backend + ?Sized>(
    backend: &mut B,
) -> Result<Vec<(Pid, sim_core::Snapshot)>, BackendError> {
    let processes = backend.processes().into_iter();
    processes
        .map(|pid| Ok((pid, backend.snapshot(pid, SnapshotLevel::All)?)))
        .collect()
}

fn pid_name(pid: Pid) -> String {
    if pid == Pid::MAIN {
        "main".to_owned()
    } else {
        format!("p{pid}")
    }
}

/// Generated vectors, verified where the running kernel can be used.
fn generated(seed: u64, arguments: &VectorsArguments, maker: &mut Maker) -> Result<(), Trouble> {
    let (setup, mut kernel) = stage(arguments)?;
    let mut machine = Simulator::new(false);
    for run in 0..arguments.ops.div_ceil(CALLS_PER_VECTOR) {
        let calls = CALLS_PER_VECTOR.min(arguments.ops - run * CALLS_PER_VECTOR);
        let mut generator = Generator::new(arguments.mode, run_seed(seed, run));
        let mut setup = setup.clone();
        generator.prepare(&mut setup);
        let name = format!("seed {seed}, run {run}: {}", generator.mode().name());
        let release = kernel.as_deref().map(Contestant::name);
        let recorder = Recorder::new(name.clone(), &setup, release);
        let left = machine
            .start(&setup)
            .map_err(|error| simulator::trouble(&error))?;
        let made = match kernel.as_deref_mut().map(|kernel| kernel.start(&setup)) {
            None => play(left, &mut generator, calls, recorder, &Judge::ALONE),
            Some(Err(error)) => Made::LeftOut(error.to_string()),
            Some(Ok(right)) => {
                let mut both =
                    Lockstep::new(left, right, live::comparison(Level::Pages, setup.profile));
                play(&mut both, &mut generator, calls, recorder, &Judge::BOTH)
            }
        };
        maker.add(&name, made);
    }
    Ok(())
}

/// The kernel that is simulated, and the running one if it is to be asked too.
fn stage(arguments: &VectorsArguments) -> Result<(Setup, Option<Box<dyn Contestant>>), Trouble> {
    let kernel = match arguments.kernel {
        Some(kernel) => Some(kernel),
        None => live::available().is_ok().then_some(Kernel::Host),
    };
    let mut setup = simulator::setup(kernel)?;
    if kernel != Some(Kernel::Host) {
        return Ok((setup, None));
    }
    live::adopt(&mut setup);
    Ok((setup, Some(live::contestant())))
}

/// Makes calls and records them. What a side cannot run is left out.
fn play<B: Backend + ?Sized>(
    backend: &mut B,
    generator: &mut Generator,
    calls: u64,
    mut recorder: Recorder,
    judge: &Judge<B>,
) -> Made {
    let (mut made, mut skipped) = (0, 0);
    while made < calls && skipped < MOST_SKIPPED {
        let (pid, call) = generator.next_call();
        match backend.call(pid, &call) {
            Ok(outcome) => {
                generator.observe(pid, &call, outcome);
                if let Some(difference) = (judge.difference)(backend) {
                    return Made::Differs(difference);
                }
                let states = match states(backend) {
                    Ok(states) => states,
                    Err(error) => return Made::LeftOut(error.to_string()),
                };
                recorder.record((pid, &call), outcome, states, &pid_name);
                (made, skipped) = (made + 1, 0);
            }
            Err(BackendError::NotSupported(_)) if (judge.ran_apart)(backend) => break,
            Err(BackendError::NotSupported(_) | BackendError::NoSuchProcess(_)) => skipped += 1,
            Err(error @ BackendError::Broken(_)) => {
                return Made::Differs(broken(&call, &error));
            }
        }
    }
    Made::Vector(recorder.finish())
}

fn broken(call: &Call, error: &BackendError) -> String {
    format!("{}: {error}", call.op())
}
