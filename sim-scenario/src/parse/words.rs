//! Words: flags, protections, advice, policies.

use sim_core::{
    Advice, MapFlags, MlockallFlags, MremapFlags, Policy, Prot, UffdFeatures, UffdMode,
};
use toml::de::DeValue;

use super::context::{Context, Value, part_of, span_of};
use super::{scalar, size};
use crate::diagnostics::Diagnostic;
use crate::source::{Placed, Span};

/// Names of bits.
type Names = [(&'static str, u32)];

/// What the words of a parameter are.
#[derive(Clone, Copy)]
struct Vocabulary<'n> {
    /// What one of them is.
    what: &'static str,
    names: &'n Names,
    /// What may stand in their place.
    letters: Option<&'static str>,
}

impl<'n> Vocabulary<'n> {
    const fn new(what: &'static str, names: &'n Names) -> Self {
        Self {
            what,
            names,
            letters: None,
        }
    }

    fn expected(self) -> String {
        let names: Vec<_> = self.names.iter().map(|(name, _)| *name).collect();
        let letters = self.letters.map_or(String::new(), |letters| {
            format!("letters of `{letters}`, or ")
        });
        format!("{letters}some of: {}", names.join(", "))
    }
}

/// `MAP_*`; of two names for one bit the first is the usual one.
pub(crate) const MAP_FLAGS: &Names = &[
    ("private", MapFlags::PRIVATE.bits()),
    ("shared", MapFlags::SHARED.bits()),
    ("shared_validate", MapFlags::SHARED_VALIDATE.bits()),
    ("droppable", MapFlags::DROPPABLE.bits()),
    ("anon", MapFlags::ANONYMOUS.bits()),
    ("anonymous", MapFlags::ANONYMOUS.bits()),
    ("fixed", MapFlags::FIXED.bits()),
    ("fixed_noreplace", MapFlags::FIXED_NOREPLACE.bits()),
    ("noreserve", MapFlags::NORESERVE.bits()),
    ("populate", MapFlags::POPULATE.bits()),
    ("nonblock", MapFlags::NONBLOCK.bits()),
    ("locked", MapFlags::LOCKED.bits()),
    ("growsdown", MapFlags::GROWSDOWN.bits()),
    ("stack", MapFlags::STACK.bits()),
    ("hugetlb", MapFlags::HUGETLB.bits()),
    ("32bit", MapFlags::LOW_32BIT.bits()),
    ("above4g", MapFlags::ABOVE4G.bits()),
    ("denywrite", MapFlags::DENYWRITE.bits()),
    ("executable", MapFlags::EXECUTABLE.bits()),
    ("sync", MapFlags::SYNC.bits()),
    ("uninitialized", MapFlags::UNINITIALIZED.bits()),
];

/// `MREMAP_*`.
pub(crate) const MREMAP_FLAGS: &Names = &[
    ("maymove", MremapFlags::MAYMOVE.bits()),
    ("fixed", MremapFlags::FIXED.bits()),
    ("dontunmap", MremapFlags::DONTUNMAP.bits()),
];

/// `MCL_*`.
pub(crate) const MLOCKALL_FLAGS: &Names = &[
    ("current", MlockallFlags::CURRENT.bits()),
    ("future", MlockallFlags::FUTURE.bits()),
    ("onfault", MlockallFlags::ONFAULT.bits()),
];

/// `UFFDIO_REGISTER_MODE_*`.
pub(crate) const UFFD_MODES: &Names = &[
    ("missing", UffdMode::MISSING.bits()),
    ("wp", UffdMode::WP.bits()),
    ("minor", UffdMode::MINOR.bits()),
];

/// `PROT_*`.
pub(crate) const PROTS: &Names = &[
    ("read", Prot::READ.bits()),
    ("write", Prot::WRITE.bits()),
    ("exec", Prot::EXEC.bits()),
    ("sem", Prot::SEM.bits()),
    ("bti", Prot::BTI.bits()),
    ("mte", Prot::MTE.bits()),
    ("growsdown", Prot::GROWSDOWN.bits()),
    ("growsup", Prot::GROWSUP.bits()),
    ("none", 0),
];

/// Memory policies.
pub(crate) const POLICIES: &[&str] = &[
    "default",
    "preferred",
    "bind",
    "interleave",
    "local",
    "preferred_many",
];

/// `MAP_*` flags.
pub(super) fn map_flags(cx: &mut Context, value: &Value<'_>) -> Option<MapFlags> {
    bits(cx, value, Vocabulary::new("a flag of mmap", MAP_FLAGS)).map(MapFlags::from_bits_retain)
}

/// `MREMAP_*` flags.
pub(super) fn mremap_flags(cx: &mut Context, value: &Value<'_>) -> Option<MremapFlags> {
    bits(cx, value, Vocabulary::new("a flag of mremap", MREMAP_FLAGS))
        .map(MremapFlags::from_bits_retain)
}

/// `MCL_*` flags.
pub(super) fn mlockall_flags(cx: &mut Context, value: &Value<'_>) -> Option<MlockallFlags> {
    bits(
        cx,
        value,
        Vocabulary::new("a flag of mlockall", MLOCKALL_FLAGS),
    )
    .map(MlockallFlags::from_bits_retain)
}

/// Modes of a userfaultfd registration.
pub(super) fn uffd_mode(cx: &mut Context, value: &Value<'_>) -> Option<UffdMode> {
    bits(
        cx,
        value,
        Vocabulary::new("a mode of userfaultfd", UFFD_MODES),
    )
    .map(UffdMode::from_bits_retain)
}

/// Features of a userfaultfd.
pub(super) fn uffd_features(cx: &mut Context, value: &Value<'_>) -> Option<UffdFeatures> {
    let names: Vec<_> = UffdFeatures::NAMES
        .iter()
        .map(|(name, feature)| (*name, feature.bits()))
        .collect();
    bits(
        cx,
        value,
        Vocabulary::new("a feature of userfaultfd", &names),
    )
    .map(UffdFeatures::from_bits_retain)
}

/// A protection: `"rw"`, `"r--"`, `"none"`, `["read", "write"]`, `"0x3"`.
pub(super) fn prot(cx: &mut Context, value: &Value<'_>) -> Option<Prot> {
    if let DeValue::String(text) = value.get_ref()
        && let Some(prot) = prot_letters(text)
    {
        return Some(prot);
    }
    let words = Vocabulary {
        letters: Some("rwx"),
        ..Vocabulary::new("a protection", PROTS)
    };
    bits(cx, value, words).map(Prot::from_bits_retain)
}

fn prot_letters(text: &str) -> Option<Prot> {
    let mut prot = Prot::empty();
    for letter in text.chars() {
        prot |= match letter {
            'r' => Prot::READ,
            'w' => Prot::WRITE,
            'x' => Prot::EXEC,
            '-' => Prot::empty(),
            _ => return None,
        };
    }
    Some(prot)
}

/// Advice: its name or its number.
pub(super) fn advice(cx: &mut Context, value: &Value<'_>) -> Option<Advice> {
    if let DeValue::Integer(_) = value.get_ref() {
        return scalar::signed(cx, value).map(Advice::from_number);
    }
    let name = scalar::text(cx, value)?;
    if let Some(advice) = Advice::from_name(name) {
        return Some(advice);
    }
    let names = Advice::ALL.iter().filter_map(|advice| advice.name());
    let diagnostic = Diagnostic::new(span_of(value), format!("madvise knows no `{name}`"))
        .expected("the name of an MADV_* in lower case, or its number")
        .did_you_mean(name, names);
    cx.error(diagnostic)
}

/// A policy with its nodes.
pub(super) fn policy(cx: &mut Context, value: &Value<'_>, mask: u64) -> Option<Policy> {
    let name = scalar::text(cx, value)?;
    Some(match name {
        "default" => Policy::Default,
        "preferred" => Policy::Preferred(mask),
        "bind" => Policy::Bind(mask),
        "interleave" => Policy::Interleave(mask),
        "local" => Policy::Local,
        "preferred_many" => Policy::PreferredMany(mask),
        _ => {
            let message = format!("there is no memory policy `{name}`");
            let diagnostic = Diagnostic::new(span_of(value), message)
                .expected(format!("one of: {}", POLICIES.join(", ")))
                .did_you_mean(name, POLICIES.iter().copied());
            return cx.error(diagnostic);
        }
    })
}

/// A mask of NUMA nodes: `0`, `[0]`, `"0"`. The machine has node 0 only.
pub(super) fn nodes(cx: &mut Context, value: &Value<'_>) -> Option<u64> {
    let list = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        _ => vec![value],
    };
    let mut mask = 0;
    for node in list {
        match scalar::number(cx, node, u64::MAX, "the number of a node")? {
            0 => mask |= 1,
            other => {
                return cx.error(
                    Diagnostic::new(span_of(node), format!("node {other} is not modelled yet"))
                        .expected("node 0, the only one of the simulated machine"),
                );
            }
        }
    }
    Some(mask)
}

