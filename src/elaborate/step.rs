//! The steps of a chain: what each one is, and layers among them.

use std::rc::Rc;

use super::Expander;
use super::apply::Call;
use super::eval::is_size;
use super::frame::{Bound, Frame, Shared};
use super::load::Global;
use super::suggest::Wanted;
use super::value::{Flow, Val};
use crate::diag::{Diagnostic, Span};
use crate::ops::{Entry, Given, Op};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, StepKind, UnaryOp};
use crate::syntax::is_plain_name;

/// The longest weight path.
const PATH_BYTES_MAX: usize = 1024;

/// What a layer or scope is called.
pub(super) enum Naming<'a> {
    /// By kind and count, or by position.
    Auto,
    /// By its label.
    Label(&'a ast::Name),
    /// This path: a copy of a repetition, a shared instance.
    Path(String),
}

/// What a name in a step stands for.
enum Callee<'a> {
    Layer(&'static Entry),
    Definition(usize, &'a ast::Definition, bool),
    Shared(Rc<Shared<'a>>),
    /// Something that cannot be applied.
    Other(Val),
    Unknown,
}

/// A call or a bare name in a step.
pub(super) struct Applied<'a> {
    pub(super) name: &'a str,
    pub(super) name_span: Span,
    pub(super) args: &'a [ast::Arg],
    pub(super) span: Span,
}

impl<'a> Expander<'a> {
    /// Whether an expression begins a chain of its own: it is a value, or works on values.
    pub(super) fn is_value(&self, frame: &Frame<'a>, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::It => true,
            ExprKind::Name(name) => {
                matches!(frame.look(name), Some(Bound::Val(Val::Flow(_) | Val::Poison)))
            }
            ExprKind::Text(name) => {
                !is_plain_name(name) && matches!(frame.look(name), Some(Bound::Val(Val::Flow(_))))
            }
            ExprKind::Field(_, name) => !is_size(&name.text),
            ExprKind::Call(call) => {
                let on_values = match self.callee(frame, &call.name.text) {
                    Callee::Layer(Entry { arity: (_, 0), .. }) => return true,
                    Callee::Layer(_) | Callee::Shared(_) | Callee::Definition(_, _, true) => true,
                    Callee::Definition(_, _, false) | Callee::Other(_) | Callee::Unknown => false,
                };
                let positional = || call.args.iter().filter(|it| it.name.is_none());
                on_values && positional().any(|it| self.is_value(frame, &it.value))
            }
            ExprKind::Unary(UnaryOp::Neg, it) => self.is_value(frame, it),
            ExprKind::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, a, b) => {
                self.is_value(frame, a) || self.is_value(frame, b)
            }
            ExprKind::Choice(_, yes, _) => self.is_value(frame, yes),
            ExprKind::Chain(chain) => match chain.steps.first().map(|it| &it.kind) {
                Some(StepKind::Expr(it)) => self.is_value(frame, it),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether an expression is a layer or block to be applied, so that `n *` repeats it.
    pub(super) fn is_layer(&self, frame: &Frame<'a>, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => {
                !matches!(frame.look(name), Some(Bound::Val(_)))
                    && !matches!(self.callee(frame, name), Callee::Other(_) | Callee::Unknown)
            }
            ExprKind::Call(call) => {
                let function = matches!(call.name.text.as_str(), "first" | "min" | "max" | "floor");
                !function && !self.is_value(frame, expr)
            }
            ExprKind::Seq(_) | ExprKind::Branch { .. } => true,
            ExprKind::Chain(_) => !self.is_value(frame, expr),
            ExprKind::Binary(BinaryOp::Mul, _, it) => self.is_layer(frame, it),
            _ => false,
        }
    }

    /// Layers come first: a parameter may be called `pad`, and `-> pad(1)` is the layer all the same.
    fn callee(&self, frame: &Frame<'a>, name: &str) -> Callee<'a> {
        if let Some(entry) = Op::find(name) {
            return Callee::Layer(entry);
        }
        match frame.look(name) {
            Some(Bound::Val(val)) => return Callee::Other(val.clone()),
            Some(Bound::Shared(shared)) => return Callee::Shared(shared.clone()),
            None => {}
        }
        if let Some(Global { file, item }) = self.global(frame.file, name) {
            let files = self.files;
            return match &files[file].ast.items[item].kind {
                ast::ItemKind::Net(it) => Callee::Definition(file, it, true),
                ast::ItemKind::Block(it) => Callee::Definition(file, it, false),
                _ => Callee::Other(Val::Poison),
            };
        }
        Callee::Unknown
    }

    /// A step in the middle of a chain, or at its start if it goes on from the current value. `chained`
    /// says that the current value is the first operand whatever the arguments are.
    pub(super) fn step_expr(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        if !self.charge(1, expr.span) || !self.enter(expr.span) {
            return Flow::default();
        }
        let flow = self.step_inner(frame, expr, naming, chained);
        self.leave();
        flow
    }

    fn step_inner(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Name(name) => {
                let applied = Applied { name, name_span: span, args: &[], span };
                self.apply(frame, applied, naming, chained)
            }
            ExprKind::Call(call) => {
                let name = call.name.text.as_str();
                let applied =
                    Applied { name, name_span: call.name.span, args: &call.args, span: call.span };
                self.apply(frame, applied, naming, chained)
            }
            ExprKind::Seq(body) => self.seq(frame, body, naming, span),
            ExprKind::Branch { op, arms } => self.branch(frame, op, arms, naming),
            ExprKind::Chain(chain) => self.parenthesised(frame, chain, naming, span),
            ExprKind::Binary(BinaryOp::Mul, n, it) if self.is_layer(frame, it) => {
                self.product(frame, n, it, naming, span)
            }
            ExprKind::Choice(condition, yes, no) => match self.condition(frame, condition) {
                Some(true) => self.step_expr(frame, yes, naming, chained),
                Some(false) => self.step_expr(frame, no, naming, chained),
                None => Flow::default(),
            },
            _ => self.computed(frame, expr, naming, chained),
        }
    }

    /// A value or a computation where a step stands.
    fn computed(
        &mut self,
        frame: &mut Frame<'a>,
        expr: &'a Expr,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        if let Naming::Label(label) = naming {
            let message = format!("the label `{}` stands before a value, not a layer", label.text);
            self.report(
                Diagnostic::error("not-a-layer", label.span, message)
                    .help(format!("`{} = ..` names a value; `add(a, b)` is a layer", label.text)),
            );
        }
        let val = self.eval(frame, expr);
        match val {
            Val::Flow(flow) if !chained => flow,
            Val::Text(text) if matches!(frame.look(&text), Some(Bound::Val(Val::Flow(_)))) => {
                let message = format!("{:?} is a string, not the value `{text}`", &*text);
                self.report(
                    Diagnostic::error("not-a-layer", expr.span, message)
                        .help(format!("write `{text}` without quotes")),
                );
                Flow::default()
            }
            other => {
                self.no_layer(&other, None, expr.span);
                Flow::default()
            }
        }
    }

    fn no_layer(&mut self, found: &Val, name: Option<&str>, span: Span) {
        if found.is_poison() {
            return;
        }
        let shown = name.map_or_else(|| found.to_string(), str::to_owned);
        let fault = match found {
            Val::Flow(_) => {
                let what = name.map_or_else(|| "this".to_owned(), |it| format!("`{it}`"));
                Diagnostic::error("not-a-layer", span, format!("{what} is a value, not a layer"))
                    .help("a value begins a chain; `-> add(v)` and `-> concat(v)` bring one in")
            }
            other => {
                let message = format!("`{shown}` is {}, not a layer", other.kind());
                Diagnostic::error("not-a-layer", span, message)
            }
        };
        self.report(fault);
    }

    fn apply(
        &mut self,
        frame: &mut Frame<'a>,
        it: Applied<'a>,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        match self.callee(frame, it.name) {
            Callee::Layer(entry) => self.apply_layer(frame, entry, it, naming, chained),
            Callee::Definition(file, definition, is_net) => {
                self.apply_definition(frame, (file, definition, is_net), it, naming, chained)
            }
            Callee::Shared(shared) => {
                frame.read(it.name);
                self.apply_shared(frame, &shared, it, chained)
            }
            Callee::Other(val) => {
                let val = match self.global(frame.file, it.name) {
                    Some(global) if frame.look(it.name).is_none() => {
                        self.constant(global, it.name).unwrap_or(Val::Poison)
                    }
                    _ => val,
                };
                self.no_layer(&val, Some(it.name), it.name_span);
                Flow::default()
            }
            Callee::Unknown => {
                let wanted =
                    if chained || !it.args.is_empty() { Wanted::Layer } else { Wanted::Step };
                let fault = self.unknown(frame, it.name, it.name_span, wanted);
                self.report(fault);
                for arg in self.within(it.args) {
                    self.eval(frame, &arg.value);
                }
                Flow::default()
            }
        }
    }

    fn apply_layer(
        &mut self,
        frame: &mut Frame<'a>,
        entry: &'static Entry,
        it: Applied<'a>,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        let args = self.layer_args(frame, entry, it.args);
        let path = self.child_path(frame, naming, entry.name, it.name_span);
        let mut operands = args.operands;
        if chained || (operands.is_empty() && entry.arity.1 > 0) {
            let flow = self.current(frame, it.name_span).unwrap_or_default();
            operands.insert(0, flow);
        }
        let call = Call {
            entry,
            name: it.name_span,
            span: it.span,
            given: args.given,
            path,
            arms: false,
            inside: args.inside,
        };
        self.layer(call, &operands)
    }

    /// A layer that stands for a sign, such as `+`.
    pub(super) fn plain_layer(
        &mut self,
        frame: &mut Frame<'a>,
        name: &str,
        operands: &[Flow],
        span: Span,
    ) -> Flow {
        self.sign_layer(frame, name, Vec::new(), operands, span)
    }

    /// `scale * value + shift`
    pub(super) fn affine(
        &mut self,
        frame: &mut Frame<'a>,
        scale: f64,
        shift: f64,
        flow: Flow,
        span: Span,
    ) -> Flow {
        let given = [("scale", scale, 1.0), ("shift", shift, 0.0)]
            .into_iter()
            .filter(|(_, value, default)| value != default)
            .map(|(name, value, _)| Given {
                name: name.to_owned(),
                value: crate::ops::Value::Number(value),
                span,
            });
        self.sign_layer(frame, "affine", given.collect(), &[flow], span)
    }

    fn sign_layer(
        &mut self,
        frame: &mut Frame<'a>,
        name: &str,
        given: Vec<Given>,
        operands: &[Flow],
        span: Span,
    ) -> Flow {
        let entry = Op::find(name).expect("the table has what signs stand for");
        let path = self.child_path(frame, Naming::Auto, name, span);
        self.layer(
            Call { entry, name: span, span, given: Some(given), path, arms: false, inside: None },
            operands,
        )
    }

    /// The weight path of a child of the innermost scope.
    pub(super) fn child_path(
        &mut self,
        frame: &mut Frame<'a>,
        naming: Naming<'a>,
        kind: &str,
        span: Span,
    ) -> String {
        let (label, span) = match naming {
            Naming::Path(path) => return path,
            Naming::Auto => (None, span),
            Naming::Label(label) => (Some(label), label.span),
        };
        if let Some(label) = label.filter(|it| is_size(&it.text)) {
            let message = format!("`{}` is a size of a value and cannot be a label", label.text);
            self.report(Diagnostic::error("reserved-name", label.span, message));
        }
        let (path, clash) = frame.scope().child(label.map(|it| it.text.as_str()), kind, span);
        if path.len() > PATH_BYTES_MAX {
            let message = format!("a weight path has more than {PATH_BYTES_MAX} bytes");
            let fault = Diagnostic::error("limit", span, message);
            self.report(fault.help("shorten the labels, or put fewer blocks inside one another"));
            self.stopped = true;
        }
        let Some(clash) = clash else { return path };
        let how = if clash.first_is_label { "is given here" } else { "is this layer's own name" };
        let message = format!("the label `{}` is given twice in its scope", clash.name);
        let mut fault = Diagnostic::error("duplicate-label", span, message);
        fault = if clash.first == span {
            fault.help("in a repeated body give no label, or repeat a block with `n *`")
        } else {
            fault.and(clash.first, format!("`{}` {how}", clash.name)).help("rename one of them")
        };
        self.report(fault);
        format!("{path}~{}", self.draft.layers())
    }
}
