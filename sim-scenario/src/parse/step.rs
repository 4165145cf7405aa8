//! Steps and their operations.

use toml::de::DeValue;

use super::context::{Context, Fields, Value, span_of, table};
use super::op::Reader;
use super::{expect, scalar};
use crate::diagnostics::Diagnostic;
use crate::language::{COMMON_FIELDS, OPS, OpSpec, Presence};
use crate::scenario::{Expect, Op, Step};
use crate::source::{Placed, Span};

/// How deep `repeat` and `parallel` may be nested.
pub(super) const MAX_NESTING: usize = 8;

/// Where a list of steps is.
#[derive(Clone, Copy)]
pub(super) struct Block<'p> {
    /// The place of the outermost step around it; `None` for the outermost list.
    index: Option<usize>,
    /// Blocks around it.
    depth: usize,
    /// The process of steps that name none.
    process: &'p str,
}

impl Block<'static> {
    /// The outermost list.
    pub(super) const OUTERMOST: Self = Self {
        index: None,
        depth: 0,
        process: crate::scenario::MAIN,
    };
}

impl Block<'_> {
    /// Blocks around it.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }
}

/// A list of steps; those that are wrong are left out.
pub(super) fn steps(cx: &mut Context, value: &Value<'_>, block: Block<'_>) -> Vec<Step> {
    let DeValue::Array(list) = value.get_ref() else {
        cx.wrong_type::<()>(
            value,
            "a list of steps: [[step]] or step = [ { op = … }, … ]",
        );
        return Vec::new();
    };
    let mut steps = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let index = block.index.unwrap_or(index);
        steps.extend(step(cx, value, index, block));
    }
    steps
}

fn step(cx: &mut Context, value: &Value<'_>, index: usize, block: Block<'_>) -> Option<Step> {
    let fields = table(cx, value, "a step: { op = … }")?;
    let parsed = well_formed(cx, &fields, index, block);
    if parsed.is_none()
        && let Some(DeValue::String(name)) = fields.get("name").map(Value::get_ref)
    {
        cx.half_known.insert(name.to_string());
    }
    parsed
}

fn well_formed(
    cx: &mut Context,
    fields: &Fields<'_>,
    index: usize,
    block: Block<'_>,
) -> Option<Step> {
    let Some(op) = fields.get("op") else {
        let diagnostic = Diagnostic::new(fields.span, "a step needs `op`");
        return cx.error(diagnostic.expected(operations()));
    };
    let spec = spec(cx, op)?;
    let span = span_of(op);
    let complete = check_fields(cx, fields, spec, span);
    let process = match fields.get("in") {
        Some(value) => scalar::text(cx, value),
        None => Some(block.process),
    };
    let expect = match fields.get("expect") {
        Some(value) => expect::expect(cx, value),
        None => Some(Placed::new(Expect::Ok, span)),
    };
    let reader = Reader {
        fields: Fields::new(fields.table(), span),
        op: spec.name,
    };
    let inner = Block {
        index: Some(index),
        depth: block.depth + 1,
        process: process.unwrap_or(block.process),
    };
    let op = reader.op(cx, inner);
    let (process, op, expect) = (process?, op?, expect?);
    refuse_expectation(cx, &op, &expect)?;
    complete.then(|| Step {
        index,
        process: process.to_owned(),
        process_span: fields.get("in").map_or(span, span_of),
        op,
        expect,
        span,
    })
}

fn spec(cx: &mut Context, value: &Value<'_>) -> Option<&'static OpSpec> {
    let name = scalar::text(cx, value)?;
    if let Some(spec) = OpSpec::find(name) {
        return Some(spec);
    }
    let diagnostic = Diagnostic::new(span_of(value), format!("there is no operation `{name}`"));
    let diagnostic = match name {
        "vfork" | "clone" => diagnostic.hint("a shared mm is op = \"fork\" with share = true"),
        _ => diagnostic.did_you_mean(name, OPS.iter().map(|op| op.name)),
    };
    if diagnostic.hint.is_some() {
        return cx.error(diagnostic);
    }
    cx.error(diagnostic.expected(operations()))
}

fn operations() -> String {
    let names: Vec<_> = OPS.iter().map(|op| op.name).collect();
    format!("one of: {}", names.join(", "))
}

/// Reports unknown and missing parameters; false if one is missing.
fn check_fields(cx: &mut Context, fields: &Fields<'_>, spec: &OpSpec, span: Span) -> bool {
    let known: Vec<_> = spec
        .fields
        .iter()
        .map(|field| field.name)
        .chain(COMMON_FIELDS.iter().copied())
        .collect();
    fields.refuse_unknown(cx, &format!("`{}`", spec.name), &known);
    let mut complete = true;
    for field in spec.fields {
        if field.presence == Presence::Required && fields.get(field.name).is_none() {
            let message = format!("`{}` needs `{}`", spec.name, field.name);
            let diagnostic = Diagnostic::new(span, message).expected(spec.parameters());
            cx.diagnostics.push(diagnostic);
            complete = false;
        }
    }
    complete
}

/// A block or a check has no outcome of its own.
fn refuse_expectation(cx: &mut Context, op: &Op, expect: &Placed<Expect>) -> Option<()> {
    match (op, &expect.value) {
        (_, Expect::Ok) => Some(()),
        (Op::Repeat { .. } | Op::Parallel { .. } | Op::Check(_), _) => cx.error(
            Diagnostic::new(expect.span, format!("`{}` has no outcome", op.name()))
                .hint("give `expect` to the step whose outcome is meant"),
        ),
        _ => Some(()),
    }
}
