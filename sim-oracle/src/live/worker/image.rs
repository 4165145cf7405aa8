//! The program that workers run: an ELF image of one page, made here.
//!
//! A worker does what its slot says and knows nothing else: it makes a system call with six given
//! arguments, or touches pages, and writes down what came of it. All knowledge of memory management
//! is in the controlling process. It has no stack, heap or library of its own, so that its address
//! space holds two VMAs: this image and the shared memory.
//!
//! # How an instruction fetch is tested
//!
//! Content must not change and may be anything. The worker enters the page by `iretq` with the trap
//! flag set and every register (the stack pointer, too) a non-canonical address: either the fetch
//! faults at that very address, or exactly one instruction runs, which can reach no memory, and
//! whatever it does ends in a trap or another signal.

use std::arch::global_asm;

use super::layout::{self, SLOT_SHIFT, SLOT_SIZE, kind, op, slot};

global_asm!(
    ".pushsection .rodata.vmsim_worker, \"a\"",
    ".globl vmsim_worker_start",
    ".globl vmsim_worker_handler",
    ".globl vmsim_worker_restorer",
    ".globl vmsim_worker_end",
    ".hidden vmsim_worker_start",
    ".hidden vmsim_worker_handler",
    ".hidden vmsim_worker_restorer",
    ".hidden vmsim_worker_end",
    "vmsim_worker_start:",
    // The first byte of argv[0] is the number of the slot, plus 1.
    "mov rax, [rsp + 8]",
    "movzx ebx, byte ptr [rax]",
    "dec ebx",
    // Map this image where it is to stay, and go there.
    "mov eax, 9",
    "movabs rdi, {text}",
    "mov esi, 4096",
    "mov edx, 5",
    "mov r10d, 0x12",
    "mov r8d, {image_fd}",
    "xor r9d, r9d",
    "syscall",
    "lea rax, [rip + 19f]",
    "movabs rcx, {text} - {loaded}",
    "add rax, rcx",
    "jmp rax",
    "19:",
    // Map the shared memory; then live in the slot.
    "mov eax, 9",
    "movabs rdi, {region}",
    "mov esi, {region_size}",
    "mov edx, 3",
    "mov r10d, 0x11",
    "mov r8d, {region_fd}",
    "xor r9d, r9d",
    "syscall",
    "shl rbx, {slot_shift}",
    "movabs rcx, {region}",
    "add rbx, rcx",
    "lea rsp, [rbx + {stack}]",
    // Whatever command is there is the one that made this image run: it is done.
    "jmp 50f",
    // rbx: slot. rbp: operation. r12: operations left.
    "20:",
    "lea rsp, [rbx + {stack}]",
    "21:",
    "mov ecx, 60",
    "22:",
    "mov eax, [rbx + {go}]",
    "cmp eax, [rbx + {done}]",
    "jne 30f",
    "pause",
    "dec ecx",
    "jnz 22b",
    "mov eax, 1",
    "xchg [rbx + {asleep}], eax",
    "mov edx, [rbx + {done}]",
    "mov eax, 202",
    "lea rdi, [rbx + {go}]",
    "xor esi, esi",
    "lea r10, [rbx + {patience}]",
    "syscall",
    "xor edx, edx",
    "xchg [rbx + {asleep}], edx",
    "cmp rax, -110",
    "jne 21b",
    "mov eax, 110",
    "syscall",
    "cmp eax, [rbx + {owner}]",
    "je 21b",
    "mov eax, 231",
    "xor edi, edi",
    "syscall",
    // A command.
    "30:",
    "lea rbp, [rbx + {ops}]",
    "mov r12d, [rbx + {count}]",
    "31:",
    "test r12d, r12d",
    "jz 50f",
    "mov [rbx + {saved_op}], rbp",
    "mov [rbx + {saved_left}], r12",
    "mov rax, [rbp]",
    "mov dword ptr [rbx + {mode}], 1",
    "cmp eax, {k_syscall}",
    "je 40f",
    "cmp eax, {k_clone}",
    "je 45f",
    "mov rdi, [rbp + {args}]",
    "mov rsi, [rbp + {args} + 8]",
    "mov rdx, [rbp + {args} + 16]",
    "mov dword ptr [rbx + {mode}], 2",
    "cmp eax, {k_read}",
    "je 41f",
    "cmp eax, {k_write}",
    "je 42f",
    "cmp eax, {k_touch}",
    "je 43f",
    "jmp 44f",
    // The operation is done: rax is its result.
    "32:",
    "mov dword ptr [rbx + {mode}], 0",
    "mov [rbp + {result}], rax",
    "33:",
    "add rbp, {op_size}",
    "dec r12d",
    "jmp 31b",
    "40:",
    "mov rax, [rbp + {number}]",
    "mov rdi, [rbp + {args}]",
    "mov rsi, [rbp + {args} + 8]",
    "mov rdx, [rbp + {args} + 16]",
    "mov r10, [rbp + {args} + 24]",
    "mov r8, [rbp + {args} + 32]",
    "mov r9, [rbp + {args} + 40]",
    "syscall",
    "jmp 32b",
    "41:",
    "xor eax, eax",
    "test rsi, rsi",
    "jz 32b",
    "410:",
    "movzx eax, byte ptr [rdi]",
    "add rdi, 4096",
    "dec rsi",
    "jnz 410b",
    "jmp 32b",
    "42:",
    "xor eax, eax",
    "test rsi, rsi",
    "jz 32b",
    "420:",
    "mov byte ptr [rdi], dl",
    "add rdi, 4096",
    "dec rsi",
    "jnz 420b",
    "jmp 32b",
    "43:",
    "xor eax, eax",
    "test rsi, rsi",
    "jz 32b",
    "430:",
    "lock or byte ptr [rdi], 0",
    "add rdi, 4096",
    "dec rsi",
    "jnz 430b",
    "jmp 32b",
    // One instruction at rdi.
    "44:",
    "movabs rax, 0xdeadfff0dead7ff0",
    "mov ecx, ss",
    "push rcx",
    "push rax",
    "pushfq",
    "pop rdx",
    "or edx, 0x100",
    "push rdx",
    "mov ecx, cs",
    "push rcx",
    "push rdi",
    "mov rbx, rax",
    "mov rcx, rax",
    "mov rdx, rax",
    "mov rsi, rax",
    "mov rdi, rax",
    "mov rbp, rax",
    "mov r8, rax",
    "mov r9, rax",
    "mov r10, rax",
    "mov r11, rax",
    "mov r12, rax",
    "mov r13, rax",
    "mov r14, rax",
    "mov r15, rax",
    "iretq",
    "45:",
    "mov rax, [rbp + {number}]",
    "mov rdi, [rbp + {args}]",
    "mov rsi, [rbp + {args} + 8]",
    "mov rdx, [rbp + {args} + 16]",
    "mov r10, [rbp + {args} + 24]",
    "mov r8, [rbp + {args} + 32]",
    "mov r9, [rbp + {args} + 40]",
    "mov r13, [rbp + {child}]",
    "syscall",
    "test rax, rax",
    "jnz 32b",
    "mov rbx, r13",
    "jmp 20b",
    // All operations are done.
    "50:",
    "mov eax, [rbx + {go}]",
    "xchg [rbx + {done}], eax",
    "cmp dword ptr [rbx + {waiting}], 0",
    "je 21b",
    "mov eax, 202",
    "lea rdi, [rbx + {done}]",
    "mov esi, 1",
    "mov edx, 1",
    "syscall",
    "jmp 21b",
    // An operation was ended by a signal.
    "51:",
    "mov rbp, [rbx + {saved_op}]",
    "mov r12, [rbx + {saved_left}]",
    "lea rsp, [rbx + {stack}]",
    "jmp 33b",
    // The signal handler: rdi signal, rsi siginfo, rdx ucontext. The slot is where its stack is.
    "vmsim_worker_handler:",
    "mov rax, rsp",
    "and rax, {slot_mask}",
    "mov ecx, [rax + {mode}]",
    "cmp ecx, 2",
    "je 61f",
    "cmp edi, 10",
    "jne 62f",
    "cmp ecx, 1",
    "je 61f",
    "ret",
    "61:",
    "mov rcx, [rax + {saved_op}]",
    "mov [rcx + {signal}], edi",
    "mov r8d, [rsi + 8]",
    "mov [rcx + {code}], r8d",
    "mov r8, [rsi + 16]",
    "mov [rcx + {address}], r8",
    "mov dword ptr [rax + {mode}], 0",
    // Go on at 51: RBX is the slot; the trap and direction flags are cleared.
    "lea rcx, [rip + 51b]",
    "mov [rdx + 40 + 8 * 16], rcx",
    "mov [rdx + 40 + 8 * 11], rax",
    "and dword ptr [rdx + 40 + 8 * 17], 0xfffffaff",
    "ret",
    // A signal that no operation explains: the worker is broken.
    "62:",
    "mov eax, 231",
    "mov edi, 99",
    "syscall",
    "vmsim_worker_restorer:",
    "mov eax, 15",
    "syscall",
    "vmsim_worker_end:",
    ".popsection",
    text = const layout::TEXT,
    loaded = const LOADED,
    image_fd = const layout::IMAGE_FD,
    region = const layout::REGION,
    region_size = const layout::REGION_SIZE,
    region_fd = const layout::REGION_FD,
    slot_shift = const SLOT_SHIFT,
    slot_mask = const -(SLOT_SIZE as i64),
    stack = const slot::STACK,
    go = const slot::GO,
    done = const slot::DONE,
    asleep = const slot::ASLEEP,
    waiting = const slot::WAITING,
    mode = const slot::MODE,
    owner = const slot::OWNER,
    patience = const slot::PATIENCE,
    count = const slot::COUNT,
    ops = const slot::OPS,
    saved_op = const slot::SAVED_OP,
    saved_left = const slot::SAVED_LEFT,
    k_syscall = const kind::SYSCALL,
    k_read = const kind::READ,
    k_write = const kind::WRITE,
    k_touch = const kind::TOUCH,
    k_clone = const kind::CLONE,
    args = const op::ARGS,
    result = const op::RESULT,
    number = const op::NUMBER,
    signal = const op::SIGNAL,
    code = const op::CODE,
    address = const op::ADDRESS,
    child = const op::CHILD,
    op_size = const op::SIZE,
);

