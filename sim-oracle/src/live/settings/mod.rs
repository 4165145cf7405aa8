//! Settings of the whole machine that a run asks for, restored afterwards.

mod lock;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use sim_core::{BackendError, Bytes, Setup};

use super::error::LiveError;
use lock::Lock;
use watchdog::Watchdog;

/// What `vm.max_map_count` is set to for runs with a lower limit: few processes have as many VMAs.
pub(super) const LOW_MAP_COUNT: u64 = 10_000;

const THP: &str = "/sys/kernel/mm/transparent_hugepage";
const KHUGEPAGED: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged";
const MMAP_MIN_ADDR: &str = "/proc/sys/vm/mmap_min_addr";
const MAX_MAP_COUNT: &str = "/proc/sys/vm/max_map_count";
const PAGE_CLUSTER: &str = "/proc/sys/vm/page-cluster";

/// Path and value of each setting that departs from the machine's.
type Settings = BTreeMap<String, String>;

struct InForce {
    users: usize,
    settings: Settings,
    held: Option<Held>,
}

/// What keeps settings in force; dropped in this order.
struct Held {
    _lock: Lock,
    _watchdog: Option<Watchdog>,
}

static IN_FORCE: Mutex<InForce> = Mutex::new(InForce {
    users: 0,
    settings: Settings::new(),
    held: None,
});
static RELEASED: Condvar = Condvar::new();

/// Keeps settings in force; the last guard restores what was before.
pub(super) struct SettingsGuard(());

