//! Shape notes that a file could have: behind each statement of a net that changes the shape.
//!
//! A note must hold for every value of the net's parameters, so each net is built again with other values,
//! and a statement gets a note only if its shape stayed the same every time it was run.

use std::collections::HashMap;

use super::draft::Lines;
use super::load::{self, Loaded};
use super::{Expander, Options, in_order, net};
use crate::diag::{Diagnostics, FileId, Source, Sources, Span};
use crate::shape::Shape;
use crate::syntax::ast::{self, ExprKind, StepKind, StmtKind};

/// The shapes of a statement's value, by the span of its last step.
pub(super) type Shapes = HashMap<Span, Change>;

/// What one statement does to the current value's shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Always the same.
    One {
        /// The shape before, if there is a value before.
        before: Option<Shape>,
        /// The shape that it makes.
        after: Shape,
    },
    /// Not the same in every copy or for all parameters.
    Varies,
}

/// Keeps what a statement did, if it does the same each time.
pub(super) fn keep(shapes: &mut Shapes, span: Span, before: Option<&Shape>, after: &Shape) {
    let new = || Change::One { before: before.cloned(), after: after.clone() };
    let old = shapes.entry(span).or_insert_with(new);
    if !matches!(old, Change::One { after: known, .. } if known == after) {
        *old = Change::Varies;
    }
}

/// The text of a file with a note wherever one can stand; notes that are there stay. Gives what is wrong
/// with the file if it cannot be built.
pub fn annotate(
    sources: &mut Sources,
    root: FileId,
    read: &mut dyn FnMut(&str) -> Result<Source, String>,
    options: &Options,
) -> Result<String, Diagnostics> {
    let mut loaded = load::load(sources, root, read, &options.limits);
    if loaded.broken {
        return Err(in_order(loaded.diagnostics));
    }
    let mut shapes = Shapes::new();
    let nets: Vec<_> = loaded.files[0].nets().into_iter().cloned().collect();
    for net in &nets {
        let of_net = |set| Options { net: Some(net.name.text.clone()), set, ..options.clone() };
        shapes = run(sources, &mut loaded, &of_net(Vec::new()), Some(shapes))?;
        for param in &net.params {
            let other = |value: String| of_net(vec![(param.name.text.clone(), value)]);
            let built = match others(param) {
                None => continue,
                Some(values) => values
                    .into_iter()
                    .find_map(|value| run(sources, &mut loaded, &other(value), None).ok()),
            };
            match built {
                Some(built) => built.into_iter().for_each(|(span, change)| match change {
                    Change::One { before, after } => {
                        keep(&mut shapes, span, before.as_ref(), &after);
                    }
                    Change::Varies => drop(shapes.insert(span, Change::Varies)),
                }),
                // Nothing is known of what the parameter does.
                None => vary(&mut shapes, &net.body),
            }
        }
    }
    let mut places = Vec::new();
    nets.iter().for_each(|it| collect(&it.body, &mut places));
    Ok(write(&sources.get(root).text, &shapes, places))
}

/// Other values for a parameter, to be tried in turn; `None` if it cannot change shapes by its kind.
fn others(param: &ast::Param) -> Option<Vec<String>> {
    match param.default.as_ref().map(|it| &it.kind) {
        Some(ExprKind::Int(it)) => {
            Some(vec![it.wrapping_add(1), it.wrapping_mul(2), it.wrapping_sub(1)])
                .map(|it| it.iter().map(i64::to_string).collect())
        }
        Some(ExprKind::Bool(it)) => Some(vec![(!it).to_string()]),
        Some(ExprKind::Float { .. } | ExprKind::Text(_)) => None,
        _ => Some(Vec::new()),
    }
}

/// Builds a net and gives what its statements did, added to what is known. Without any, notes of the file
/// are not held against it.
fn run(
    sources: &mut Sources,
    loaded: &mut Loaded,
    options: &Options,
    known: Option<Shapes>,
) -> Result<Shapes, Diagnostics> {
    let set = net::read_set(sources, options, loaded);
    let found = std::mem::take(&mut loaded.diagnostics);
    let mut expander = Expander::new(&loaded.files, options, Lines::of(sources), found);
    expander.resized = known.is_none();
    expander.shapes = Some(known.unwrap_or_default());
    if let Some(net) = expander.choose_net() {
        expander.root_net(net, &set);
    }
    if expander.has_errors() {
        return Err(expander.sorted());
    }
    Ok(expander.shapes.unwrap_or_default())
}

/// Forgets all statements of a body.
fn vary(shapes: &mut Shapes, body: &ast::Body) {
    let mut places = Vec::new();
    collect(body, &mut places);
    for step in places {
        shapes.insert(step.span, Change::Varies);
    }
}

/// The last steps of the statements of a body and of the bodies inside it, except in branches. What ends a
/// body that ends its statement has the shape of that statement, and no note of its own.
fn collect<'a>(body: &'a ast::Body, places: &mut Vec<&'a ast::Step>) {
    for stmt in &body.stmts {
        let chain = match &stmt.kind {
            StmtKind::Chain(chain)
            | StmtKind::Value { chain, .. }
            | StmtKind::Output { chain: Some(chain), .. } => chain,
            StmtKind::Input { .. } | StmtKind::Shared { .. } | StmtKind::Output { .. } => continue,
        };
        for (i, step) in chain.steps.iter().enumerate() {
            let inner: Vec<&ast::Body> = match &step.kind {
                StepKind::Expr(ast::Expr { kind: ExprKind::Seq(body), .. }) => vec![body],
                StepKind::Expr(_) => Vec::new(),
                StepKind::For(it) => vec![&it.body],
                StepKind::If(it) => it.cases.iter().map(|it| &it.1).chain(&it.otherwise).collect(),
            };
            for body in inner {
                let known = places.len();
                collect(body, places);
                if i + 1 == chain.steps.len() && places.len() > known {
                    places.pop();
                }
            }
        }
        places.extend(chain.steps.last());
    }
}

fn write(text: &str, shapes: &Shapes, mut places: Vec<&ast::Step>) -> String {
    places.sort_by_key(|it| it.span.end);
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for step in places.iter().filter(|it| it.note.is_none()) {
        let Some(Change::One { before, after }) = shapes.get(&step.span) else { continue };
        if before.as_ref() != Some(after) {
            let end = step.span.end as usize;
            written.push_str(&text[done..end]);
            written.push_str(&format!(" => {after}"));
            done = end;
        }
    }
    written.push_str(&text[done..]);
    written
}
