//! A gibibyte, page by page.

use sim_core::{Access, Bytes, Call, Outcome, Pid, Profile, Setup, SyscallRange};

use super::script::page;
use crate::new_machine;

#[test]
fn a_gibibyte_is_faulted_and_forked() {
    let mut setup = Setup::new(Profile::V6_19);
    setup.limits.ram = Bytes(2 << 30);
    let machine = new_machine(&setup).expect("a machine");
    let range = SyscallRange::new(page(0), Bytes(1 << 30));
    let calls = [
        Call::Mmap(sim_core::MmapArgs {
            addr: range.addr,
            len: range.len,
            prot: sim_core::Prot::READ | sim_core::Prot::WRITE,
            flags: sim_core::MapFlags::PRIVATE
                | sim_core::MapFlags::ANONYMOUS
                | sim_core::MapFlags::FIXED,
            file: None,
            offset: 0,
        }),
        Call::Access {
            range,
            access: Access::Write(Some(1)),
        },
        Call::Fork {
            child: Pid(1),
            share: false,
        },
        Call::Exit,
    ];
    for call in &calls {
        assert!(machine.run(Pid::MAIN, call).expect("it runs").is_ok());
    }
    let read = Call::Access {
        range,
        access: Access::Read,
    };
    assert_eq!(machine.run(Pid(1), &read), Ok(Outcome::Value(1)));
    assert_eq!(machine.run(Pid(1), &Call::Exit), Ok(Outcome::OK));
    machine.check_invariants().expect("all invariants hold");
}
