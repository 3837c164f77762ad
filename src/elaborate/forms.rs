//! Forms that hold other steps: `seq`, parentheses, repetition and branches.

use std::rc::Rc;

use super::Expander;
use super::applied::Copy;
use super::apply::Call;
use super::frame::Frame;
use super::scope::Scope;
use super::step::Naming;
use super::suggest::Wanted;
use super::value::{Fields, Flow, Val};
use crate::diag::{Diagnostic, Span};
use crate::ops::Op;
use crate::syntax::ast::{self, Expr, ExprKind};

impl<'a> Expander<'a> {
    pub(super) fn seq(
        &mut self,
        frame: &mut Frame<'a>,
        body: &'a ast::Body,
        naming: Naming<'a>,
        span: Span,
    ) -> Flow {
        let path = self.child_path(frame, naming, "seq", span);
        self.scoped(frame, Scope::seq(path), span, |expander, frame| {
            expander.body(frame, body);
        })
    }

    /// A chain in parentheses; a label makes it a scope.
    pub(super) fn parenthesised(
        &mut self,
        frame: &mut Frame<'a>,
        chain: &'a ast::Chain,
        naming: Naming<'a>,
        span: Span,
    ) -> Flow {
        let path = match naming {
            Naming::Auto => return self.chain(frame, chain),
            other => self.child_path(frame, other, "", span),
        };
        self.scoped(frame, Scope::new(path), span, |expander, frame| {
            frame.current = Some(expander.chain(frame, chain));
        })
    }

    /// Runs something inside a scope of weight paths; its labelled values become fields of the result.
    fn scoped(
        &mut self,
        frame: &mut Frame<'a>,
        scope: Scope,
        span: Span,
        run: impl FnOnce(&mut Self, &mut Frame<'a>),
    ) -> Flow {
        frame.scopes.push((scope, Fields::new()));
        run(self, frame);
        let fields = frame.scopes.pop().map(|it| it.1).unwrap_or_default();
        let id = self.current(frame, span).and_then(|it| it.id);
        Flow { id, fields: Some(Rc::new(fields)) }
    }

    /// `n * layer`, or a number times what a layer gives.
    pub(super) fn product(
        &mut self,
        frame: &mut Frame<'a>,
        n: &'a Expr,
        it: &'a Expr,
        naming: Naming<'a>,
        span: Span,
    ) -> Flow {
        match self.eval(frame, n) {
            Val::Int(count) => {
                let Ok(count) = usize::try_from(count) else {
                    let message = format!("a layer cannot be repeated {count} times");
                    self.report(Diagnostic::error("wrong-kind", n.span, message));
                    return Flow::default();
                };
                self.repeat(frame, count, it, naming, span)
            }
            Val::Number(factor) => {
                let flow = self.step_expr(frame, it, naming, false);
                self.affine(frame, factor, 0.0, flow, span)
            }
            other => {
                self.wrong_kind(&other, "a whole number of copies", n.span);
                Flow::default()
            }
        }
    }

    fn repeat(
        &mut self,
        frame: &mut Frame<'a>,
        count: usize,
        it: &'a Expr,
        naming: Naming<'a>,
        span: Span,
    ) -> Flow {
        if !self.check_repeat(count, span) || !self.charge(count, span) {
            return Flow::default();
        }
        let before = frame.copy;
        let flow = if matches!(naming, Naming::Auto) && frame.scope().is_seq() {
            self.copies(frame, count, it, |_| Naming::Auto)
        } else {
            let path = self.child_path(frame, naming, kind_of(it), span);
            self.scoped(frame, Scope::new(path.clone()), span, |expander, frame| {
                let flow =
                    expander.copies(frame, count, it, |i| Naming::Path(format!("{path}.{i}")));
                frame.current = Some(flow);
            })
        };
        frame.copy = before;
        flow
    }

    fn copies(
        &mut self,
        frame: &mut Frame<'a>,
        count: usize,
        it: &'a Expr,
        naming: impl Fn(usize) -> Naming<'a>,
    ) -> Flow {
        let mut flow = self.current(frame, it.span).unwrap_or_default();
        for i in 0..count {
            if self.stopped {
                break;
            }
            frame.copy = Some(Copy { at: i, of: count });
            flow = self.step_expr(frame, it, naming(i), false);
            frame.fields().insert(i.to_string(), flow.clone());
            frame.current = Some(flow.clone());
        }
        flow
    }

    pub(super) fn branch(
        &mut self,
        frame: &mut Frame<'a>,
        op: &'a ast::Name,
        arms: &'a [ast::Body],
        naming: Naming<'a>,
    ) -> Flow {
        let entry = Op::find(&op.text);
        let start = frame.current.clone();
        let own_scope = !matches!(naming, Naming::Auto) || frame.scope().is_seq();
        let path = own_scope.then(|| self.child_path(frame, naming, &op.text, op.span));
        if let Some(path) = &path {
            frame.scopes.push((Scope::new(path.clone()), Fields::new()));
        }
        let mut operands = Vec::with_capacity(arms.len());
        for arm in arms {
            frame.current = start.clone();
            self.body(frame, arm);
            let end = if arm.stmts.is_empty() { op.span } else { arm.span };
            operands.push(self.current(frame, end).unwrap_or_default());
        }
        frame.current = start;
        let fields = path.is_some().then(|| frame.scopes.pop().map(|it| Rc::new(it.1))).flatten();
        let Some(entry) = entry else {
            let fault = self.unknown(frame, &op.text, op.span, Wanted::Operator);
            self.report(fault.help("`add`, `mul` and `concat` join arms"));
            return Flow::default();
        };
        let path =
            path.unwrap_or_else(|| self.child_path(frame, Naming::Auto, entry.name, op.span));
        let args = self.layer_args(frame, entry, &[]);
        // The keyword alone is the place: a whole branch would hide what is wrong.
        let (name, span, given) = (op.span, op.span, args.given);
        let call = Call { entry, name, span, given, path, arms: true, inside: None };
        Flow { fields, ..self.layer(call, &operands) }
    }
}

/// What copies are counted by.
fn kind_of(it: &Expr) -> &str {
    match &it.kind {
        ExprKind::Name(name) => name,
        ExprKind::Call(call) => &call.name.text,
        ExprKind::Branch { op, .. } => &op.text,
        ExprKind::Seq(_) => "seq",
        _ => "repeat",
    }
}
