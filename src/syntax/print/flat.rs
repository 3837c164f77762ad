//! Everything on one line, or nothing if it must not stand on one line.

use super::super::ast::*;
use super::super::{escape, is_plain_name};
use crate::diag::Span;

/// How tightly an expression binds; an operand that binds less stands in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Choice,
    Or,
    And,
    Not,
    Compare,
    Range,
    Add,
    Mul,
    Neg,
    Field,
    Atom,
}

pub(super) fn level(expr: &Expr) -> Level {
    match &expr.kind {
        ExprKind::Choice(..) => Level::Choice,
        ExprKind::Binary(op, ..) => binary_level(*op),
        ExprKind::Unary(UnaryOp::Not, _) => Level::Not,
        ExprKind::Unary(UnaryOp::Neg, _) => Level::Neg,
        ExprKind::Range(..) => Level::Range,
        ExprKind::Field(..) => Level::Field,
        _ => Level::Atom,
    }
}

pub(super) fn binary_level(op: BinaryOp) -> Level {
    match op {
        BinaryOp::Or => Level::Or,
        BinaryOp::And => Level::And,
        BinaryOp::Add | BinaryOp::Sub => Level::Add,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => Level::Mul,
        _ => Level::Compare,
    }
}

/// The levels that the operands of a binary operator need.
pub(super) fn operand_levels(op: BinaryOp) -> (Level, Level) {
    match binary_level(op) {
        Level::Or => (Level::Or, Level::And),
        Level::And => (Level::And, Level::Not),
        Level::Add => (Level::Add, Level::Mul),
        Level::Mul => (Level::Mul, Level::Neg),
        _ => (Level::Range, Level::Range),
    }
}

/// Where an expression stands, as far as spacing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    /// A step: `3 * unit`.
    Step,
    /// An argument or a condition: `4*c`.
    Inner,
    /// An end of a range: `0..n-1`.
    Tight,
}

/// Whether a `{` stands outside all parentheses, or a choice does: then it cannot head a loop or condition.
pub(super) fn needs_shelter(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Seq(_) | ExprKind::Branch { .. } | ExprKind::Choice(..) => true,
        ExprKind::Unary(_, of) | ExprKind::Field(of, _) => needs_shelter(of),
        ExprKind::Binary(_, a, b) | ExprKind::Range(a, b) => needs_shelter(a) || needs_shelter(b),
        _ => false,
    }
}

/// A name where a quoted one may stand.
pub(super) fn title(name: &Name) -> String {
    if is_plain_name(&name.text) { name.text.clone() } else { escape(&name.text) }
}

/// A name after a dot, where words of the language may stand too.
pub(super) fn field(name: &Name) -> String {
    if super::super::is_word(&name.text) { name.text.clone() } else { escape(&name.text) }
}

pub(super) fn pattern(it: &Pattern) -> String {
    match it {
        Pattern::Any(_) => "_".to_owned(),
        Pattern::Name(it) => it.text.clone(),
        Pattern::Tuple(parts, _) => {
            let inner: Vec<_> = parts.iter().map(pattern).collect();
            format!("({}{})", inner.join(", "), if parts.len() == 1 { "," } else { "" })
        }
    }
}

/// What the one-line forms depend on.
#[derive(Clone, Copy)]
pub(super) struct Flat<'a> {
    /// The text that was parsed, if there was one: a body written on several lines keeps them.
    pub(super) text: Option<&'a str>,
    pub(super) trivia: &'a [Trivia],
}