unsafe extern "C" {
    static vmsim_worker_start: u8;
    static vmsim_worker_handler: u8;
    static vmsim_worker_restorer: u8;
    static vmsim_worker_end: u8;
}

/// Where the kernel loads the image: the heap starts after it. The image moves to [`layout::TEXT`]
/// at once, and what is here is unmapped.
const LOADED: u64 = super::super::BRK_START - 4096;

/// Bytes of the ELF header and two program headers.
const HEADERS: usize = 64 + 2 * 56;

/// The image and the addresses in it that the kernel is told.
pub(crate) struct Image {
    /// The ELF file.
    pub(crate) bytes: Vec<u8>,
    /// The signal handler.
    pub(crate) handler: u64,
    /// Where a handler returns to.
    pub(crate) restorer: u64,
}

/// The worker's program as an ELF file.
pub(crate) fn build() -> Image {
    let start = &raw const vmsim_worker_start;
    let address_of =
        |symbol: *const u8| layout::TEXT + HEADERS as u64 + (symbol.addr() - start.addr()) as u64;
    let len = (&raw const vmsim_worker_end).addr() - start.addr();
    // SAFETY: the symbols delimit bytes of this program's read-only data, defined above.
    let code = unsafe { std::slice::from_raw_parts(start, len) };
    let mut bytes = headers(code.len() as u64);
    bytes.extend_from_slice(code);
    assert!(bytes.len() <= 4096, "the worker does not fit a page");
    Image {
        bytes,
        handler: address_of(&raw const vmsim_worker_handler),
        restorer: address_of(&raw const vmsim_worker_restorer),
    }
}

/// An executable of one segment, and a stack that is not executable.
fn headers(code: u64) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |values: &[u16]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<_>>()
    };
    // Type EXEC, machine x86_64, version 1.
    bytes.extend(half(&[2, 62, 1, 0]));
    for value in [LOADED + HEADERS as u64, 64, 0] {
        bytes.extend(value.to_le_bytes());
    }
    // Flags, then sizes and counts of headers.
    bytes.extend(half(&[0, 0, 64, 56, 2, 0, 0, 0]));
    let size = HEADERS as u64 + code;
    bytes.extend(program_header(1, 5, LOADED, size, 4096));
    bytes.extend(program_header(0x6474_e551, 6, 0, 0, 16));
    bytes
}

fn program_header(kind: u32, flags: u32, address: u64, size: u64, align: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    for value in [0, address, address, size, size, align] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}
