//! The tables beside the steps: kernel, architecture, features, limits, files.

use sim_core::{
    Arch, Bytes, CopyOnFork, FileKind, FileSpec, Limits, MmuSetup, Profile, Setup, SwapDevice,
    ThpEnabled, ThpSetup, UffdFeatures,
};
use toml::de::DeValue;

use super::context::{Context, Fields, Value, span_of, table};
use super::{scalar, words};
use crate::diagnostics::Diagnostic;
use crate::language::{FILE, LIMITS, MMU, THP, UFFD};
use crate::scenario::{BOOL_FEATURES, FeatureSwitch, Overrides};

/// A limit that is so large that nobody meant it.
const UNLIMITED: &str = "unlimited";

/// Reads everything but the steps; wrong parts keep their defaults.
pub(super) fn setup(
    cx: &mut Context,
    top: &Fields<'_>,
    overrides: Overrides,
) -> (Setup, Vec<FeatureSwitch>) {
    let profile = top.get("kernel").and_then(|value| kernel(cx, value));
    let mut setup = Setup::new(overrides.kernel.or(profile).unwrap_or_default());
    let arch = top
        .get("arch")
        .and_then(|value| words::one_of(cx, value, "an architecture", Arch::NAMES));
    setup.arch = overrides.arch.or(arch).unwrap_or_default();
    let switches = top
        .get("kernel_features")
        .and_then(|value| features(cx, value))
        .unwrap_or_default();
    for switch in &switches {
        switch.apply(&mut setup.features);
    }
    if let Some(value) = top.get("limits") {
        setup.limits = limits(cx, value).unwrap_or_default();
    }
    if let Some(value) = top.get("thp") {
        setup.thp = thp(cx, value).unwrap_or_default();
    }
    if let Some(value) = top.get("mmu") {
        setup.mmu = mmu(cx, value).unwrap_or_default();
    }
    if let Some(value) = top.get("uffd") {
        setup.uffd = uffd(cx, value).unwrap_or_default();
    }
    if let Some(value) = top.get("files") {
        files(cx, value);
    }
    setup.files.clone_from(&cx.files);
    (setup, switches)
}

fn kernel(cx: &mut Context, value: &Value<'_>) -> Option<Profile> {
    if let DeValue::Float(version) = value.get_ref() {
        let hint = format!("write it in quotes: \"{}\"", version.as_str());
        return cx.error(Diagnostic::new(span_of(value), "a version is a string").hint(hint));
    }
    let names: Vec<_> = Profile::ALL.iter().map(|p| (p.name(), *p)).collect();
    words::one_of(cx, value, "a kernel that vmsim knows", &names)
}

fn features(cx: &mut Context, value: &Value<'_>) -> Option<Vec<FeatureSwitch>> {
    let fields = table(cx, value, "a table of features")?;
    let known: Vec<_> = BOOL_FEATURES
        .iter()
        .copied()
        .chain(["copy_on_fork"])
        .collect();
    fields.refuse_unknown(cx, "[kernel_features]", &known);
    let mut switches = Vec::new();
    for &name in BOOL_FEATURES {
        let on = fields
            .get(name)
            .and_then(|value| scalar::boolean(cx, value));
        switches.extend(on.map(|on| FeatureSwitch::Bool { name, on }));
    }
    let copy = fields
        .get("copy_on_fork")
        .and_then(|value| words::one_of(cx, value, "a rule of fork", CopyOnFork::NAMES));
    switches.extend(copy.map(FeatureSwitch::CopyOnFork));
    Some(switches)
}

fn limits(cx: &mut Context, value: &Value<'_>) -> Option<Limits> {
    let fields = table(cx, value, "a table of limits")?;
    fields.refuse_unknown(cx, "[limits]", LIMITS);
    let mut limits = Limits::default();
    set(
        cx,
        &fields,
        "max_map_count",
        &mut limits.max_map_count,
        scalar::integer32,
    );
    set(cx, &fields, "ram", &mut limits.ram, size_or_unlimited);
    set(cx, &fields, "swap", &mut limits.swap, size_or_unlimited);
    set(
        cx,
        &fields,
        "swap_device",
        &mut limits.swap_device,
        |cx, value| {
            words::one_of(
                cx,
                value,
                "something that swap can be on",
                SwapDevice::NAMES,
            )
        },
    );
    set(cx, &fields, "memlock", &mut limits.memlock, limit);
    set(
        cx,
        &fields,
        "address_space",
        &mut limits.address_space,
        limit,
    );
    set(cx, &fields, "data", &mut limits.data, limit);
    set(cx, &fields, "stack", &mut limits.stack, limit);
    set(
        cx,
        &fields,
        "mmap_min_addr",
        &mut limits.mmap_min_addr,
        scalar::bytes,
    );
    set(
        cx,
        &fields,
        "stack_guard_gap",
        &mut limits.stack_guard_gap,
        |cx, value| scalar::integer(cx, value, 1 << 32),
    );
    set(
        cx,
        &fields,
        "privileged",
        &mut limits.privileged,
        scalar::boolean,
    );
    Some(limits)
}

