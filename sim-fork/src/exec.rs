//! `execve` (`fs/exec.c: do_execveat_common()`, `exec_mmap()`).
//!
//! ```text
//!  a new address space ── its stack ── the strings on it │ the old one is left ── the stack's place
//!  what fails here is an errno, nothing has changed      │ what fails here kills the process
//! ```

use std::sync::Arc;

use sim_core::store::{NoMemory, VmaId, VmaStore};
use sim_core::{Access, Bytes, Errno, NewStack, Outcome, PAGE_SIZE, PageRange, Signal, VirtAddr};
use sim_pagetable::Arch;

use crate::access::hardware_access;
use crate::error::PopulateError;
use crate::exit;
use crate::machine::Machine;
use crate::pager::Pager;
use crate::process::Process;
use crate::reclaim;
use crate::space::AddressSpace;

/// The byte that strings consist of. DEVIATION: a program's strings say something, and its segments are
/// mapped too.
const STRING_BYTE: u8 = b'A';

/// Strings begin below a word at the top that stays empty.
const TOP_WORD: u64 = 8;

/// A new program's stack before it is at its place.
struct InitStack {
    id: VmaId,
    /// Where the strings begin.
    strings: VirtAddr,
}

/// `execve(2)`: the process gets a fresh address space, empty or with a stack.
pub(crate) fn execve<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    stack: Option<NewStack>,
) -> Outcome {
    let shared = machine.shared();
    let Ok(space) = AddressSpace::empty(shared, Arc::new(shared.config.of_program())) else {
        return Outcome::Errno(Errno::ENOMEM);
    };
    let init = match stack.map(|stack| init_stack(machine, &space, stack)) {
        None => None,
        Some(Ok(init)) => Some(init),
        Some(Err(errno)) => {
            exit::leave(machine.shared(), &space);
            return Outcome::Errno(errno);
        }
    };
    if let Some(before) = machine.insert_process(process.pid, Arc::new(space)) {
        exit::leave(machine.shared(), &before.space);
    }
    let shift = stack.unwrap_or_default().shift;
    match init.map_or(Ok(()), |init| place_stack(machine, process, &init, shift)) {
        Ok(()) => Outcome::OK,
        Err(_) => Outcome::Signal(Signal::SIGSEGV),
    }
}

/// Makes the stack and copies the strings to it, from the top down, page by page (`bprm_mm_init()`,
/// `copy_strings()`).
fn init_stack<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    stack: NewStack,
) -> Result<InitStack, Errno> {
    let mut pager = Pager::new(machine.shared(), &space.pages);
    let id = space.mm.write().create_init_stack(&mut pager);
    let id = id.map_err(|NoMemory| Errno::ENOMEM)?;
    let most = space.mm.read().most_strings();
    if stack.strings > most {
        return Err(Errno::E2BIG);
    }
    let top = space.mm.read().vma(id).end() - Bytes::new(TOP_WORD);
    let strings = top - stack.strings;
    let mut page = top.page_down();
    while stack.strings.get() > 0 && page >= strings.page_down() {
        // Whatever the reason, that is what Linux says of a page that cannot be had.
        arg_page(machine, space, id, page).map_err(|_| Errno::E2BIG)?;
        page = page - Bytes::new(PAGE_SIZE);
    }
    Ok(InitStack { id, strings })
}

/// One page of strings (`get_arg_page()`): the stack grows to it, and it is faulted in.
fn arg_page<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    space: &AddressSpace<A, S>,
    id: VmaId,
    page: VirtAddr,
) -> Result<(), PopulateError> {
    let shared = machine.shared();
    let mut pager = Pager::new(shared, &space.pages);
    if page < space.mm.read().vma(id).start() {
        let mut mm = space.mm.write();
        mm.expand_downwards(&mut pager, id, page)?;
    }
    let range = PageRange::from_pages(page, 1);
    loop {
        let mm = space.mm.read();
        let prepare = || mm.anon_vma_prepare(id);
        let done = pager.populate_part(mm.vma(id), range, &prepare);
        drop(mm);
        let short = done == Err(PopulateError::Errno(Errno::ENOMEM)) && !shared.injected();
        if !short || !reclaim::for_allocation(machine) {
            done?;
            break;
        }
    }
    hardware_access(&pager, page, Access::Write(Some(STRING_BYTE)));
    Ok(())
}

/// Moves the stack to its place; a process that cannot have it is killed.
fn place_stack<A: Arch, S: VmaStore>(
    machine: &Machine<A, S>,
    process: &Process<A, S>,
    init: &InitStack,
    shift: Bytes,
) -> Result<(), Errno> {
    let Ok(renewed) = machine.process(process.pid) else {
        unreachable!("the process was given its new address space")
    };
    let space = &renewed.space;
    let mut pager = Pager::new(machine.shared(), &space.pages);
    let placed = space
        .mm
        .write()
        .setup_arg_pages(&mut pager, init.id, init.strings, shift);
    if placed.is_err() {
        exit::exit(machine, &renewed);
    }
    placed
}
