//! The numbers and switches of a machine.

use sim_core::{
    Arch, Bytes, Features, Layout, MmConfig, PAGE_SIZE, Setup, ThpEnabled, UffdFeatures, VmFlags,
};

/// What does not change during a run. Limits are in pages; `u64::MAX` is none.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) arch: Arch,
    pub(super) features: Features,
    /// Flags that do not keep VMAs apart.
    pub(super) ignored: VmFlags,
    /// Flags that a merged VMA has if any part had them.
    pub(super) sticky: VmFlags,
    pub(super) layout: Layout,
    pub(super) max_map_count: usize,
    pub(super) address_space: u64,
    pub(super) data: u64,
    /// The same in bytes, as brk compares it.
    pub(super) data_bytes: Option<Bytes>,
    /// `u64::MAX` for the privileged too.
    pub(super) memlock: u64,
    /// The memlock limit is 0 and binds.
    pub(super) no_mlock: bool,
    pub(super) stack: Option<Bytes>,
    /// RAM and swap: no request beyond that is granted.
    pub(super) commit: u64,
    /// In bytes.
    pub(super) mmap_min_addr: u64,
    /// The limit of the stack is so large that execve begins mappings lower.
    pub(super) large_stack: bool,
    /// The lowest address that the kernel chooses.
    pub(super) lowest: u64,
    pub(super) privileged: bool,
    pub(super) stack_gap: u64,
    pub(super) soft_dirty: bool,
    pub(super) anon_names: bool,
    pub(super) thp: ThpEnabled,
    pub(super) uffd: UffdFeatures,
}

impl Rules {
    pub(super) fn new(setup: &Setup) -> Self {
        let features = setup.features;
        let config = MmConfig::new(setup);
        let limits = &setup.limits;
        let pages = |limit: Option<Bytes>| limit.map_or(u64::MAX, |bytes| bytes.0 / PAGE_SIZE);
        let when = |on: bool, flag: VmFlags| if on { flag } else { VmFlags::empty() };
        let guard = when(features.sticky_flags, VmFlags::MAYBE_GUARD);
        Self {
            arch: setup.arch,
            features,
            ignored: VmFlags::SOFTDIRTY | guard,
            sticky: when(features.softdirty_sticky, VmFlags::SOFTDIRTY) | guard,
            layout: config.layout,
            max_map_count: limits.max_map_count as usize,
            address_space: pages(limits.address_space),
            // A soft limit of 0 asks the hard one, which there is none of.
            data: pages(limits.data.filter(|bytes| bytes.0 > 0)),
            data_bytes: limits.data,
            memlock: if limits.privileged {
                u64::MAX
            } else {
                pages(limits.memlock)
            },
            no_mlock: limits.memlock == Some(Bytes(0)) && !limits.privileged,
            stack: limits.stack,
            commit: (limits.ram.0 / PAGE_SIZE).saturating_add(limits.swap.0 / PAGE_SIZE),
            mmap_min_addr: limits.mmap_min_addr.0,
            large_stack: limits.stack.is_none_or(|stack| stack.0 > 100 << 20),
            lowest: limits.lowest_address(setup.arch).0,
            privileged: limits.privileged,
            stack_gap: limits.stack_guard_gap,
            soft_dirty: config.soft_dirty,
            anon_names: config.anon_names,
            thp: setup.thp.enabled,
            uffd: setup.uffd,
        }
    }

    /// The end of user space, in bytes.
    pub(super) const fn task_size(&self) -> u64 {
        self.layout.task_size.get()
    }
}
