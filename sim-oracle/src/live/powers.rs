//! What the user may do here, and what cannot be compared without it.

use std::fs;

use sim_core::{LruBatches, Setup, ThpEnabled, ThpSetup};

use super::{memory, settings, swap};

/// Capabilities of this process, and the settings that it can write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Powers {
    capabilities: u64,
    /// Settings of the whole machine.
    pub(super) settings: bool,
}

impl Powers {
    /// Those of this process (`/proc/self/status`).
    pub(super) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let capabilities = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        Self {
            capabilities: capabilities.unwrap_or(0),
            settings: settings::are_writable(),
        }
    }

    const fn has(self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// Are there capabilities to give up?
    pub(super) const fn any(self) -> bool {
        self.capabilities != 0
    }

    /// `CAP_IPC_LOCK`: locked memory is not limited.
    pub(super) const fn locks_memory(self) -> bool {
        self.has(14)
    }

    /// `CAP_SYS_PTRACE`: a userfaultfd may handle faults of the kernel.
    pub(super) const fn handles_kernel_faults(self) -> bool {
        self.has(19)
    }

    /// `CAP_SYS_ADMIN`: pagemap shows frame numbers, and the kinds of swap entries with them.
    pub(super) const fn sees_entries(self) -> bool {
        self.has(21)
    }
}

/// What this user's runs on the live kernel leave out, in sentences; nothing for root.
pub fn not_compared() -> Vec<&'static str> {
    let powers = Powers::now();
    let unprivileged_faults = fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd")
        .is_ok_and(|text| text.trim() == "1");
    let all = [
        (
            powers.sees_entries(),
            "without CAP_SYS_ADMIN pagemap does not tell swap entries, markers and poison apart: \
             they count as the same",
        ),
        (
            powers.settings,
            "this user cannot write settings of the machine: huge pages and the number of VMAs are \
             as they are set, khugepaged comes when it likes, and what needs them otherwise is left \
             out",
        ),
        (
            powers.locks_memory(),
            "without CAP_IPC_LOCK there are no privileged processes: what asks for them is left out",
        ),
        (
            powers.handles_kernel_faults() || unprivileged_faults,
            "without CAP_SYS_PTRACE a userfaultfd is for faults of user mode alone: what waits for \
             others is left out",
        ),
    ];
    let missing = all.into_iter().filter(|(has, _)| !has);
    missing.map(|(_, sentence)| sentence).collect()
}

/// Does pagemap tell the kinds of swap entries apart?
pub fn sees_entry_kinds() -> bool {
    Powers::now().sees_entries()
}

/// Was the running kernel built to track soft-dirty memory? New VMAs are flagged then.
pub fn has_soft_dirty() -> bool {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    smaps
        .lines()
        .filter_map(|line| line.strip_prefix("VmFlags:"))
        .any(|flags| flags.split_whitespace().any(|flag| flag == "sd"))
}

/// Gives a set-up what the running kernel has, so that both sides have the same: its memory, no
/// more swap space than there is, what that is on, and, where this user cannot change settings, those that the
/// set-up leaves at their defaults. Per-CPU batches are always drained: other programs drain the
/// kernel's.
pub fn adopt(setup: &mut Setup) {
    let limits = &mut setup.limits;
    limits.swap = swap::space().min(limits.swap);
    limits.swap_device = swap::device().unwrap_or(limits.swap_device);
    limits.ram = memory::memory().unwrap_or(limits.ram);
    setup.lru_batches = LruBatches::Drained;
    if Powers::now().settings {
        return;
    }
    let usual = sim_core::Limits::default();
    let min_addr =
        settings::mmap_min_addr().filter(|_| limits.mmap_min_addr == usual.mmap_min_addr);
    limits.mmap_min_addr = min_addr.unwrap_or(limits.mmap_min_addr);
    let count = settings::max_map_count().filter(|_| limits.max_map_count == usual.max_map_count);
    limits.max_map_count = count.unwrap_or(limits.max_map_count);
    adopt_thp(&mut setup.thp);
}

fn adopt_thp(thp: &mut ThpSetup) {
    let usual = ThpSetup::default();
    if thp.enabled == usual.enabled {
        let mode = settings::thp("enabled");
        let named = |(name, _): &&(&str, ThpEnabled)| mode.as_deref() == Some(*name);
        let mode = ThpEnabled::NAMES.iter().find(named);
        thp.enabled = mode.map_or(thp.enabled, |(_, mode)| *mode);
    }
    if thp.use_zero_page == usual.use_zero_page {
        thp.use_zero_page = settings::thp("use_zero_page").is_none_or(|value| value != "0");
    }
    for (value, usual, name) in [
        (&mut thp.max_ptes_none, usual.max_ptes_none, "max_ptes_none"),
        (&mut thp.max_ptes_swap, usual.max_ptes_swap, "max_ptes_swap"),
        (
            &mut thp.max_ptes_shared,
            usual.max_ptes_shared,
            "max_ptes_shared",
        ),
    ] {
        if *value == usual {
            let set = settings::thp(&format!("khugepaged/{name}"));
            *value = set.and_then(|set| set.parse().ok()).unwrap_or(usual);
        }
    }
}