fn mmu(cx: &mut Context, value: &Value<'_>) -> Option<MmuSetup> {
    let fields = table(cx, value, "a table of what the MMU does")?;
    fields.refuse_unknown(cx, "[mmu]", MMU);
    let mut mmu = MmuSetup::default();
    let switches = [
        ("hw_access_flag", &mut mmu.hw_access_flag),
        ("hw_dirty", &mut mmu.hw_dirty),
    ];
    for (name, switch) in switches {
        set(cx, &fields, name, switch, scalar::boolean);
    }
    Some(mmu)
}

fn thp(cx: &mut Context, value: &Value<'_>) -> Option<ThpSetup> {
    let fields = table(cx, value, "a table of huge-page settings")?;
    fields.refuse_unknown(cx, "[thp]", THP);
    let mut thp = ThpSetup::default();
    set(cx, &fields, "enabled", &mut thp.enabled, |cx, value| {
        words::one_of(cx, value, "a mode of huge pages", ThpEnabled::NAMES)
    });
    set(
        cx,
        &fields,
        "use_zero_page",
        &mut thp.use_zero_page,
        scalar::boolean,
    );
    set(
        cx,
        &fields,
        "read_only_thp_for_fs",
        &mut thp.read_only_thp_for_fs,
        scalar::boolean,
    );
    set(cx, &fields, "max_ptes_none", &mut thp.max_ptes_none, ptes);
    set(cx, &fields, "max_ptes_swap", &mut thp.max_ptes_swap, ptes);
    set(
        cx,
        &fields,
        "max_ptes_shared",
        &mut thp.max_ptes_shared,
        ptes,
    );
    set(
        cx,
        &fields,
        "pages_to_scan",
        &mut thp.pages_to_scan,
        scalar::integer32,
    );
    Some(thp)
}

/// The kernel refuses values above 511 for these tunables.
fn ptes(cx: &mut Context, value: &Value<'_>) -> Option<u32> {
    scalar::integer(cx, value, 511).map(|ptes| ptes as u32)
}

fn uffd(cx: &mut Context, value: &Value<'_>) -> Option<UffdFeatures> {
    let fields = table(cx, value, "a table")?;
    fields.refuse_unknown(cx, "[uffd]", UFFD);
    match fields.get("features") {
        Some(value) => words::uffd_features(cx, value),
        None => Some(UffdFeatures::default()),
    }
}

fn files(cx: &mut Context, value: &Value<'_>) {
    let Some(fields) = table(cx, value, "tables [files.NAME]") else {
        return;
    };
    for (key, value) in fields.table() {
        let name = key.get_ref().as_ref();
        if name.is_empty() || name == "-" || name.contains(char::is_whitespace) {
            let message = format!("`{name}` cannot be the name of a file");
            cx.diagnostics
                .push(Diagnostic::new(span_of(key), message).expected("a word"));
        }
        let spec = file(cx, name, value).unwrap_or_else(|| FileSpec {
            name: name.to_owned(),
            kind: FileKind::Regular,
            size: Bytes(0),
            fill: None,
        });
        cx.files.push(spec);
    }
}

fn file(cx: &mut Context, name: &str, value: &Value<'_>) -> Option<FileSpec> {
    let fields = table(cx, value, "a table with `size` and `kind`")?;
    fields.refuse_unknown(cx, "a file", FILE);
    let size = fields.required(cx, "a file", "size");
    let size = size.and_then(|value| file_size(cx, value));
    let kind = match fields.get("kind") {
        Some(value) => words::one_of(cx, value, "a kind of file", FileKind::NAMES),
        None => Some(FileKind::Regular),
    };
    let fill = match fields.get("fill") {
        Some(value) => Some(scalar::byte(cx, value)?),
        None => None,
    };
    Some(FileSpec {
        name: name.to_owned(),
        kind: kind?,
        size: size?,
        fill,
    })
}

/// A file's size: `loff_t` has 63 bits.
pub(super) fn file_size(cx: &mut Context, value: &Value<'_>) -> Option<Bytes> {
    let max = i64::MAX.unsigned_abs();
    scalar::number(cx, value, max, "a size below 2^63").map(Bytes)
}

/// A size, or `"unlimited"` for the largest there is.
fn size_or_unlimited(cx: &mut Context, value: &Value<'_>) -> Option<Bytes> {
    Some(limit(cx, value)?.unwrap_or(Bytes(u64::MAX)))
}

/// A size, or `"unlimited"`.
#[expect(
    clippy::option_option,
    reason = "the outer one is success of parsing, the inner one is the limit"
)]
fn limit(cx: &mut Context, value: &Value<'_>) -> Option<Option<Bytes>> {
    match value.get_ref() {
        DeValue::String(text) if text == UNLIMITED => Some(None),
        _ => scalar::bytes(cx, value).map(Some),
    }
}

/// Sets a field if its key is there and right.
fn set<T>(
    cx: &mut Context,
    fields: &Fields<'_>,
    name: &str,
    field: &mut T,
    parse: impl Fn(&mut Context, &Value<'_>) -> Option<T>,
) {
    if let Some(value) = fields.get(name)
        && let Some(parsed) = parse(cx, value)
    {
        *field = parsed;
    }
}
