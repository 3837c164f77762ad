//! Expressions: arithmetic on what is known when compiling, and on values of the net.

use std::rc::Rc;

use super::Expander;
use super::frame::{Bound, Frame};
use super::load::Global;
use super::step::Naming;
use super::suggest::Wanted;
use super::value::{self, Fault, Flow, List, Math, Val};
use crate::diag::{Diagnostic, Span, nearest};
use crate::ops::Op;
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use crate::syntax::is_plain_name;

impl<'a> Expander<'a> {
    /// What an expression is. Mistakes are reported and give [`Val::Poison`].
    pub(super) fn eval(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Val {
        if !self.charge(1, expr.span) || !self.enter(expr.span) {
            return Val::Poison;
        }
        let val = self.eval_inner(frame, expr);
        self.leave();
        val
    }

    fn eval_inner(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Val {
        match &expr.kind {
            ExprKind::Int(it) => Val::Int(*it),
            ExprKind::Float { value, .. } => Val::Number(*value),
            ExprKind::Bool(it) => Val::Bool(*it),
            // Only a name that needs its quotes is one; `"x"` is a string beside a value `x`.
            ExprKind::Text(it) => match frame.read(it).filter(|_| !is_plain_name(it)) {
                Some(Bound::Val(Val::Flow(flow))) => Val::Flow(flow.clone()),
                _ => Val::Text(it.as_str().into()),
            },
            ExprKind::It => self.current(frame, expr.span).map_or(Val::Poison, Val::Flow),
            ExprKind::Name(name) => self.name(frame, name, expr),
            ExprKind::List(items) => {
                self.items(frame, items, expr.span).map_or(Val::Poison, Val::List)
            }
            ExprKind::Tuple(items) => {
                self.items(frame, items, expr.span).map_or(Val::Poison, Val::Tuple)
            }
            ExprKind::Range(from, to) => self.range(frame, from, to, expr.span),
            ExprKind::Unary(op, operand) => self.unary(frame, *op, operand, expr.span),
            ExprKind::Binary(op, a, b) => self.binary(frame, *op, a, b, expr),
            ExprKind::Choice(condition, yes, no) => match self.condition(frame, condition) {
                Some(true) => self.eval(frame, yes),
                Some(false) => self.eval(frame, no),
                None => Val::Poison,
            },
            ExprKind::Field(of, name) => self.field(frame, of, name),
            ExprKind::Call(call) if self.is_function(frame, call) => self.function(frame, call),
            ExprKind::Call(_) => self.inline(frame, expr),
            ExprKind::Seq(_) | ExprKind::Branch { .. } | ExprKind::Chain(_) => {
                self.inline(frame, expr)
            }
        }
    }

    /// A layer or chain inside an expression: it goes on from the current value and leaves it as it was.
    fn inline(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Val {
        let before = frame.current.clone();
        let flow = match &expr.kind {
            ExprKind::Chain(chain) => self.chain(frame, chain),
            _ => self.step_expr(frame, expr, Naming::Auto, false),
        };
        frame.current = before;
        Val::Flow(flow)
    }

    /// Whether a call is of a function on numbers; `min(a, b)` of two values is a layer.
    fn is_function(&self, frame: &Frame<'a>, call: &ast::Call) -> bool {
        matches!(call.name.text.as_str(), "first" | "min" | "max" | "floor")
            && !call.args.iter().any(|it| self.is_value(frame, &it.value))
    }

    fn items(&mut self, frame: &mut Frame<'a>, items: &'a [Expr], span: Span) -> Option<List> {
        let items: Rc<[Val]> = items.iter().map(|it| self.eval(frame, it)).collect();
        if items.iter().any(Val::is_poison) {
            return None;
        }
        let list = List::new(items);
        if list.is_none() {
            let message =
                "a list has more than 2^20 items, or lists inside one another are deeper than 64";
            self.report(
                Diagnostic::error("limit", span, message).help("cut it into several lists"),
            );
        }
        list
    }

    /// The current value, or a complaint that there is none.
    pub(super) fn current(&mut self, frame: &Frame<'a>, span: Span) -> Option<Flow> {
        if let Some(flow) = &frame.current {
            return Some(flow.clone());
        }
        let mut fault =
            Diagnostic::error("no-current-value", span, "there is no current value to go on from");
        let inputs = frame.net.as_ref().map_or(&[][..], |it| &it.inputs);
        fault = match inputs {
            [] if frame.definition.is_none() => fault,
            [] => fault.help("declare an input first"),
            [first, ..] => fault
                .and(*first, "after several inputs no one is current")
                .help("begin with one of them, as in `a -> conv(64, 3)`"),
        };
        self.report(fault);
        None
    }

    fn name(&mut self, frame: &mut Frame<'a>, name: &'a str, expr: &'a Expr) -> Val {
        match frame.read(name) {
            Some(Bound::Val(val)) => return val.clone(),
            Some(Bound::Shared(_)) => return self.inline(frame, expr),
            None => {}
        }
        if let Some(global) = self.global(frame.file, name) {
            return match self.constant(global, name) {
                Some(val) => val,
                None => self.inline(frame, expr),
            };
        }
        if let Some(word) = word(name) {
            return Val::Word(word);
        }
        if Op::find(name).is_some() {
            return self.inline(frame, expr);
        }
        let fault = self.unknown(frame, name, expr.span, Wanted::Value);
        self.report(fault);
        Val::Poison
    }

    /// The value of a constant, evaluated in its own file; `None` if the name is that of a block or net.
    pub(super) fn constant(&mut self, global: Global, name: &str) -> Option<Val> {
        let files = self.files;
        let item = &files[global.file].ast.items[global.item];
        let ast::ItemKind::Const { name: declared, value } = &item.kind else { return None };
        let key = (global.file, declared.text.as_str());
        match self.consts.get(&key) {
            Some(Some(val)) => return Some(val.clone()),
            Some(None) => {
                let message = format!("the constant `{name}` needs itself");
                self.report(Diagnostic::error("recursion", declared.span, message));
                return Some(Val::Poison);
            }
            None => {}
        }
        self.consts.insert(key, None);
        let mut frame = Frame::new(global.file, None, String::new());
        let mut val = self.eval(&mut frame, value);
        if matches!(val, Val::Flow(_)) {
            let message = format!("the constant `{name}` is not a number, word, string or list");
            self.report(Diagnostic::error("wrong-kind", value.span, message));
            val = Val::Poison;
        }
        self.consts.insert(key, Some(val.clone()));
        Some(val)
    }

    fn range(&mut self, frame: &mut Frame<'a>, from: &'a Expr, to: &'a Expr, span: Span) -> Val {
        let (a, b) = (self.whole(frame, from), self.whole(frame, to));
        let (Some(a), Some(b)) = (a, b) else { return Val::Poison };
        let count = usize::try_from(b.saturating_sub(a)).unwrap_or(0);
        if !self.check_repeat(count, span) || !self.charge(count, span) {
            return Val::Poison;
        }
        List::new((a..b).map(Val::Int).collect()).map_or(Val::Poison, Val::List)
    }

    /// Whether so many copies are allowed.
    pub(super) fn check_repeat(&mut self, count: usize, span: Span) -> bool {
        if count <= self.limits.repeat {
            return true;
        }
        let message = format!("{count} copies are more than {}", self.limits.repeat);
        self.report(super::apply::limit(span, "repeat", message));
        false
    }

    /// A whole number, or a complaint.
    pub(super) fn whole(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Option<i64> {
        match self.eval(frame, expr) {
            Val::Int(it) => Some(it),
            other => {
                self.wrong_kind(&other, "a whole number", expr.span);
                None
            }
        }
    }

    /// A truth, or a complaint.
    pub(super) fn condition(&mut self, frame: &mut Frame<'a>, expr: &'a Expr) -> Option<bool> {
        match self.eval(frame, expr) {
            Val::Bool(it) => Some(it),
            other => {
                self.wrong_kind(&other, "`true` or `false`", expr.span);
                None
            }
        }
    }

    pub(super) fn wrong_kind(&mut self, found: &Val, want: &str, span: Span) {
        if !found.is_poison() {
            let what = match found {
                Val::Flow(_) => "a value of the net".to_owned(),
                other => format!("{} `{other}`", other.kind()),
            };
            let message = format!("{want} is needed here, found {what}");
            self.report(Diagnostic::error("wrong-kind", span, message));
        }
    }

    fn unary(&mut self, frame: &mut Frame<'a>, op: UnaryOp, operand: &'a Expr, span: Span) -> Val {
        if op == UnaryOp::Not {
            return self.condition(frame, operand).map_or(Val::Poison, |it| Val::Bool(!it));
        }
        match self.eval(frame, operand) {
            it @ (Val::Int(_) | Val::Number(_)) => {
                let zero = Val::Int(0);
                value::math(Math::Sub, &zero, &it)
                    .unwrap_or_else(|fault| self.math_fault(fault, Math::Sub, &zero, &it, span))
            }
            Val::Flow(flow) => Val::Flow(self.affine(frame, -1.0, 0.0, flow, span)),
            other => {
                self.wrong_kind(&other, "a number or a value of the net", operand.span);
                Val::Poison
            }
        }
    }

    fn binary(
        &mut self,
        frame: &mut Frame<'a>,
        op: BinaryOp,
        a: &'a Expr,
        b: &'a Expr,
        expr: &'a Expr,
    ) -> Val {
        if let BinaryOp::And | BinaryOp::Or = op {
            let decided = op == BinaryOp::Or;
            return match self.condition(frame, a) {
                Some(it) if it == decided => Val::Bool(decided),
                Some(_) => self.condition(frame, b).map_or(Val::Poison, Val::Bool),
                None => Val::Poison,
            };
        }
        let left = self.eval(frame, a);
        if matches!(left, Val::Int(_)) && op == BinaryOp::Mul && self.is_layer(frame, b) {
            return self.inline(frame, expr);
        }
        let right = self.eval(frame, b);
        let math = math_of(op);
        if let (Val::Flow(_), _) | (_, Val::Flow(_)) = (&left, &right) {
            return self.flow_math(frame, math, left, right, expr.span);
        }
        if !self.charge(left.size().min(right.size()), expr.span) {
            return Val::Poison;
        }
        value::math(math, &left, &right)
            .unwrap_or_else(|fault| self.math_fault(fault, math, &left, &right, expr.span))
    }

    /// Says why arithmetic has no result.
    pub(super) fn math_fault(
        &mut self,
        fault: Fault,
        op: Math,
        a: &Val,
        b: &Val,
        span: Span,
    ) -> Val {
        let sign = op.sign();
        let diagnostic = match fault {
            Fault::Types => {
                let message = format!("`{sign}` does not take {} and {}", a.kind(), b.kind());
                Diagnostic::error("wrong-kind", span, message)
            }
            Fault::Overflow => {
                let message = format!("`{a} {sign} {b}` is too large a number");
                Diagnostic::error("overflow", span, message)
            }
            Fault::Zero => Diagnostic::error(
                "division-by-zero",
                span,
                format!("`{a} {sign} {b}` divides by zero"),
            ),
            Fault::Remainder(rest) => {
                let message = format!("{a} / {b} leaves a remainder of {rest}");
                Diagnostic::error("inexact-division", span, message)
                    .help("sizes are whole numbers: `floor(a / b)` rounds down")
            }
        };
        self.report(diagnostic);
        Val::Poison
    }

    /// `+ - *` on values of the net, and on values and numbers.
    fn flow_math(
        &mut self,
        frame: &mut Frame<'a>,
        op: Math,
        left: Val,
        right: Val,
        span: Span,
    ) -> Val {
        let layer = match op {
            Math::Add => "add",
            Math::Sub => "sub",
            Math::Mul => "mul",
            _ => "",
        };
        match (left, right) {
            (Val::Poison, _) | (_, Val::Poison) => Val::Flow(Flow::default()),
            (Val::Flow(a), Val::Flow(b)) if !layer.is_empty() => {
                Val::Flow(self.plain_layer(frame, layer, &[a, b], span))
            }
            (Val::Flow(it), k) if k.float().is_some() && !layer.is_empty() => {
                let k = k.float().unwrap_or_default();
                let (scale, shift) = match op {
                    Math::Mul => (k, 0.0),
                    Math::Add => (1.0, k),
                    _ => (1.0, -k),
                };
                Val::Flow(self.affine(frame, scale, shift, it, span))
            }
            (k, Val::Flow(it)) if k.float().is_some() && !layer.is_empty() => {
                let k = k.float().unwrap_or_default();
                let (scale, shift) = match op {
                    Math::Mul => (k, 0.0),
                    Math::Add => (1.0, k),
                    _ => (-1.0, k),
                };
                Val::Flow(self.affine(frame, scale, shift, it, span))
            }
            (a, b) => {
                let message =
                    format!("`{}` does not take {} and {}", op.sign(), a.kind(), b.kind());
                let help = match (op, a, b.float()) {
                    (Math::Div, _, Some(0.0)) => "nothing can be divided by 0".to_owned(),
                    (Math::Div, Val::Flow(_), Some(k)) if 1.0 / k == (1e6 / k).round() / 1e6 => {
                        format!("write `{} * v`, which is the same", 1.0 / k)
                    }
                    (Math::Div, Val::Flow(_), Some(k)) => format!("write `(1.0 / {k}) * v`"),
                    (Math::Div, ..) => "the layer `div(a, b)` divides values of the net".to_owned(),
                    _ => {
                        "values of the net know `+`, `-` and `*`, with one another and with numbers"
                            .to_owned()
                    }
                };
                self.report(Diagnostic::error("wrong-kind", span, message).help(help));
                Val::Poison
            }
        }
    }

    /// `g.relu4_2`, `it.c`.
    fn field(&mut self, frame: &mut Frame<'a>, of: &'a Expr, name: &'a ast::Name) -> Val {
        let flow = match self.eval(frame, of) {
            Val::Flow(flow) => flow,
            other => {
                self.wrong_kind(&other, "a value of the net", of.span);
                return Val::Poison;
            }
        };
        let Some(id) = flow.id else { return Val::Poison };
        let dims = self.draft.shape(id).sample();
        let size = match (name.text.as_str(), dims) {
            ("c", [c, ..]) => Some(*c),
            ("l", [_, l]) => Some(*l),
            ("w", [_, _, w] | [_, _, _, w]) => Some(*w),
            ("h", [_, h, _] | [_, _, h, _]) => Some(*h),
            ("d", [_, d, _, _]) => Some(*d),
            _ => None,
        };
        if let Some(size) = size {
            return Val::Int(i64::try_from(size).unwrap_or(i64::MAX));
        }
        if let Some(field) = flow.fields.as_ref().and_then(|it| it.get(&name.text)) {
            self.tapped.insert(id);
            return Val::Flow(field.clone());
        }
        let shape = self.draft.shape(id);
        let mut fault = if is_size(&name.text) {
            let message = format!("a value {shape} has no size `{}`", name.text);
            Diagnostic::error("unknown-field", name.span, message)
                .help("`[C, L]` has c and l, `[C, H, W]` has c, h and w, `[C, D, H, W]` has d too")
        } else {
            let message = format!("this value has no field `{}`", name.text);
            Diagnostic::error("unknown-field", name.span, message)
        };
        if !is_size(&name.text) {
            let mut known: Vec<&str> =
                flow.fields.iter().flat_map(|it| it.keys()).map(String::as_str).collect();
            known.sort_unstable();
            let list = if known.len() > 12 { &known[..12] } else { &known };
            fault = match nearest(&name.text, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => fault.help(
                    "the labelled values inside a block or net are fields of what its application gives",
                ),
                None => fault.help(format!("its fields are `{}`", list.join("`, `"))),
            };
        }
        self.report(fault);
        Val::Poison
    }
}

/// Whether a name after a dot is a size.
pub(super) fn is_size(name: &str) -> bool {
    matches!(name, "c" | "d" | "h" | "w" | "l")
}

/// A word that some layer's argument knows.
pub(super) fn word(name: &str) -> Option<&'static str> {
    let words = Op::TABLE.iter().flat_map(|it| it.args).flat_map(|it| it.words);
    words.copied().find(|it| *it == name)
}

fn math_of(op: BinaryOp) -> Math {
    match op {
        BinaryOp::Eq => Math::Equal,
        BinaryOp::Ne => Math::Unequal,
        BinaryOp::Lt => Math::Less,
        BinaryOp::Le => Math::LessEqual,
        BinaryOp::Gt => Math::Greater,
        BinaryOp::Ge => Math::GreaterEqual,
        BinaryOp::Sub => Math::Sub,
        BinaryOp::Mul => Math::Mul,
        BinaryOp::Div => Math::Div,
        BinaryOp::Rem => Math::Rem,
        BinaryOp::Add | BinaryOp::And | BinaryOp::Or => Math::Add,
    }
}