impl SettingsGuard {
    /// Sets what the setup asks for. Waits while others need other settings.
    pub(super) fn acquire(setup: &Setup) -> Result<Self, LiveError> {
        let wanted = wanted(setup);
        let mut state = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
        while state.users > 0 && state.settings != wanted {
            state = RELEASED.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.users == 0 && !are_writable() {
            hold_already(&wanted)?;
            state.settings = wanted;
        } else if state.users == 0 {
            let mut lock = Lock::acquire(&wanted)?;
            let watchdog = Watchdog::start(&lock.saved()?);
            state.settings = wanted;
            state.held = Some(Held {
                _lock: lock,
                _watchdog: watchdog,
            });
        }
        state.users += 1;
        Ok(Self(()))
    }
}

impl Drop for SettingsGuard {
    fn drop(&mut self) {
        let mut state = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
        state.users -= 1;
        if state.users == 0 {
            state.held = None;
            state.settings.clear();
            RELEASED.notify_all();
        }
    }
}

/// Settings that only keep khugepaged and read-ahead away.
const OPTIONAL: [&str; 3] = ["/scan_sleep_millisecs", "/pages_to_scan", "/page-cluster"];

/// May this user write settings of the machine?
pub(super) fn are_writable() -> bool {
    [format!("{THP}/enabled"), MAX_MAP_COUNT.to_owned()]
        .iter()
        .all(|path| fs::OpenOptions::new().write(true).open(path).is_ok())
}

/// Settings that cannot be changed have to be as they are wanted.
fn hold_already(wanted: &Settings) -> Result<(), LiveError> {
    for (path, value) in wanted {
        let optional = OPTIONAL.iter().any(|name| path.ends_with(name));
        let now = read(path).filter(|now| now != value && !optional);
        if let Some(now) = now {
            return Err(LiveError::NotPossible(format!(
                "{path} is {now}, the run needs {value}, and this user cannot change it"
            )));
        }
    }
    Ok(())
}

/// `vm.mmap_min_addr` as it is set.
pub(super) fn mmap_min_addr() -> Option<Bytes> {
    read_number(MMAP_MIN_ADDR).map(Bytes)
}

/// `vm.max_map_count` as it is set.
pub(super) fn max_map_count() -> Option<u32> {
    read_number(MAX_MAP_COUNT)?.try_into().ok()
}

/// A setting of huge pages as it is set.
pub(super) fn thp(name: &str) -> Option<String> {
    read(&format!("{THP}/{name}"))
}

/// Is it one of the files that are written here?
fn is_setting(path: &str) -> bool {
    [MMAP_MIN_ADDR, MAX_MAP_COUNT, PAGE_CLUSTER].contains(&path)
        || path.starts_with(THP) && !path.contains("..")
}

/// Do settings already hold?
fn holds(wanted: &Settings) -> bool {
    wanted
        .iter()
        .all(|(path, value)| read(path).is_none_or(|now| now == *value))
}

/// Writes values that were there before.
fn restore(before: &Settings) {
    for (path, value) in before {
        let _ = fs::write(path, value);
    }
}

fn wanted(setup: &Setup) -> Settings {
    let thp = &setup.thp;
    let mode = sim_core::ThpEnabled::NAMES
        .iter()
        .find(|(_, mode)| *mode == thp.enabled)
        .map_or("madvise", |(name, _)| name);
    let mut settings = Settings::from([
        (format!("{THP}/enabled"), mode.to_owned()),
        (
            format!("{THP}/use_zero_page"),
            u8::from(thp.use_zero_page).to_string(),
        ),
        (
            format!("{KHUGEPAGED}/max_ptes_none"),
            thp.max_ptes_none.to_string(),
        ),
        (
            format!("{KHUGEPAGED}/max_ptes_swap"),
            thp.max_ptes_swap.to_string(),
        ),
        (
            format!("{KHUGEPAGED}/max_ptes_shared"),
            thp.max_ptes_shared.to_string(),
        ),
        // khugepaged works when it is told to, not on its own.
        (
            format!("{KHUGEPAGED}/scan_sleep_millisecs"),
            "1000000000".to_owned(),
        ),
        (format!("{KHUGEPAGED}/pages_to_scan"), "1".to_owned()),
        (
            MMAP_MIN_ADDR.to_owned(),
            setup.limits.mmap_min_addr.get().to_string(),
        ),
    ]);
    if read(PAGE_CLUSTER).is_some() {
        // What else is read from swap with a page depends on all that was read before. Swap may be
        // switched on at any time: what two runs want does not depend on that.
        settings.insert(PAGE_CLUSTER.to_owned(), "0".to_owned());
    }
    let limit = u64::from(setup.limits.max_map_count);
    let default = u64::from(sim_core::Limits::default().max_map_count);
    // Who cannot change it has taken over what is set.
    if limit != default && Some(limit) != read_number(MAX_MAP_COUNT) {
        settings.insert(
            MAX_MAP_COUNT.to_owned(),
            limit.max(LOW_MAP_COUNT).to_string(),
        );
    }
    settings
}

/// Writes what differs; what was there before.
fn apply(wanted: &Settings) -> Result<Settings, LiveError> {
    let mut before = Settings::new();
    for (path, value) in wanted {
        let Some(old) = read(path) else { continue };
        if old == *value {
            continue;
        }
        before.insert(path.clone(), old);
        if let Err(error) = fs::write(path, value) {
            restore(&before);
            return Err(LiveError::NotPossible(format!("{path}: {error}")));
        }
    }
    Ok(before)
}

/// A setting's value; of a list of choices, the one in brackets.
fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    let chosen = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    Some(chosen.map_or(text, |(choice, _)| choice).to_owned())
}

/// A setting's value as a number.
fn read_number(path: &str) -> Option<u64> {
    read(path)?.parse().ok()
}

/// Makes khugepaged scan everything so many times.
pub(super) fn khugepaged_passes(passes: u32) -> Result<(), BackendError> {
    let scans = || read_number(&format!("{KHUGEPAGED}/full_scans"));
    let hurry = Settings::from([
        (format!("{KHUGEPAGED}/scan_sleep_millisecs"), "1".to_owned()),
        (format!("{KHUGEPAGED}/pages_to_scan"), "1000000".to_owned()),
    ]);
    let before = apply(&hurry)?;
    // One more: the pass under way began before the call.
    let target = scans().map(|n| n + u64::from(passes) + 1);
    let begin = Instant::now();
    while scans() < target && begin.elapsed() < Duration::from_secs(3) {
        thread::sleep(Duration::from_millis(2));
    }
    let late = scans() < target;
    restore(&before);
    if late {
        return Err(BackendError::NotSupported(
            "khugepaged did not finish its passes (it has nothing registered to scan)".to_owned(),
        ));
    }
    Ok(())
}
