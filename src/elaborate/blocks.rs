//! Applications of blocks, nets and shared instances.

use std::rc::Rc;

use super::Expander;
use super::applied::Application;
use super::args::{BlockArg, head};
use super::frame::{Bound, Frame, NetFrame, Shared};
use super::step::{Applied, Naming};
use super::value::{Flow, Val};
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast;

impl<'a> Expander<'a> {
    pub(super) fn apply_shared(
        &mut self,
        frame: &mut Frame<'a>,
        shared: &Shared<'a>,
        it: Applied<'a>,
        chained: bool,
    ) -> Flow {
        let mut operands = Vec::new();
        for arg in self.within(it.args) {
            match self.eval(frame, &arg.value) {
                Val::Flow(flow) if arg.name.is_none() => operands.push(flow),
                other => self.wrong_kind(&other, "a value of the net", arg.span),
            }
        }
        if chained || it.args.is_empty() {
            operands.insert(0, self.current(frame, it.name_span).unwrap_or_default());
        }
        if operands.len() != 1 {
            if operands.len() > 1 {
                let message = format!(
                    "the shared `{}` takes 1 value, here it has {}",
                    it.name,
                    operands.len()
                );
                self.report(Diagnostic::error("operands", it.span, message));
            }
            return Flow::default();
        }
        frame.scope().skip();
        self.sites.push(it.name_span);
        let before = std::mem::replace(&mut frame.current, operands.pop());
        let naming = Naming::Path(shared.path.clone());
        let flow = self.step_expr(frame, shared.layer, naming, false);
        self.sites.pop();
        frame.current = before;
        flow
    }

    pub(super) fn apply_definition(
        &mut self,
        frame: &mut Frame<'a>,
        (file, definition, is_net): (usize, &'a ast::Definition, bool),
        it: Applied<'a>,
        naming: Naming<'a>,
        chained: bool,
    ) -> Flow {
        let (args, mut inputs) = self.block_args(frame, definition, it.args, is_net);
        let path = self.child_path(frame, naming, &definition.name.text, it.name_span);
        if let Some(at) = self.active.iter().position(|it| std::ptr::eq(*it, definition)) {
            self.recursion(at, definition, it.name_span);
            return Flow::default();
        }
        if self.active.len() >= self.limits.nesting {
            let message =
                format!("more than {} blocks stand inside one another", self.limits.nesting);
            self.report(super::apply::limit(it.name_span, "nesting", message));
            return Flow::default();
        }
        // An application costs as much as some ten other steps.
        if !self.charge(10, it.span) {
            return Flow::default();
        }
        let mut inner = Frame::new(file, Some(definition), path);
        if is_net {
            if chained || inputs.is_empty() {
                let flow = self.current(frame, it.name_span).unwrap_or_default();
                inputs.insert(0, (flow, it.name_span));
            }
            inner.net = Some(NetFrame { given: Some(inputs.into()), ..NetFrame::default() });
        } else {
            inner.current = frame.current.clone();
        }
        self.bind_params(&mut inner, definition, args, it.span);
        let before = self.draft.len();
        self.applications.push(Application {
            name: &definition.name.text,
            body: definition.body.span,
            site: it.span,
            copy: frame.copy,
        });
        self.run_definition(&mut inner, definition);
        self.applications.pop();
        if is_net {
            self.inner.extend(self.draft.since(before));
        }
        self.result_of(inner, definition, it.span)
    }

    /// What an application gives: the current value at its end, or a net's first result.
    fn result_of(
        &mut self,
        mut frame: Frame<'a>,
        definition: &'a ast::Definition,
        span: Span,
    ) -> Flow {
        self.leave_values(&frame);
        let mut fields = std::mem::take(frame.fields());
        let Some(net) = frame.net else {
            let id = frame.current.and_then(|it| it.id);
            return Flow { id, fields: Some(Rc::new(fields)) };
        };
        if let Some((_, at)) = net.given.and_then(|mut it| it.pop_back()) {
            let name = &definition.name.text;
            let message = format!("`{name}` has fewer inputs than values are given");
            self.report(
                Diagnostic::error("net-inputs", at, message)
                    .and(definition.name.span, "declared here"),
            );
        }
        let id = net.outputs.first().and_then(|it| it.1.id);
        if net.outputs.is_empty() {
            let message = format!("the net `{}` has no output to go on from", definition.name.text);
            self.report(Diagnostic::error("no-output", span, message));
        }
        for (name, flow) in net.outputs {
            fields.entry(name).or_insert(flow);
        }
        Flow { id, fields: Some(Rc::new(fields)) }
    }

    fn recursion(&mut self, at: usize, definition: &ast::Definition, span: Span) {
        let name = &definition.name.text;
        let ring: Vec<&str> = self.active[at..]
            .iter()
            .map(|it| it.name.text.as_str())
            .chain([name.as_str()])
            .collect();
        let mut fault = Diagnostic::error("recursion", span, format!("`{name}` applies itself"));
        if ring.len() > 2 {
            fault = fault.note(ring.join(" -> "));
        }
        self.report(
            fault
                .and(definition.name.span, "declared here")
                .help("a net is expanded when compiling: repeat with `n * x` or `for`"),
        );
    }

    /// Binds the parameters of a block or net: what is given, or else its default.
    pub(super) fn bind_params(
        &mut self,
        frame: &mut Frame<'a>,
        definition: &'a ast::Definition,
        mut args: Vec<BlockArg<'a>>,
        span: Span,
    ) {
        let is_missing = |it: &ast::Param| {
            it.default.is_none() && args.iter().all(|arg| arg.param != it.name.text)
        };
        if definition.params.iter().any(is_missing) {
            // Which one was forgotten is open, so the others may stand for something else.
            args.iter_mut().filter(|it| it.is_counted).for_each(|it| it.val = Val::Poison);
        }
        for param in &definition.params {
            let name = param.name.text.as_str();
            let given = args.iter().position(|it| it.param == name).map(|it| args.swap_remove(it));
            let (val, at) = match (given, &param.default) {
                (Some(given), _) => (given.val, given.span),
                (None, Some(default)) => (self.eval(frame, default), param.name.span),
                (None, None) => {
                    let message = format!("`{}` needs `{name}`", definition.name.text);
                    self.report(
                        Diagnostic::error("missing-argument", span, message)
                            .and(param.name.span, "declared without a default")
                            .help(head(definition)),
                    );
                    (Val::Poison, param.name.span)
                }
            };
            frame.bind(name, Bound::Val(val), at);
        }
    }

    pub(super) fn run_definition(
        &mut self,
        frame: &mut Frame<'a>,
        definition: &'a ast::Definition,
    ) {
        if !self.enter(definition.name.span) {
            frame.current = Some(Flow::default());
            return;
        }
        self.active.push(definition);
        self.applied.insert(std::ptr::from_ref(definition));
        self.body(frame, &definition.body);
        self.active.pop();
        self.leave();
    }
}