impl Flat<'_> {
    /// Whether a comment lies in a span.
    pub(super) fn has_comment(&self, span: Span) -> bool {
        let first = self.trivia.partition_point(|it| it.span.start < span.start);
        let inside = self.trivia[first..].iter().take_while(|it| it.span.start < span.end);
        inside.into_iter().any(|it| it.kind != TriviaKind::Blank)
    }

    fn free(&self, span: Span) -> Option<()> {
        (!self.has_comment(span)).then_some(())
    }

    /// Whether a body was written on one line and may stay there.
    pub(super) fn is_inline(&self, body: &Body) -> bool {
        let range = body.span.start as usize..body.span.end as usize;
        let lines =
            self.text.and_then(|it| it.get(range)).is_some_and(|it| it.contains(['\n', '\r']));
        body.stmts.len() <= 1 && !lines && !self.has_comment(body.span)
    }

    pub(super) fn expr(&self, expr: &Expr, least: Level, spacing: Spacing) -> Option<String> {
        if level(expr) < least {
            let inner = self.expr(expr, Level::Choice, Spacing::Inner)?;
            return Some(format!("({inner})"));
        }
        self.free(expr.span)?;
        let inner = spacing;
        Some(match &expr.kind {
            ExprKind::Int(it) => it.to_string(),
            ExprKind::Float { text, .. } => text.clone(),
            ExprKind::Bool(it) => it.to_string(),
            ExprKind::Text(it) => escape(it),
            ExprKind::It => "it".to_owned(),
            ExprKind::Name(it) => it.clone(),
            ExprKind::List(all) => format!("[{}]", self.exprs(all)?),
            ExprKind::Tuple(all) => {
                let comma = if all.len() == 1 { "," } else { "" };
                format!("({}{comma})", self.exprs(all)?)
            }
            ExprKind::Range(from, to) => {
                let end = |it| self.expr(it, Level::Add, Spacing::Tight);
                format!("{}..{}", end(from)?, end(to)?)
            }
            ExprKind::Unary(UnaryOp::Not, of) => {
                format!("not {}", self.expr(of, Level::Not, inner)?)
            }
            ExprKind::Unary(UnaryOp::Neg, of) => format!("-{}", self.expr(of, Level::Neg, inner)?),
            ExprKind::Binary(op, a, b) => {
                let (left, right) = operand_levels(*op);
                let space = if is_tight(*op, a, b, spacing) { "" } else { " " };
                let (a, b) =
                    (self.operand(*op, a, left, inner)?, self.operand(*op, b, right, inner)?);
                format!("{a}{space}{}{space}{b}", op.symbol())
            }
            ExprKind::Choice(condition, yes, no) => {
                let part = |it, least| self.expr(it, least, Spacing::Inner);
                let (condition, yes) = (part(condition, Level::Or)?, part(yes, Level::Or)?);
                format!("{condition} ? {yes} : {}", part(no, Level::Choice)?)
            }
            ExprKind::Field(of, name) => {
                format!("{}.{}", self.expr(of, Level::Field, inner)?, field(name))
            }
            ExprKind::Call(it) => self.call(it)?,
            ExprKind::Seq(it) => format!("seq {}", self.body(it)?),
            ExprKind::Branch { op, arms } => {
                let arms: Option<Vec<_>> = arms.iter().map(|it| self.arm(it)).collect();
                let arms = arms?.join("|");
                let arms = if arms.trim().is_empty() { arms.trim().to_owned() } else { arms };
                format!("{} {{{arms}}}", op.text)
            }
            ExprKind::Chain(it) => format!("({})", self.chain(it)?),
        })
    }

    /// `4*c` stays spaced inside a longer product: `4 * c * d`.
    fn operand(&self, op: BinaryOp, of: &Expr, least: Level, spacing: Spacing) -> Option<String> {
        let product = binary_level(op) == Level::Mul && spacing == Spacing::Inner;
        self.expr(of, least, if product { Spacing::Step } else { spacing })
    }

    fn exprs(&self, all: &[Expr]) -> Option<String> {
        let all: Option<Vec<_>> =
            all.iter().map(|it| self.expr(it, Level::Choice, Spacing::Inner)).collect();
        Some(all?.join(", "))
    }

    pub(super) fn arg(&self, it: &Arg) -> Option<String> {
        let value = self.expr(&it.value, Level::Choice, Spacing::Inner)?;
        Some(match &it.name {
            Some(name) => format!("{}={value}", name.text),
            None => value,
        })
    }

    pub(super) fn call(&self, it: &Call) -> Option<String> {
        self.free(it.span)?;
        let args: Option<Vec<_>> = it.args.iter().map(|it| self.arg(it)).collect();
        Some(format!("{}({})", it.name.text, args?.join(", ")))
    }

    pub(super) fn param(&self, it: &Param) -> Option<String> {
        Some(match &it.default {
            Some(default) => {
                format!("{} = {}", it.name.text, self.expr(default, Level::Choice, Spacing::Inner)?)
            }
            None => it.name.text.clone(),
        })
    }

    /// What heads a loop or a condition.
    pub(super) fn head(&self, it: &Expr) -> Option<String> {
        let text = self.expr(it, Level::Choice, Spacing::Inner)?;
        Some(if needs_shelter(it) { format!("({text})") } else { text })
    }

    pub(super) fn note(&self, it: &Note) -> Option<String> {
        self.free(it.span)?;
        let dims: Option<Vec<_>> = it
            .dims
            .iter()
            .map(|it| match it {
                Dim::Any(_) => Some("_".to_owned()),
                Dim::Size(it) => self.expr(it, Level::Choice, Spacing::Inner),
            })
            .collect();
        Some(format!("=> [{}]", dims?.join(", ")))
    }

    pub(super) fn chain(&self, it: &Chain) -> Option<String> {
        self.free(it.span)?;
        let steps: Option<Vec<_>> = it.steps.iter().map(|it| self.step(it)).collect();
        Some(steps?.join(" -> "))
    }

    /// A chain without the note of its last step, which may stand beyond the width.
    pub(super) fn bare_chain(&self, it: &Chain) -> Option<String> {
        let (last, first) = it.steps.split_last()?;
        let mut steps = first.iter().map(|it| self.step(it)).collect::<Option<Vec<_>>>()?;
        steps.push(self.bare_step(last)?);
        Some(steps.join(" -> "))
    }

    /// A step with its label and note.
    pub(super) fn step(&self, it: &Step) -> Option<String> {
        let bare = self.bare_step(it)?;
        Some(match &it.note {
            Some(note) => format!("{bare} {}", self.note(note)?),
            None => bare,
        })
    }

    /// A step with its label, without its note.
    pub(super) fn bare_step(&self, it: &Step) -> Option<String> {
        self.free(it.span)?;
        let kind = match &it.kind {
            StepKind::Expr(it) => self.expr(it, Level::Choice, Spacing::Step)?,
            StepKind::For(it) => {
                format!(
                    "for {} in {} {}",
                    pattern(&it.pattern),
                    self.head(&it.list)?,
                    self.body(&it.body)?
                )
            }
            StepKind::If(it) => {
                let mut cases = Vec::new();
                for (condition, body) in &it.cases {
                    cases.push(format!("if {} {}", self.head(condition)?, self.body(body)?));
                }
                let mut text = cases.join(" else ");
                if let Some(body) = &it.otherwise {
                    text.push_str(&format!(" else {}", self.body(body)?));
                }
                text
            }
        };
        Some(match &it.label {
            Some(label) => format!("{}: {kind}", title(label)),
            None => kind,
        })
    }

    /// A body with its braces.
    pub(super) fn body(&self, it: &Body) -> Option<String> {
        let inner = self.arm(it)?;
        Some(if inner.trim().is_empty() { "{}".to_owned() } else { format!("{{{inner}}}") })
    }

    /// An arm with a space at both ends.
    fn arm(&self, it: &Body) -> Option<String> {
        if !self.is_inline(it) {
            return None;
        }
        match &it.stmts[..] {
            [] => Some(" ".to_owned()),
            [only] => Some(format!(" {} ", self.stmt(only)?)),
            _ => None,
        }
    }

    fn stmt(&self, it: &Stmt) -> Option<String> {
        let (opening, chain) = self.opening(it)?;
        match chain {
            Some(chain) => Some(format!("{opening}{}", self.chain(chain)?)),
            None => Some(opening),
        }
    }

    /// What a statement begins with, and the chain after it.
    pub(super) fn opening<'t>(&self, it: &'t Stmt) -> Option<(String, Option<&'t Chain>)> {
        Some(match &it.kind {
            StmtKind::Input { names, element, dims } => {
                let names: Vec<_> = names.iter().map(title).collect();
                (
                    format!("input {}: {}[{}]", names.join(", "), element.text, self.exprs(dims)?),
                    None,
                )
            }
            StmtKind::Output { name, train, chain } => {
                let train = if *train { " @train" } else { "" };
                let equals = if chain.is_some() { " = " } else { "" };
                (format!("output {}{train}{equals}", title(name)), chain.as_ref())
            }
            StmtKind::Shared { name, layer } => {
                let layer = self.expr(layer, Level::Choice, Spacing::Step)?;
                (format!("shared {}: {layer}", title(name)), None)
            }
            StmtKind::Value { name, chain } => (format!("{} = ", title(name)), Some(chain)),
            StmtKind::Chain(chain) => (String::new(), Some(chain)),
        })
    }
}

/// Whether an operator stands without spaces.
fn is_tight(op: BinaryOp, a: &Expr, b: &Expr, spacing: Spacing) -> bool {
    match spacing {
        Spacing::Step => false,
        Spacing::Tight => matches!(binary_level(op), Level::Add | Level::Mul),
        Spacing::Inner => {
            op == BinaryOp::Mul
                && matches!(a.kind, ExprKind::Int(_))
                && matches!(b.kind, ExprKind::Name(_))
        }
    }
}
