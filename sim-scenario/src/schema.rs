//! JSON Schemas: of the scenario language, made from the parser's own table of operations, and of
//! the JSON document of a run.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};
use sim_core::{
    Advice, Arch, CopyOnFork, Errno, FileKind, Profile, Signal, Smaps, SwapDevice, ThpEnabled,
    UffdFeatures,
};

use crate::document::RunDocument;
use crate::language::{FieldSpec, Kind, OPS, OpSpec, Presence};
use crate::parse::words::{MAP_FLAGS, MLOCKALL_FLAGS, MREMAP_FLAGS, POLICIES, PROTS, UFFD_MODES};
use crate::scenario::BOOL_FEATURES;

/// The schema of a scenario, as TOML read into JSON.
pub fn language() -> Schema {
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vmsim scenario",
        "description": "Steps that programs take in memory management, and what is expected of them.",
        "type": "object",
        "additionalProperties": false,
        "properties": top_level(),
        "$defs": definitions(),
    })
}

/// The schema of the document that `vmsim run --json` prints.
pub fn run_document() -> Schema {
    schemars::schema_for!(RunDocument)
}

fn top_level() -> Value {
    json!({
        "title": { "type": "string" },
        "about": { "type": "string" },
        "kernel": { "enum": names(Profile::ALL.iter().map(|profile| profile.name())) },
        "arch": { "enum": first(Arch::NAMES) },
        "kernel_features": features(),
        "limits": limits(),
        "thp": thp(),
        "mmu": closed(
            &json!({ "hw_access_flag": { "type": "boolean" }, "hw_dirty": { "type": "boolean" } }),
            &[],
        ),
        "uffd": closed(&json!({ "features": words(&first(UffdFeatures::NAMES)) }), &[]),
        "files": { "type": "object", "additionalProperties": reference("file") },
        "step": reference("steps"),
    })
}

fn definitions() -> Value {
    json!({
        "size": {
            "description": "Bytes, or a number with K, M, G, T, or p for pages.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)([KkMmGgTtp])?\\s*$" },
            ],
        },
        "limit": { "anyOf": [reference("size"), { "const": "unlimited" }] },
        "range": {
            "description": "buf, buf[3], buf[2..4], buf[..4], buf[4..], ADDRESS+SIZE or ADDRESS..ADDRESS.",
            "type": "string",
            "minLength": 1,
        },
        "address": {
            "description": "A number, or where a range with a name starts.",
            "type": ["integer", "string"],
        },
        "byte": {
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 255 },
                { "type": "string" },
            ],
        },
        "expect": expect(),
        "file": closed(
            &json!({
                "size": reference("size"),
                "kind": { "enum": first(FileKind::NAMES) },
                "fill": reference("byte"),
            }),
            &["size"],
        ),
        "steps": { "type": "array", "items": reference("step") },
        "step": { "oneOf": OPS.iter().map(operation).collect::<Vec<_>>() },
    })
}

fn operation(op: &OpSpec) -> Value {
    let mut properties = Map::new();
    properties.insert("op".to_owned(), json!({ "const": op.name }));
    properties.insert(
        "in".to_owned(),
        json!({ "type": "string", "description": "the process; \"main\" if it is not said" }),
    );
    properties.insert("expect".to_owned(), reference("expect"));
    for field in op.fields {
        properties.insert(field.name.to_owned(), parameter(field));
    }
    let required = op
        .fields
        .iter()
        .filter(|field| field.presence == Presence::Required)
        .map(|field| field.name);
    let required: Vec<_> = std::iter::once("op").chain(required).collect();
    let mut schema = closed(&Value::Object(properties), &required);
    schema["title"] = json!(op.name);
    schema["description"] = json!(op.about);
    schema
}