/// One of a few names.
pub(super) fn one_of<T: Copy>(
    cx: &mut Context,
    value: &Value<'_>,
    what: &str,
    names: &[(&'static str, T)],
) -> Option<T> {
    let name = scalar::text(cx, value)?;
    if let Some((_, found)) = names.iter().find(|(known, _)| *known == name) {
        return Some(*found);
    }
    let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    let diagnostic = Diagnostic::new(span_of(value), format!("`{name}` is not {what}"))
        .expected(format!("one of: {}", all.join(", ")))
        .did_you_mean(name, all.iter().copied());
    cx.error(diagnostic)
}

/// Bits by their names: an array of names, a string of them, or a number.
fn bits(cx: &mut Context, value: &Value<'_>, known: Vocabulary<'_>) -> Option<u32> {
    if let DeValue::Integer(_) = value.get_ref() {
        return scalar::integer32(cx, value);
    }
    let mut all = Some(0);
    for word in words(cx, value)? {
        match bit(&word, known) {
            Ok(bits) => all = all.map(|all| all | bits),
            Err(diagnostic) => all = cx.error(diagnostic),
        }
    }
    all
}

fn bit(word: &Placed<&str>, vocabulary: Vocabulary<'_>) -> Result<u32, Diagnostic> {
    let name = word.value;
    let Vocabulary { what, names, .. } = vocabulary;
    if let Some((_, bits)) = names.iter().find(|(known, _)| *known == name) {
        return Ok(*bits);
    }
    if name.starts_with("0x")
        && let Ok(bits) = size::parse(name)
        && let Ok(bits) = u32::try_from(bits)
    {
        return Ok(bits);
    }
    Err(
        Diagnostic::new(word.span, format!("`{name}` is not {what}"))
            .expected(vocabulary.expected())
            .did_you_mean(name, names.iter().map(|(name, _)| *name)),
    )
}

/// The words of an array of strings or of one string, each with its place.
pub(super) fn words<'t>(cx: &mut Context, value: &'t Value<'t>) -> Option<Vec<Placed<&'t str>>> {
    let list: Vec<&Value<'t>> = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        DeValue::String(_) => vec![value],
        _ => return cx.wrong_type(value, "an array of strings"),
    };
    let mut words = Vec::new();
    for item in list {
        let text = scalar::text(cx, item)?;
        let parts = text.split([' ', ',', '|', '\t', '\n']);
        words.extend(parts.filter(|word| !word.is_empty()).map(|word| {
            let span: Span = part_of(item, text, word);
            Placed::new(word, span)
        }));
    }
    Some(words)
}
