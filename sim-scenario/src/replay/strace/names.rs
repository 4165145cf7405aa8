//! The symbols that strace prints for flags, with their values on x86_64 and arm64.

/// `PROT_*`.
pub(super) const PROT: &[(&str, u64)] = &[
    ("PROT_READ", 1),
    ("PROT_WRITE", 2),
    ("PROT_EXEC", 4),
    ("PROT_NONE", 0),
    ("PROT_SEM", 8),
    ("PROT_BTI", 0x10),
    ("PROT_MTE", 0x20),
    ("PROT_GROWSDOWN", 0x0100_0000),
    ("PROT_GROWSUP", 0x0200_0000),
];

/// `MAP_*`.
pub(super) const MAP: &[(&str, u64)] = &[
    ("MAP_PRIVATE", 0x02),
    ("MAP_ANONYMOUS", 0x20),
    ("MAP_FIXED", 0x10),
    ("MAP_DENYWRITE", 0x0800),
    ("MAP_SHARED", 0x01),
    ("MAP_STACK", 0x2_0000),
    ("MAP_NORESERVE", 0x4000),
    ("MAP_SHARED_VALIDATE", 0x03),
    ("MAP_DROPPABLE", 0x08),
    ("MAP_32BIT", 0x40),
    ("MAP_ABOVE4G", 0x80),
    ("MAP_GROWSDOWN", 0x0100),
    ("MAP_EXECUTABLE", 0x1000),
    ("MAP_LOCKED", 0x2000),
    ("MAP_POPULATE", 0x8000),
    ("MAP_NONBLOCK", 0x1_0000),
    ("MAP_HUGETLB", 0x4_0000),
    ("MAP_SYNC", 0x8_0000),
    ("MAP_FIXED_NOREPLACE", 0x10_0000),
    ("MAP_UNINITIALIZED", 0x400_0000),
    ("MAP_FILE", 0),
];

/// `MREMAP_*`.
pub(super) const MREMAP: &[(&str, u64)] = &[
    ("MREMAP_MAYMOVE", 1),
    ("MREMAP_FIXED", 2),
    ("MREMAP_DONTUNMAP", 4),
];

/// `MCL_*`.
pub(super) const MCL: &[(&str, u64)] = &[("MCL_CURRENT", 1), ("MCL_FUTURE", 2), ("MCL_ONFAULT", 4)];

/// `MLOCK_*`.
pub(super) const MLOCK: &[(&str, u64)] = &[("MLOCK_ONFAULT", 1)];

/// Policies of `mbind`.
pub(super) const MPOL: &[(&str, u64)] = &[
    ("MPOL_DEFAULT", 0),
    ("MPOL_PREFERRED", 1),
    ("MPOL_BIND", 2),
    ("MPOL_INTERLEAVE", 3),
    ("MPOL_LOCAL", 4),
    ("MPOL_PREFERRED_MANY", 5),
];

/// The number of an advice; strace prints MADV_* names, and numbers for those it is too old for.
pub(super) fn advice(symbol: &str) -> Option<u64> {
    let name = symbol.strip_prefix("MADV_")?;
    sim_core::Advice::ALL
        .iter()
        .find(|advice| {
            advice
                .name()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
        .and_then(|advice| u64::try_from(advice.number()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_by_name() {
        assert_eq!(advice("MADV_DONTNEED"), Some(4));
        assert_eq!(advice("MADV_POPULATE_WRITE"), Some(23));
        assert_eq!(advice("MADV_"), None);
        assert_eq!(advice("DONTNEED"), None);
    }
}
