//! Small trees: the syntax that a text is printed from, without places.

use crate::diag::Span;
use crate::ops::Value;
use crate::syntax::ast::{
    Arg, BinaryOp, Body, Call, Chain, Dim, Expr, ExprKind, Name, Note, Step, StepKind, Stmt,
    StmtKind, UnaryOp,
};

pub(super) fn name(text: &str) -> Name {
    Name { text: text.to_owned(), span: Span::default() }
}

pub(super) fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

pub(super) fn word(text: &str) -> Expr {
    expr(ExprKind::Name(text.to_owned()))
}

/// A value of the net by its name, quoted where it must be.
pub(super) fn value_named(text: &str) -> Expr {
    if crate::syntax::is_plain_name(text) {
        word(text)
    } else {
        expr(ExprKind::Text(text.to_owned()))
    }
}

pub(super) fn int(it: i64) -> Expr {
    let magnitude = expr(ExprKind::Int(it.checked_abs().unwrap_or(i64::MAX)));
    if it < 0 { expr(ExprKind::Unary(UnaryOp::Neg, Box::new(magnitude))) } else { magnitude }
}

pub(super) fn binary(op: BinaryOp, a: Expr, b: Expr) -> Expr {
    expr(ExprKind::Binary(op, Box::new(a), Box::new(b)))
}

/// `it.c`
pub(super) fn channels() -> Expr {
    expr(ExprKind::Field(Box::new(expr(ExprKind::It)), name("c")))
}

/// The shorter of `0.00001` and `1e-5`.
fn number(it: f64) -> Expr {
    let magnitude = it.abs();
    let (plain, short) = (format!("{magnitude:?}"), format!("{magnitude:e}"));
    let text = if plain.len() <= short.len() { plain } else { short };
    let magnitude = expr(ExprKind::Float { value: magnitude, text });
    if it.is_sign_negative() {
        expr(ExprKind::Unary(UnaryOp::Neg, Box::new(magnitude)))
    } else {
        magnitude
    }
}

/// A value as it is written.
pub(super) fn literal(value: &Value) -> Expr {
    let all = |items: &[Value]| items.iter().map(literal).collect();
    match value {
        Value::Int(it) => int(*it),
        Value::Number(it) => number(*it),
        Value::Bool(it) => expr(ExprKind::Bool(*it)),
        Value::Text(it) => expr(ExprKind::Text(it.clone())),
        Value::Word(it) => word(it),
        Value::List(items) => expr(ExprKind::List(all(items))),
        Value::Tuple(items) => expr(ExprKind::Tuple(all(items))),
    }
}

pub(super) fn arg(of: Option<&str>, value: Expr) -> Arg {
    Arg { name: of.map(name), value, span: Span::default() }
}

/// `name` or `name(args)`.
pub(super) fn call(of: &str, args: Vec<Arg>) -> Expr {
    if args.is_empty() {
        return word(of);
    }
    expr(ExprKind::Call(Call { name: name(of), args, span: Span::default() }))
}

pub(super) fn step(label: Option<&str>, kind: StepKind) -> Step {
    Step { label: label.map(name), kind, note: None, span: Span::default() }
}

pub(super) fn chain(steps: Vec<Step>) -> Chain {
    Chain { steps, span: Span::default() }
}

pub(super) fn stmt(kind: StmtKind) -> Stmt {
    Stmt { kind, span: Span::default() }
}

pub(super) fn body(stmts: Vec<Stmt>) -> Body {
    Body { stmts, span: Span::default() }
}

/// `=> [64, 56, 56]`
pub(super) fn note(dims: &[usize]) -> Note {
    let size = |it: &usize| Dim::Size(int(i64::try_from(*it).unwrap_or(i64::MAX)));
    Note { dims: dims.iter().map(size).collect(), span: Span::default() }
}

/// How long a step is on one line, about.
pub(super) fn width(step: &Step) -> usize {
    let label = step.label.as_ref().map_or(0, |it| it.text.len() + 2);
    label
        + match &step.kind {
            StepKind::Expr(it) => expr_width(it),
            StepKind::For(it) => 12 + expr_width(&it.list) + body_width(&it.body),
            StepKind::If(it) => {
                it.cases.iter().map(|it| 4 + expr_width(&it.0) + body_width(&it.1)).sum()
            }
        }
}

fn body_width(body: &Body) -> usize {
    let stmt = |it: &Stmt| match &it.kind {
        StmtKind::Chain(it) => it.steps.iter().map(|it| width(it) + 4).sum::<usize>(),
        StmtKind::Value { name, chain } => {
            name.text.len() + 3 + chain.steps.iter().map(|it| width(it) + 4).sum::<usize>()
        }
        _ => 20,
    };
    body.stmts.iter().map(stmt).sum::<usize>() + 2
}

pub(super) fn expr_width(it: &Expr) -> usize {
    let list = |items: &[Expr]| items.iter().map(|it| expr_width(it) + 2).sum::<usize>();
    match &it.kind {
        ExprKind::Int(it) => it.to_string().len(),
        ExprKind::Float { text, .. } => text.len(),
        ExprKind::Bool(_) => 5,
        ExprKind::Text(it) => it.len() + 2,
        ExprKind::It => 2,
        ExprKind::Name(it) => it.len(),
        ExprKind::List(items) | ExprKind::Tuple(items) => list(items),
        ExprKind::Range(a, b) => expr_width(a) + expr_width(b) + 2,
        ExprKind::Unary(_, it) => 1 + expr_width(it),
        ExprKind::Binary(_, a, b) => expr_width(a) + expr_width(b) + 3,
        ExprKind::Choice(a, b, c) => expr_width(a) + expr_width(b) + expr_width(c) + 6,
        ExprKind::Field(it, name) => expr_width(it) + 1 + name.text.len(),
        ExprKind::Call(it) => {
            let key = |it: &Arg| it.name.as_ref().map_or(0, |it| it.text.len() + 1);
            let args = it.args.iter().map(|it| key(it) + expr_width(&it.value) + 2);
            it.name.text.len() + args.sum::<usize>()
        }
        ExprKind::Seq(it) => 4 + body_width(it),
        ExprKind::Branch { op, arms } => {
            op.text.len() + arms.iter().map(|it| body_width(it) + 1).sum::<usize>() + 2
        }
        ExprKind::Chain(it) => it.steps.iter().map(|it| width(it) + 4).sum(),
    }
}
