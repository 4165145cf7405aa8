//! Where a worker keeps what: its own addresses and the fields of its slot.
//!
//! All of a worker lies above `mmap_base`, in the 128 MiB that Linux keeps for the stack, so that the
//! kernel's search for unmapped areas sees the address space of an empty process. ([`TOP`] to
//! `TASK_SIZE`; the stack itself, the vdso and vvar are unmapped when the worker starts.)

/// The first address that belongs to workers; simulated programs have those below.
pub(crate) const TOP: u64 = 0x7fff_f900_0000;
/// Padding VMAs (for limits on the number of VMAs) lie from here to [`TEXT`].
pub(crate) const PADDING: u64 = TOP;
/// The worker's code, one page.
pub(crate) const TEXT: u64 = 0x7fff_fc00_0000;
/// The memory shared with the controlling process: the slots, then scratch memory.
pub(crate) const REGION: u64 = 0x7fff_fd00_0000;
/// The end of the user's addresses on x86_64 with 4-level tables.
pub(crate) const TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// log2 of the size of a slot; slots are aligned to it, by which a signal handler finds its own.
pub(crate) const SLOT_SHIFT: u32 = 15;
/// The size of a slot.
pub(crate) const SLOT_SIZE: u64 = 1 << SLOT_SHIFT;
/// How many processes a run can have at a time, the template included.
pub(crate) const SLOTS: u64 = 32;
/// Scratch memory (vectors of mincore, pages to copy from), after the slots.
pub(crate) const SCRATCH: u64 = REGION + SLOTS * SLOT_SIZE;
/// The size of the scratch memory.
pub(crate) const SCRATCH_SIZE: u64 = 256 << 10;
/// The size of the shared memory.
pub(crate) const REGION_SIZE: u64 = SLOTS * SLOT_SIZE + SCRATCH_SIZE;
/// The descriptor of the shared memory in every worker.
pub(crate) const REGION_FD: i32 = 3;
/// The descriptor of the image in every worker.
pub(crate) const IMAGE_FD: i32 = 4;

/// Fields of a slot, by offset.
pub(crate) mod slot {
    /// Commands given (a futex).
    pub(crate) const GO: u64 = 0;
    /// Commands done (a futex).
    pub(crate) const DONE: u64 = 4;
    /// Operations of the command.
    pub(crate) const COUNT: u64 = 8;
    /// The worker sleeps until `GO` changes.
    pub(crate) const ASLEEP: u64 = 12;
    /// The controller sleeps until `DONE` changes.
    pub(crate) const WAITING: u64 = 16;
    /// What a signal means now: 0 nothing is running, 1 a system call, 2 an access.
    pub(crate) const MODE: u64 = 20;
    /// The operation under way, and the operations left, for the signal handler to go on with.
    pub(crate) const SAVED_OP: u64 = 24;
    /// See [`SAVED_OP`].
    pub(crate) const SAVED_LEFT: u64 = 32;
    /// The controlling process: without it a worker ends.
    pub(crate) const OWNER: u64 = 40;
    /// How long a worker sleeps before it looks whether its owner lives (a `struct timespec`).
    pub(crate) const PATIENCE: u64 = 48;
    /// The first operation.
    pub(crate) const OPS: u64 = 0x100;
    /// Room for arguments in memory.
    pub(crate) const DATA: u64 = 0x2000;
    /// The end of that room, and the low end of the stack.
    pub(crate) const DATA_END: u64 = 0x3000;
    /// Where the stack starts, growing down.
    pub(crate) const STACK: u64 = 0x3800;
    /// The stack of signal handlers, up to the end of the slot.
    pub(crate) const SIGNAL_STACK: u64 = 0x3800;
}

/// Fields of an operation, by offset.
pub(crate) mod op {
    /// What to do.
    pub(crate) const KIND: u64 = 0;
    /// The number of the system call.
    pub(crate) const NUMBER: u64 = 8;
    /// Six arguments.
    pub(crate) const ARGS: u64 = 16;
    /// What it returned.
    pub(crate) const RESULT: u64 = 64;
    /// The signal that ended it, or 0, and its code.
    pub(crate) const SIGNAL: u64 = 72;
    /// The signal's `si_code`.
    pub(crate) const CODE: u64 = 76;
    /// The signal's `si_addr`.
    pub(crate) const ADDRESS: u64 = 80;
    /// The slot of a new process (for `CLONE`).
    pub(crate) const CHILD: u64 = 88;
    /// The size of an operation.
    pub(crate) const SIZE: u64 = 96;
    /// Operations that fit in a slot.
    pub(crate) const MAX: u64 = (super::slot::DATA - super::slot::OPS) / SIZE;
}

/// Kinds of operations.
pub(crate) mod kind {
    /// A system call.
    pub(crate) const SYSCALL: u64 = 0;
    /// Reads a byte of each page: address, count.
    pub(crate) const READ: u64 = 1;
    /// Stores a byte to each page: address, count, byte.
    pub(crate) const WRITE: u64 = 2;
    /// Writes to each page without changing it: address, count.
    pub(crate) const TOUCH: u64 = 3;
    /// Executes one instruction at an address, with registers that let it do no harm.
    pub(crate) const EXEC: u64 = 4;
    /// A system call that returns twice: the child goes on in another slot.
    pub(crate) const CLONE: u64 = 5;
}
