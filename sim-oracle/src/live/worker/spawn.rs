//! Starting the template worker.

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, mem, ptr};

use super::command::{Op, Patience};
use super::image::Image;
use super::layout::{IMAGE_FD, REGION, REGION_FD, TEXT, TOP};
use super::region::{self, Region, Slot};
use super::{Hang, Worker};

/// Descriptors that workers are given are moved out of the way first.
const SAFE_FD: i32 = 64;

const SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGFPE,
    libc::SIGUSR1,
];

/// Starts a worker in `slot` by executing the image.
pub(crate) fn spawn(region: &Region, image: &Image, slot: Slot) -> io::Result<Worker> {
    region::clear(region, slot);
    let file = region::memfd(c"vmsim-worker")?;
    io::Write::write_all(&mut fs::File::from(file.try_clone()?), &image.bytes)?;
    let (image_fd, region_fd) = (away(&file)?, away(region.fd())?);
    let argument = argument(slot);
    // SAFETY: the child only makes system calls until it executes the image.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => return Err(io::Error::last_os_error()),
        0 => exec(&image_fd, &region_fd, &argument),
        _ => {}
    }
    let worker = Worker {
        pid,
        slot,
        reaped: false,
    };
    pin(&worker);
    worker
        .run(region, &[], Patience::Normal)
        .map_err(|Hang| io::Error::other("the worker did not start"))?;
    initialise(&worker, region, image)?;
    Ok(worker)
}

/// Keeps a worker and its forks on one CPU, another one for each template.
///
/// Pages wait on per-CPU lists before they are where reclaim and copy-on-write look for them; the
/// kernel drains the lists of the CPU it runs on when it matters, but not those of others.
fn pin(worker: &Worker) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: sets of CPUs are plain data; the calls get valid pointers to local ones.
    unsafe {
        let mut allowed: libc::cpu_set_t = mem::zeroed();
        if libc::sched_getaffinity(0, size, &raw mut allowed) != 0 {
            return;
        }
        let cpus: Vec<_> = (0..libc::CPU_SETSIZE as usize)
            .filter(|cpu| libc::CPU_ISSET(*cpu, &allowed))
            .collect();
        let mut one: libc::cpu_set_t = mem::zeroed();
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        libc::CPU_SET(cpus[turn % cpus.len()], &mut one);
        libc::sched_setaffinity(worker.pid(), size, &raw const one);
    }
}

fn away(fd: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: duplicates a descriptor of ours.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, SAFE_FD) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// argv[0] of the image: a byte that tells it its slot.
fn argument(slot: Slot) -> CString {
    CString::new(vec![slot.0 as u8 + 1]).expect("the byte is not 0")
}

/// In the child of fork: becomes the worker.
fn exec(image: &OwnedFd, region: &OwnedFd, argument: &CString) -> ! {
    let stack = libc::rlimit {
        rlim_cur: 8 << 20,
        rlim_max: libc::RLIM_INFINITY,
    };
    let core = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let argv = [argument.as_ptr(), ptr::null()];
    let envp: [*const libc::c_char; 1] = [ptr::null()];
    // SAFETY: system calls with valid arguments; this process has one thread and a copy of all memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::dup2(region.as_raw_fd(), REGION_FD);
        libc::dup2(image.as_raw_fd(), IMAGE_FD);
        libc::syscall(libc::SYS_close_range, IMAGE_FD + 1, u32::MAX, 0);
        libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
        libc::setrlimit(libc::RLIMIT_STACK, &raw const stack);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
        libc::syscall(
            libc::SYS_execveat,
            IMAGE_FD,
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
        libc::_exit(98)
    }
}

/// Executes the image again in a worker: a fresh address space in the same process.
pub(crate) fn execve(worker: &Worker, region: &Region, image: &Image) -> io::Result<()> {
    let base = worker.data_address();
    worker.put(region, 0, argument(worker.slot()).as_bytes_with_nul());
    worker.put(region, 8, b"\0");
    worker.put_numbers(region, 16, &[base, 0]);
    let path = (base + 8, base + 16, base + 24);
    let flags = libc::AT_EMPTY_PATH as u64;
    let op = Op::syscall(
        libc::SYS_execveat,
        [IMAGE_FD as u64, path.0, path.1, path.2, flags],
    );
    worker.prepare(region, &[op])?;
    initialise(worker, region, image)
}

/// Signal handlers are set; what the kernel put into the new process goes.
fn initialise(worker: &Worker, region: &Region, image: &Image) -> io::Result<()> {
    handlers(worker, region, image)?;
    strip(worker, region)
}

fn handlers(worker: &Worker, region: &Region, image: &Image) -> io::Result<()> {
    // SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_NODEFER, in the kernel's `struct sigaction`.
    let flags = 0x4 | 0x0800_0000 | 0x0400_0000 | 0x4000_0000;
    worker.put_numbers(region, 64, &[image.handler, flags, image.restorer, 0]);
    let mut ops = vec![worker.signal_stack(region)];
    ops.extend(SIGNALS.map(|signal| {
        Op::syscall(
            libc::SYS_rt_sigaction,
            [signal as u64, worker.data_address() + 64, 0, 8],
        )
    }));
    worker.prepare(region, &ops).map(drop)
}

/// Unmaps everything but the image and the shared memory.
fn strip(worker: &Worker, region: &Region) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", worker.pid()))?;
    let ops: Vec<_> = maps
        .lines()
        .filter(|line| !line.contains("[vsyscall]"))
        .filter_map(|line| {
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            let start = u64::from_str_radix(start, 16).ok()?;
            let end = u64::from_str_radix(end, 16).ok()?;
            if start == TEXT || start == REGION {
                return None;
            }
            Some(Op::syscall(libc::SYS_munmap, [start, end - start]))
        })
        .collect();
    worker.prepare(region, &ops)?;
    let maps = fs::read_to_string(format!("/proc/{}/maps", worker.pid()))?;
    let below_top = maps
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_once('-')?.0, 16).ok())
        .any(|start| start < TOP);
    if below_top {
        return Err(io::Error::other("a worker has memory below its place"));
    }
    Ok(())
}
