//! What a vector starts from.

use serde_json::{Map, Value, json};
use sim_core::{Bytes, FileKind, FileSpec, Setup, ThpEnabled, UffdFeatures};
use sim_scenario::scenario::features_by_name;

/// Limits, huge-page settings, files, and the features of the kernel.
pub(crate) fn document(setup: &Setup) -> Value {
    json!({
        "features": features(setup),
        "limits": limits(setup),
        "thp": thp(setup),
        "uffd": uffd(setup),
        "files": setup.files.iter().map(file).collect::<Vec<_>>(),
    })
}

fn features(setup: &Setup) -> Value {
    let mut features: Map<_, _> = features_by_name(&setup.features)
        .into_iter()
        .map(|(name, on)| (name.to_owned(), json!(on)))
        .collect();
    let copy = json!(setup.features.copy_on_fork.name());
    features.insert("copy_on_fork".to_owned(), copy);
    Value::Object(features)
}

/// `null` is unlimited.
fn limits(setup: &Setup) -> Value {
    let limits = &setup.limits;
    let bytes = |limit: Option<Bytes>| limit.map(Bytes::get);
    json!({
        "max_map_count": limits.max_map_count,
        "ram": limits.ram.get(),
        "swap": limits.swap.get(),
        "swap_device": limits.swap_device.name(),
        "memlock": bytes(limits.memlock),
        "address_space": bytes(limits.address_space),
        "data": bytes(limits.data),
        "stack": bytes(limits.stack),
        "mmap_min_addr": limits.mmap_min_addr.get(),
        "stack_guard_gap": limits.stack_guard_gap,
        "privileged": limits.privileged,
    })
}

fn thp(setup: &Setup) -> Value {
    let thp = &setup.thp;
    let mode = ThpEnabled::NAMES
        .iter()
        .find(|(_, mode)| *mode == thp.enabled);
    json!({
        "enabled": mode.map(|(name, _)| name),
        "use_zero_page": thp.use_zero_page,
        "max_ptes_none": thp.max_ptes_none,
        "max_ptes_swap": thp.max_ptes_swap,
        "max_ptes_shared": thp.max_ptes_shared,
    })
}

fn uffd(setup: &Setup) -> Value {
    let on = UffdFeatures::NAMES
        .iter()
        .filter(|(_, feature)| setup.uffd.contains(*feature));
    json!(on.map(|(name, _)| name).collect::<Vec<_>>())
}

fn file(file: &FileSpec) -> Value {
    let kind = FileKind::NAMES.iter().find(|(_, kind)| *kind == file.kind);
    json!({
        "name": file.name,
        "size": file.size.get(),
        "kind": kind.map(|(name, _)| name),
        "fill": file.fill,
    })
}
