//! Flags of system calls, by their Linux values.

use bitflags::bitflags;

bitflags! {
    /// `PROT_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Prot: u32 {
        /// `PROT_READ`.
        const READ = 1;
        /// `PROT_WRITE`.
        const WRITE = 2;
        /// `PROT_EXEC`.
        const EXEC = 4;
        /// `PROT_SEM`.
        const SEM = 8;
        /// `PROT_BTI` (arm64).
        const BTI = 0x10;
        /// `PROT_MTE` (arm64).
        const MTE = 0x20;
        /// `PROT_GROWSDOWN`.
        const GROWSDOWN = 0x0100_0000;
        /// `PROT_GROWSUP`.
        const GROWSUP = 0x0200_0000;
        /// Bits that Linux does not know are refused by it, not by us.
        const _ = !0;
    }
}

bitflags! {
    /// `MAP_*`, x86_64 and arm64 values.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MapFlags: u32 {
        /// `MAP_SHARED`.
        const SHARED = 0x01;
        /// `MAP_PRIVATE`.
        const PRIVATE = 0x02;
        /// `MAP_SHARED_VALIDATE`: a type, both low bits.
        const SHARED_VALIDATE = 0x03;
        /// `MAP_DROPPABLE`: a type.
        const DROPPABLE = 0x08;
        /// `MAP_FIXED`.
        const FIXED = 0x10;
        /// `MAP_ANONYMOUS`.
        const ANONYMOUS = 0x20;
        /// `MAP_32BIT` (x86).
        const LOW_32BIT = 0x40;
        /// `MAP_ABOVE4G` (x86).
        const ABOVE4G = 0x80;
        /// `MAP_GROWSDOWN`.
        const GROWSDOWN = 0x0100;
        /// `MAP_DENYWRITE`: ignored.
        const DENYWRITE = 0x0800;
        /// `MAP_EXECUTABLE`: ignored.
        const EXECUTABLE = 0x1000;
        /// `MAP_LOCKED`.
        const LOCKED = 0x2000;
        /// `MAP_NORESERVE`.
        const NORESERVE = 0x4000;
        /// `MAP_POPULATE`.
        const POPULATE = 0x8000;
        /// `MAP_NONBLOCK`.
        const NONBLOCK = 0x1_0000;
        /// `MAP_STACK`.
        const STACK = 0x2_0000;
        /// `MAP_HUGETLB`.
        const HUGETLB = 0x4_0000;
        /// `MAP_SYNC`.
        const SYNC = 0x8_0000;
        /// `MAP_FIXED_NOREPLACE`.
        const FIXED_NOREPLACE = 0x10_0000;
        /// `MAP_UNINITIALIZED`.
        const UNINITIALIZED = 0x400_0000;
        /// The bits that hold the type.
        const TYPE = 0x0f;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `MREMAP_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MremapFlags: u32 {
        /// `MREMAP_MAYMOVE`.
        const MAYMOVE = 1;
        /// `MREMAP_FIXED`.
        const FIXED = 2;
        /// `MREMAP_DONTUNMAP`.
        const DONTUNMAP = 4;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `MCL_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MlockallFlags: u32 {
        /// `MCL_CURRENT`.
        const CURRENT = 1;
        /// `MCL_FUTURE`.
        const FUTURE = 2;
        /// `MCL_ONFAULT`.
        const ONFAULT = 4;
        /// Bits without a name may be passed too.
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_REGISTER_MODE_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct UffdMode: u32 {
        /// Missing pages.
        const MISSING = 1;
        /// Write protection.
        const WP = 2;
        /// Minor faults.
        const MINOR = 4;
    }
}
