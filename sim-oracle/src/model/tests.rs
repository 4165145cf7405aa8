//! The model beside the simulator: they agree, and the comparison would notice if they did not.

use sim_core::{
    Access, Backend, BackendError, Bytes, Call, CopyOnFork, Features, FileId, FileKind, FileSpec,
    MapFlags, MmapArgs, MremapArgs, MremapFlags, Pid, Profile, Prot, Setup, SyscallRange, VirtAddr,
};

use super::Model;
use crate::compare::{Comparison, Level};
use crate::fuzz::{Contestant, Fresh, Options, Report, Simulator, against_model, fuzz};
use crate::generate::Mode;

fn options(mode: Mode, profile: Profile, calls: u64) -> Options {
    Options {
        calls,
        comparison: Comparison::new(Level::Flags),
        ..Options::new(1, mode, Setup::new(profile))
    }
}

#[track_caller]
fn agrees(report: &Report, what: &str) {
    assert!(report.not_modelled.is_empty(), "{what}: {report:?}");
    if let Some(found) = &report.found {
        let shown = found.divergence.render(("simulator", "model"));
        panic!("{what}:\n{}\n{shown}", found.scenario);
    }
}

#[test]
fn simulator_and_model_agree_in_every_mode() {
    for &(name, mode) in Mode::NAMES {
        let report = fuzz(
            &options(mode, Profile::V6_19, 2_000),
            &|| against_model(true),
            &|_| {},
        );
        agrees(&report.expect("both sides run"), name);
    }
}

#[test]
fn simulator_and_model_agree_for_every_kernel() {
    for &profile in Profile::ALL {
        let options = options(Mode::Mixed, profile, 4_000);
        let report = fuzz(&options, &|| against_model(false), &|_| {});
        agrees(&report.expect("both sides run"), profile.name());
    }
}

/// What makes it another kernel.
type Change = fn(&mut Features);

/// A model of a slightly different kernel.
fn against_another(change: Change) -> (Box<dyn Contestant>, Box<dyn Contestant>) {
    let other = move |setup: &Setup| -> Result<Box<dyn Backend>, BackendError> {
        let mut setup = setup.clone();
        change(&mut setup.features);
        Ok(Box::new(Model::new(&setup)))
    };
    let simulator = Simulator::new(false).without_contents();
    (Box::new(simulator), Box::new(Fresh::new("another", other)))
}

/// Every behaviour of VMAs that a kernel may have or not shows within a few thousand calls: a
/// mistake of that size in the engine would be found.
#[test]
fn every_switch_is_noticed() {
    let switches: [(&str, Mode, Change); 5] = [
        ("merge_unfaulted_target", Mode::Anon, |f| {
            f.merge_unfaulted_target = false;
        }),
        ("multi_vma_mremap", Mode::Anon, |f| {
            f.multi_vma_mremap = false;
        }),
        ("maybe_guard", Mode::Guard, |f| f.maybe_guard = false),
        ("sticky_flags", Mode::Guard, |f| f.sticky_flags = false),
        ("copy_on_fork", Mode::Guard, |f| {
            f.copy_on_fork = CopyOnFork::Legacy;
        }),
    ];
    for (name, mode, change) in switches {
        let options = options(mode, Profile::V6_19, 60_000);
        let report = fuzz(&options, &|| against_another(change), &|_| {});
        let found = report.expect("both sides run").found;
        assert!(found.is_some(), "{name} is not noticed");
    }
}

/// A faulted part of a file mapping moves beside an unfaulted one: too rare for the generator.
#[test]
fn a_moved_anon_vma_is_noticed() {
    let range =
        |page: u64, pages| SyscallRange::new(VirtAddr::new(page << 12), Bytes::from_pages(pages));
    let map = |page, offset: u64| {
        let SyscallRange { addr, len } = range(page, 2);
        Call::Mmap(MmapArgs {
            addr,
            len,
            prot: Prot::READ | Prot::WRITE,
            flags: MapFlags::PRIVATE | MapFlags::FIXED,
            file: Some(FileId(0)),
            offset: offset << 12,
        })
    };
    let calls = [
        map(0x1000, 0),
        map(0x2000, 2),
        Call::Access {
            range: range(0x2000, 1),
            access: Access::Write(Some(1)),
        },
        Call::Mremap(MremapArgs {
            addr: range(0x2000, 2).addr,
            old_len: Bytes::from_pages(2),
            new_len: Bytes::from_pages(2),
            flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
            new_addr: range(0x1002, 2).addr,
        }),
    ];
    let calls = calls.map(|call| (Pid::MAIN, call));
    let mut setup = Setup::new(Profile::V6_19);
    setup.files.push(FileSpec {
        name: "data".to_owned(),
        kind: FileKind::Regular,
        size: Bytes::from_pages(4),
        fill: None,
    });
    for same in [true, false] {
        let mut other = setup.clone();
        other.features.mremap_source_anon_vma = same;
        let mut simulator = sim_fork::new_machine(&setup).expect("a machine");
        let found = crate::lockstep::run(
            &mut *simulator,
            &mut Model::new(&other),
            &Comparison::new(Level::Flags),
            &calls,
        );
        assert_eq!(found.expect("both sides run").is_none(), same);
    }
}
