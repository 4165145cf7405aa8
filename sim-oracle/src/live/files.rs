//! The files of a run.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, io, ptr};

use sim_core::{FileId, FileKind, FileSpec, MapFlags, MmapArgs, PAGE_SIZE};

use super::error::LiveError;
use super::smaps::Inode;
use super::worker::region::memfd;

/// What a run may have done to a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Wear {
    /// Nothing.
    Fresh,
    /// It may have been read.
    Used,
    /// Its content or size may have changed.
    Changed,
}

struct LiveFile {
    spec: FileSpec,
    file: File,
    inode: Inode,
    wear: Wear,
}

/// The files of a run.
pub(super) struct Files(Vec<LiveFile>);

impl Files {
    /// Makes them.
    pub(super) fn new(specs: &[FileSpec]) -> Result<Self, LiveError> {
        specs.iter().map(make).collect::<Result<_, _>>().map(Self)
    }

    /// Makes them as they were when the run began.
    pub(super) fn reset(&mut self) -> Result<(), LiveError> {
        for live in &mut self.0 {
            match (live.wear, live.spec.kind) {
                (Wear::Fresh, _) => {}
                (Wear::Used, FileKind::Regular) => settle(&live.file, &live.spec)?,
                (Wear::Changed, FileKind::Regular) => rewrite(&live.file, &live.spec)?,
                (Wear::Used | Wear::Changed, _) => *live = make(&live.spec)?,
            }
            live.wear = Wear::Fresh;
        }
        Ok(())
    }

    /// Paths by which workers open them.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        let own = std::process::id();
        self.0
            .iter()
            .map(move |live| format!("/proc/{own}/fd/{}", live.file.as_raw_fd()))
    }

    /// The name, in snapshots, of a mapped file.
    pub(super) fn name(&self, inode: Inode, path: &str) -> String {
        match self.0.iter().find(|live| live.inode == inode) {
            Some(live) => live.spec.name.clone(),
            None => path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
        }
    }

    /// A mapping of a file is being made.
    pub(super) fn note_use(&mut self, file: FileId, args: &MmapArgs) {
        let wear = if args.flags.contains(MapFlags::SHARED) {
            Wear::Changed
        } else {
            Wear::Used
        };
        self.note(file, wear);
    }

    /// A file's content or size is being changed.
    pub(super) fn note_change(&mut self, file: FileId) {
        self.note(file, Wear::Changed);
    }

    fn note(&mut self, file: FileId, wear: Wear) {
        if let Some(live) = self.0.get_mut(file.0 as usize) {
            live.wear = live.wear.max(wear);
        }
    }
}

fn make(spec: &FileSpec) -> Result<LiveFile, LiveError> {
    let file = match spec.kind {
        FileKind::Memfd => shared_memory(spec)?,
        FileKind::Regular => regular(spec)?,
        FileKind::Pfnmap | FileKind::Mixedmap => {
            return Err(LiveError::NotPossible(format!(
                "the file {:?} needs a device driver made for it",
                spec.name
            )));
        }
    };
    let inode = Inode(file.metadata()?.ino());
    Ok(LiveFile {
        spec: spec.clone(),
        file,
        inode,
        wear: Wear::Fresh,
    })
}

fn shared_memory(spec: &FileSpec) -> io::Result<File> {
    let file = File::from(memfd(c"vmsim-file")?);
    file.set_len(spec.size.get())?;
    if let Some(byte) = spec.fill {
        fill(&file, spec.size.get(), |_| byte)?;
    }
    Ok(file)
}

/// A file without a name on a disk file system.
fn regular(spec: &FileSpec) -> Result<File, LiveError> {
    let file = disk_directories().find_map(nameless).ok_or_else(|| {
        LiveError::NotPossible("no directory on a disk file system for a file".to_owned())
    })?;
    rewrite(&file, spec)?;
    Ok(file)
}

fn nameless(directory: PathBuf) -> Option<File> {
    let mut options = fs::OpenOptions::new();
    let options = options.read(true).write(true).mode(0o600);
    options.custom_flags(libc::O_TMPFILE).open(directory).ok()
}

/// Writes the content that the run starts with, and settles it.
fn rewrite(file: &File, spec: &FileSpec) -> Result<(), LiveError> {
    let byte = |page: u64| (page % 251 + 1) as u8;
    file.set_len(spec.size.get())?;
    fill(file, spec.size.get(), |page| {
        spec.fill.unwrap_or_else(|| byte(page))
    })?;
    // The pages have to be clean; that the disk keeps them is not asked for.
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: a request on a descriptor of ours.
    if unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    settle(file, spec)
}

fn fill(file: &File, size: u64, byte: impl Fn(u64) -> u8) -> io::Result<()> {
    for page in 0..size.div_ceil(PAGE_SIZE) {
        let at = page * PAGE_SIZE;
        let len = PAGE_SIZE.min(size - at) as usize;
        file.write_all_at(&vec![byte(page); len], at)?;
    }
    Ok(())
}

/// Brings every page into the page cache: clean, single, never referenced.
///
/// Writing leaves large folios and reading leaves referenced pages, so the cache is emptied and
/// filled again by read-ahead.
fn settle(file: &File, spec: &FileSpec) -> Result<(), LiveError> {
    let fd = file.as_raw_fd();
    let len = spec.size.get().cast_signed();
    if len == 0 {
        return Ok(());
    }
    // SAFETY: advice on a descriptor of ours.
    unsafe {
        libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED);
        let mut at = 0;
        while at < len {
            libc::posix_fadvise(fd, at, 128 << 10, libc::POSIX_FADV_WILLNEED);
            at += 128 << 10;
        }
    }
    let begin = Instant::now();
    while !resident(file, spec.size.get())? {
        if begin.elapsed() > Duration::from_secs(10) {
            return Err(LiveError::Broken(
                "a file does not come into memory".to_owned(),
            ));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Is every page of the file in memory?
fn resident(file: &File, size: u64) -> io::Result<bool> {
    let mut pages = vec![0_u8; size.div_ceil(PAGE_SIZE) as usize];
    // SAFETY: a mapping of our own that nobody touches; the vector has a byte for each page.
    unsafe {
        let fd = file.as_raw_fd();
        let prot = libc::PROT_READ;
        let at = libc::mmap(
            ptr::null_mut(),
            size as usize,
            prot,
            libc::MAP_SHARED,
            fd,
            0,
        );
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let result = libc::mincore(at, size as usize, pages.as_mut_ptr());
        let error = io::Error::last_os_error();
        libc::munmap(at, size as usize);
        if result != 0 {
            return Err(error);
        }
    }
    Ok(pages.iter().all(|page| page & 1 == 1))
}

/// Directories that are neither in memory nor layered.
fn disk_directories() -> impl Iterator<Item = PathBuf> {
    let here = env::current_dir().ok();
    [Some(env::temp_dir()), Some(PathBuf::from("/var/tmp")), here]
        .into_iter()
        .flatten()
        .filter(|path| is_disk(path).unwrap_or(false))
}

fn is_disk(path: &std::path::Path) -> Option<bool> {
    use std::os::unix::ffi::OsStrExt as _;
    /// ext2 to ext4, XFS, Btrfs, F2FS.
    const DISKS: [i64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all bytes zero are a valid value of the structure.
    let mut info: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a C string, the structure is ours.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut info) };
    Some(result == 0 && DISKS.contains(&info.f_type))
}