fn parameter(field: &FieldSpec) -> Value {
    match field.kind {
        Kind::Name => json!({ "type": "string", "pattern": "^[^0-9\\[\\]\\s-][^\\[\\]\\s]*$" }),
        Kind::Label | Kind::File | Kind::FileRange => json!({ "type": "string" }),
        Kind::Size | Kind::PageCount => reference("size"),
        Kind::Address => reference("address"),
        Kind::Range => reference("range"),
        Kind::BrkTarget => json!({
            "description": "an address, or how far to move: +4p, -4p",
            "type": ["integer", "string"],
        }),
        Kind::Prot => json!({
            "description": "letters of rwx, or names",
            "anyOf": [{ "type": ["string", "integer"] }, words(&bit_names(PROTS))],
        }),
        Kind::MapFlags => words(&bit_names(MAP_FLAGS)),
        Kind::MremapFlags => words(&bit_names(MREMAP_FLAGS)),
        Kind::MlockallFlags => words(&bit_names(MLOCKALL_FLAGS)),
        Kind::UffdMode => words(&bit_names(UFFD_MODES)),
        Kind::Advice => {
            let advice = names(Advice::ALL.iter().filter_map(|advice| advice.name()));
            json!({ "anyOf": [{ "enum": advice }, { "type": "integer" }] })
        }
        Kind::Policy => json!({ "enum": POLICIES }),
        Kind::Nodes => json!({
            "description": "node 0 is the only one",
            "anyOf": [{ "const": 0 }, { "const": "0" }, { "type": "array" }],
        }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Byte => reference("byte"),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Steps => reference("steps"),
        Kind::Threads => json!({ "type": "array", "items": reference("steps") }),
        Kind::VmaLines => json!({
            "description": "WHERE: SIZE PERMS FILE @OFFSET +flag -flag",
            "type": "array",
            "items": { "type": "string", "pattern": ":" },
        }),
        Kind::VmaCount => json!({
            "anyOf": [{ "type": "integer", "minimum": 0 }, by_range(&json!({ "type": "integer" }))],
        }),
        Kind::FlagTerms => by_range(&json!({ "type": ["string", "array"] })),
        Kind::PageStates => by_range(&json!({ "type": "string" })),
        Kind::Counters => by_range(&counters()),
        Kind::MapsLines => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
    }
}

fn expect() -> Value {
    let outcomes = names(
        Errno::ALL
            .iter()
            .map(|errno| errno.name())
            .chain(Signal::ALL.iter().map(|signal| signal.name()))
            .chain(["ok", "any", "UFFD_WAIT", "LIVELOCK"]),
    );
    let one = json!([
        { "enum": outcomes },
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^[0-9]|\\]$" },
    ]);
    let mut any = one.clone();
    if let Value::Array(alternatives) = &mut any {
        let list = json!({ "type": "array", "minItems": 1, "items": { "anyOf": one } });
        alternatives.push(list);
    }
    json!({
        "description": "the outcome, or a list of those that are right; \"ok\" if it is not said",
        "anyOf": any,
    })
}

fn features() -> Value {
    let mut properties: Map<String, Value> = BOOL_FEATURES
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "type": "boolean" })))
        .collect();
    let copy = json!({ "enum": first(CopyOnFork::NAMES) });
    properties.insert("copy_on_fork".to_owned(), copy);
    closed(&Value::Object(properties), &[])
}

fn limits() -> Value {
    closed(
        &json!({
            "max_map_count": { "type": "integer", "minimum": 0 },
            "ram": reference("limit"),
            "swap": reference("limit"),
            "swap_device": { "enum": first(SwapDevice::NAMES) },
            "memlock": reference("limit"),
            "address_space": reference("limit"),
            "data": reference("limit"),
            "stack": reference("limit"),
            "mmap_min_addr": reference("size"),
            "stack_guard_gap": { "type": "integer", "minimum": 0 },
            "privileged": { "type": "boolean" },
        }),
        &[],
    )
}

fn thp() -> Value {
    let ptes = json!({ "type": "integer", "minimum": 0, "maximum": 511 });
    closed(
        &json!({
            "enabled": { "enum": first(ThpEnabled::NAMES) },
            "use_zero_page": { "type": "boolean" },
            "read_only_thp_for_fs": { "type": "boolean" },
            "max_ptes_none": ptes,
            "max_ptes_swap": ptes,
            "max_ptes_shared": ptes,
            "pages_to_scan": { "type": "integer", "minimum": 0 },
        }),
        &[],
    )
}

fn counters() -> Value {
    let properties: Map<String, Value> = Smaps::default()
        .counters()
        .map(|(name, _)| (name.to_owned(), reference("size")))
        .collect();
    json!({ "anyOf": [{ "type": "string" }, closed(&Value::Object(properties), &[])] })
}

fn by_range(value: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

/// An object with these properties and no others.
fn closed(properties: &Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

/// An array of these words, a text of them, or their bits.
fn words(names: &Value) -> Value {
    json!({
        "anyOf": [
            { "type": "array", "items": { "anyOf": [{ "enum": names }, { "pattern": "^0x" }] } },
            { "type": ["string", "integer"] },
        ],
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn first<T>(names: &[(&'static str, T)]) -> Value {
    json!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}

fn bit_names(names: &[(&'static str, u32)]) -> Value {
    first(names)
}

fn names(names: impl Iterator<Item = &'static str>) -> Value {
    json!(names.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{LIMITS, THP, TOP_LEVEL};

    fn keys(value: &Value) -> Vec<&str> {
        let mut keys: Vec<_> = value
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        keys
    }

    fn sorted<'n>(names: &[&'n str]) -> Vec<&'n str> {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_schema_knows_what_the_parser_knows() {
        let schema = language().to_value();
        let properties = &schema["properties"];
        assert_eq!(keys(properties), sorted(TOP_LEVEL));
        assert_eq!(keys(&properties["limits"]["properties"]), sorted(LIMITS));
        assert_eq!(keys(&properties["thp"]["properties"]), sorted(THP));
        let steps = schema["$defs"]["step"]["oneOf"]
            .as_array()
            .expect("operations");
        assert_eq!(steps.len(), OPS.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, definitions: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        let name = to.strip_prefix("#/$defs/").expect("a definition");
                        assert!(definitions.get(name).is_some(), "{to}");
                    }
                    map.values().for_each(|value| walk(value, definitions));
                }
                Value::Array(list) => list.iter().for_each(|value| walk(value, definitions)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        for schema in [language().to_value(), run_document().to_value()] {
            walk(&schema, &schema["$defs"]);
        }
    }
}
