//! Reading `/proc/PID/smaps`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sim_core::{PageRange, VirtAddr, VmFlags, VmaSnapshot};

use super::worker::layout::TOP;

/// What smaps says of the file that a VMA maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Inode(pub(crate) u64);

/// Reads from the start until a VMA at or above the workers' own place comes, or to the end.
///
/// The kernel makes the text as it is read, so what lies above costs nothing.
pub(crate) fn read(file: &File, text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    let mut filled = 0;
    loop {
        text.resize(filled + 32 * 1024, 0);
        match file.read_at(&mut text[filled..], filled as u64) {
            Ok(0) => break,
            Ok(n) => {
                let from = filled;
                filled += n;
                if reaches_top(&text[from..filled]) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(filled);
    Ok(())
}

fn reaches_top(text: &[u8]) -> bool {
    text.split(|&b| b == b'\n')
        .filter(|line| line.starts_with(b"7ff"))
        .filter_map(|line| hex(line.split(|&b| b == b'-').next()?))
        .any(|start| start >= TOP)
}

/// The VMAs below the workers' own place. `file_name` names the file with this inode and path.
pub(crate) fn parse(
    text: &[u8],
    file_name: &dyn Fn(Inode, &str) -> Option<String>,
) -> Option<Vec<VmaSnapshot>> {
    let mut vmas: Vec<VmaSnapshot> = Vec::new();
    for line in text.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        if line[0].is_ascii_uppercase() {
            counter(vmas.last_mut()?, line)?;
            continue;
        }
        let vma = header(line, file_name)?;
        if vma.range.start().get() >= TOP {
            break;
        }
        vmas.push(vma);
    }
    Some(vmas)
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `start-end perms offset device inode name`.
fn header(line: &[u8], file_name: &dyn Fn(Inode, &str) -> Option<String>) -> Option<VmaSnapshot> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let start = VirtAddr::new(u64::from_str_radix(start, 16).ok()?);
    let end = VirtAddr::new(u64::from_str_radix(end, 16).ok()?);
    let _perms = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let _device = fields.next()?;
    let inode = Inode(fields.next()?.parse().ok()?);
    let name = fields.next().unwrap_or("").trim();
    let label = name
        .strip_prefix("[anon:")
        .or_else(|| name.strip_prefix("[anon_shmem:"))
        .and_then(|rest| rest.strip_suffix(']'));
    Some(VmaSnapshot {
        range: PageRange::try_new(start, end)?,
        flags: VmFlags::empty(),
        offset,
        file: if inode.0 == 0 {
            None
        } else {
            file_name(inode, name)
        },
        label: label.map(str::to_owned),
        anon_vma: None,
        smaps: sim_core::Smaps::default(),
    })
}

/// `Name: value kB`, or `VmFlags: rd wr …`.
fn counter(vma: &mut VmaSnapshot, line: &[u8]) -> Option<()> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, rest) = (
        std::str::from_utf8(&line[..colon]).ok()?,
        &line[colon + 1..],
    );
    if name == "VmFlags" {
        vma.flags = rest
            .split(|&b| b == b' ')
            .filter_map(|code| VmFlags::from_mnemonic(std::str::from_utf8(code).ok()?))
            .collect();
        return Some(());
    }
    if let Some(counter) = vma.smaps.counter_mut(name) {
        *counter = rest
            .iter()
            .skip_while(|b| **b == b' ')
            .take_while(|b| b.is_ascii_digit())
            .fold(0, |value, b| value * 10 + u64::from(b - b'0'));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Inode, parse};

    const TEXT: &str = "\
100000000000-100000003000 rw-p 00000000 00:00 0 
Size:                 12 kB
Rss:                   8 kB
THPeligible:           1
VmFlags: rd wr mr mw me gu ac 
100000005000-100000006000 r--s 00002000 00:01 77                         /memfd:data (deleted)
Size:                  4 kB
VmFlags: rd sh mr ms 
7ffffd000000-7ffffd400000 rw-s 00000000 00:01 9 /memfd:vmsim-region (deleted)
Size:               4096 kB
";

    #[test]
    fn reads_vmas_counters_and_flags() {
        let name = |inode: Inode, _: &str| Some(format!("file{}", inode.0));
        let vmas = parse(TEXT.as_bytes(), &name).expect("parses");
        assert_eq!(vmas.len(), 2);
        assert_eq!(vmas[0].smaps.rss, 8);
        assert_eq!(vmas[0].smaps.thp_eligible, 1);
        let codes: Vec<_> = vmas[0].flags.mnemonics().collect();
        assert_eq!(codes, ["rd", "wr", "mr", "mw", "me", "gu", "ac"]);
        assert_eq!(vmas[0].file, None);
        assert_eq!(vmas[1].file.as_deref(), Some("file77"));
        assert_eq!(vmas[1].offset, 0x2000);
        assert_eq!(&vmas[1].flags.perms(), b"r--s");
    }
}
