//! What an address space is made with, and what all address spaces of a machine share.

use std::sync::Arc;

use crate::{
    AnonVmas, Arch, Bytes, FailPoints, Features, Limits, PAGE_SIZE, Profile, Setup, VirtAddr,
};

/// Where a process's mappings go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The end of the user's addresses (`TASK_SIZE`).
    pub task_size: VirtAddr,
    /// Top-down search starts below it (`mm->mmap_base`).
    pub mmap_base: VirtAddr,
    /// Bottom-up search starts here (`TASK_UNMAPPED_BASE`).
    pub unmapped_base: VirtAddr,
    /// Where the heap starts (`mm->start_brk`).
    pub heap: VirtAddr,
    /// Bottom-up search is the rule (`legacy_va_layout`).
    pub legacy: bool,
}

impl Layout {
    /// The layout of an architecture without randomization: a gap of 128 MiB for the stack.
    pub fn new(arch: Arch) -> Self {
        const STACK_GAP: u64 = 128 << 20;
        let task_size = arch.task_size();
        let unmapped_base = match arch {
            Arch::X86_64 => task_size / 3,
            Arch::Arm64 => task_size / 4,
        };
        Self {
            task_size: VirtAddr::new(task_size),
            mmap_base: VirtAddr::new(task_size - STACK_GAP).page_down(),
            unmapped_base: VirtAddr::new(unmapped_base)
                .page_up()
                .expect("far from the top"),
            heap: VirtAddr::new(match arch {
                Arch::X86_64 => 0x5555_5555_5000,
                Arch::Arm64 => 0xaaaa_aaaa_a000,
            }),
            legacy: false,
        }
    }

    /// The layout of a program that is begun with a limit of its stack, for which there has to be room
    /// (`arch/x86/mm/mmap.c: mmap_base()`; `mm/util.c: arch_pick_mmap_layout()`).
    fn of_program(arch: Arch, limits: &Limits) -> Self {
        let usual = Self::new(arch);
        let task_size = usual.task_size.get();
        let least = task_size - usual.mmap_base.get();
        let stack = limits.stack.map_or(u64::MAX, Bytes::get);
        let guard = limits.stack_guard_gap.saturating_mul(PAGE_SIZE);
        let gap = stack.saturating_add(guard).clamp(least, task_size / 6 * 5);
        Self {
            mmap_base: VirtAddr::new((task_size - gap).next_multiple_of(PAGE_SIZE)),
            legacy: arch == Arch::Arm64 && limits.stack.is_none(),
            ..usual
        }
    }
}

/// What an address space is made with; forked ones have the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MmConfig {
    /// The architecture.
    pub arch: Arch,
    /// The behaviours in force.
    pub features: Features,
    /// Limits.
    pub limits: Limits,
    /// Where mappings go.
    pub layout: Layout,
    /// Whether new VMAs get `SOFTDIRTY` (`CONFIG_MEM_SOFT_DIRTY`; never on arm64).
    pub soft_dirty: bool,
    /// Whether anonymous VMAs can be named (`CONFIG_ANON_VMA_NAME`).
    pub anon_names: bool,
}

impl MmConfig {
    /// What a run's setup asks for. The kernel that `6.18-stable` stands for is built without
    /// `CONFIG_ANON_VMA_NAME` and `CONFIG_MEM_SOFT_DIRTY`.
    pub fn new(setup: &Setup) -> Self {
        let full_config = setup.profile != Profile::V6_18Stable;
        Self {
            arch: setup.arch,
            features: setup.features,
            limits: setup.limits.clone(),
            layout: Layout::new(setup.arch),
            soft_dirty: full_config && setup.arch == Arch::X86_64,
            anon_names: full_config,
        }
    }

    /// The same for a program that execve begins: where its mappings go depends on the limit of its
    /// stack. A machine's first process was begun with the usual one.
    #[must_use]
    pub fn of_program(&self) -> Self {
        Self {
            layout: Layout::of_program(self.arch, &self.limits),
            ..self.clone()
        }
    }

    /// The lowest address that the kernel chooses.
    pub fn lowest_address(&self) -> Bytes {
        self.limits.lowest_address(self.arch)
    }
}

/// What all address spaces of a machine share.
#[derive(Clone, Debug)]
pub struct MmShared {
    /// The anon_vmas.
    pub anon_vmas: Arc<AnonVmas>,
    /// Failures to come.
    pub fail: Arc<FailPoints>,
    /// Pages of RAM and swap: what can be charged at once.
    pub commit_limit: u64,
}

impl MmShared {
    /// For a machine with this RAM and swap.
    pub fn new(limits: &Limits) -> Self {
        let total = limits.ram.pages().saturating_add(limits.swap.pages());
        Self {
            anon_vmas: Arc::new(AnonVmas::new()),
            fail: Arc::new(FailPoints::default()),
            commit_limit: total,
        }
    }
}
