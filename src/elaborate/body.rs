//! Statements, chains, loops, conditions and shape notes.

use std::rc::Rc;

use super::applied::Copy;
use super::explain::Explain;
use super::frame::{Binding, Bound, Frame, Shared};
use super::load::reserved;
use super::step::Naming;
use super::value::{Flow, Val};
use super::{Expander, annotate};
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind, StepKind, StmtKind};

impl<'a> Expander<'a> {
    /// Runs statements one after another; the current value flows through them.
    pub(super) fn body(&mut self, frame: &mut Frame<'a>, body: &'a ast::Body) {
        for stmt in &body.stmts {
            if !self.charge(1, stmt.span) {
                return;
            }
            self.stmt(frame, stmt);
        }
    }

    fn stmt(&mut self, frame: &mut Frame<'a>, stmt: &'a ast::Stmt) {
        match &stmt.kind {
            StmtKind::Input { names, element, dims } => {
                self.inputs(frame, names, element, dims, stmt.span);
            }
            StmtKind::Output { name, train, chain } => {
                self.output(frame, name, *train, chain.as_ref());
            }
            StmtKind::Shared { name, layer } => self.shared(frame, name, layer),
            StmtKind::Value { name, chain } => {
                let flow = self.chain(frame, chain);
                frame.current = Some(flow.clone());
                self.declare(frame, name, Bound::Val(Val::Flow(flow)));
            }
            StmtKind::Chain(chain) => {
                if let Some(flow) = self.steps(frame, chain) {
                    frame.current = Some(flow);
                }
            }
        }
    }

    /// Names a value or shared instance.
    pub(super) fn declare(&mut self, frame: &mut Frame<'a>, name: &'a ast::Name, bound: Bound<'a>) {
        self.report_all(reserved(name));
        let before = frame.bind(&name.text, bound, name.span);
        if let Some(before) = before {
            self.leave_value(&before);
        }
    }

    /// Notes a value that goes out of reach without having been read.
    fn leave_value(&mut self, binding: &Binding<'a>) {
        if let Bound::Val(Val::Flow(Flow { id: Some(id), .. })) = binding.bound
            && !binding.read
        {
            self.unread.push((id, binding.span));
        }
    }

    /// The end of a frame: its values go out of reach.
    pub(super) fn leave_values(&mut self, frame: &Frame<'a>) {
        let mut bindings: Vec<&Binding<'a>> = frame.names().map(|it| it.1).collect();
        bindings.sort_by_key(|it| it.span);
        for it in bindings {
            self.leave_value(it);
        }
    }

    fn shared(&mut self, frame: &mut Frame<'a>, name: &'a ast::Name, layer: &'a ast::Expr) {
        let path = self.child_path(frame, Naming::Label(name), "shared", name.span);
        self.declare(frame, name, Bound::Shared(Rc::new(Shared { path, layer })));
    }

    /// Runs a chain and gives its value; the current value moves along with it.
    pub(super) fn chain(&mut self, frame: &mut Frame<'a>, chain: &'a ast::Chain) -> Flow {
        match self.steps(frame, chain) {
            Some(flow) => flow,
            None => self.current(frame, chain.span).unwrap_or_default(),
        }
    }

    /// As [`Self::chain`]; `None` if there is no value before the chain, and none after it.
    fn steps(&mut self, frame: &mut Frame<'a>, chain: &'a ast::Chain) -> Option<Flow> {
        let before = frame.current.clone();
        for (i, step) in chain.steps.iter().enumerate() {
            if self.stopped {
                return Some(Flow::default());
            }
            match &step.kind {
                StepKind::Expr(expr) => {
                    let flow = self.expr_step(frame, step, expr, i > 0);
                    frame.current = Some(flow);
                }
                StepKind::For(it) => {
                    self.no_label(step, "for");
                    self.for_loop(frame, it);
                }
                StepKind::If(it) => {
                    self.no_label(step, "if");
                    self.if_else(frame, it);
                }
            }
            if let Some(note) = &step.note {
                self.note(frame, note);
            }
        }
        self.keep_shapes(chain, before.as_ref(), frame.current.as_ref());
        frame.current.clone()
    }

    fn keep_shapes(&mut self, chain: &ast::Chain, before: Option<&Flow>, after: Option<&Flow>) {
        let (Some(shapes), Some(last)) = (&mut self.shapes, chain.steps.last()) else { return };
        let shape = |it: Option<&Flow>| it?.id.map(|it| self.draft.shape(it));
        if let Some(after) = shape(after) {
            annotate::keep(shapes, last.span, shape(before), after);
        }
    }

    fn expr_step(
        &mut self,
        frame: &mut Frame<'a>,
        step: &'a ast::Step,
        expr: &'a ast::Expr,
        chained: bool,
    ) -> Flow {
        let naming = step.label.as_ref().map_or(Naming::Auto, Naming::Label);
        let call = matches!(expr.kind, ExprKind::Call(_) | ExprKind::Chain(_));
        let flow = if !chained && self.is_value(frame, expr) && !call && step.label.is_none() {
            match self.eval(frame, expr) {
                Val::Flow(flow) => flow,
                other => {
                    self.wrong_kind(&other, "a value of the net", expr.span);
                    Flow::default()
                }
            }
        } else {
            self.step_expr(frame, expr, naming, chained)
        };
        if let Some(label) = &step.label {
            frame.fields().insert(label.text.clone(), flow.clone());
        }
        flow
    }

    fn no_label(&mut self, step: &ast::Step, keyword: &str) {
        if let Some(label) = &step.label {
            let message = format!("`{keyword}` makes no scope and takes no label");
            self.report(
                Diagnostic::error("label-on-control", label.span, message)
                    .help("label the layers inside, or a `seq { .. }` around it"),
            );
        }
    }

    fn for_loop(&mut self, frame: &mut Frame<'a>, it: &'a ast::For) {
        if !self.enter(it.span) {
            return;
        }
        let list = self.eval(frame, &it.list);
        match list {
            Val::List(list) => {
                if self.check_repeat(list.items.len(), it.list.span) {
                    self.turns(frame, it, &list.items);
                }
            }
            other => {
                self.wrong_kind(&other, "a list or a range", it.list.span);
                frame.current = Some(Flow::default());
            }
        }
        self.leave();
    }

    fn turns(&mut self, frame: &mut Frame<'a>, it: &'a ast::For, items: &[Val]) {
        let copy = frame.copy;
        let mut names = Vec::new();
        pattern_names(&it.pattern, &mut names);
        for (i, item) in items.iter().enumerate() {
            if !self.charge(1, it.span) {
                break;
            }
            frame.copy = Some(Copy { at: i, of: items.len() });
            let mut before = Vec::with_capacity(names.len());
            if self.fit(frame, &it.pattern, item, &mut before) {
                self.body(frame, &it.body);
            }
            for (name, binding) in before.into_iter().rev() {
                frame.restore(name, binding);
            }
        }
        frame.copy = copy;
    }

    /// Binds the names of a pattern to the parts of an element; `false` if it has other parts.
    fn fit(
        &mut self,
        frame: &mut Frame<'a>,
        pattern: &'a ast::Pattern,
        item: &Val,
        before: &mut Vec<(&'a str, Option<Binding<'a>>)>,
    ) -> bool {
        match pattern {
            ast::Pattern::Any(_) => true,
            ast::Pattern::Name(name) => {
                let old = frame.bind(&name.text, Bound::Val(item.clone()), name.span);
                before.push((&name.text, old));
                true
            }
            ast::Pattern::Tuple(parts, span) => {
                let items = match item {
                    Val::Tuple(it) | Val::List(it) if it.items.len() == parts.len() => &it.items,
                    Val::Poison => return false,
                    other => {
                        let message = format!(
                            "the pattern has {} parts, the element is `{other}`",
                            parts.len()
                        );
                        self.report(Diagnostic::error("pattern", *span, message));
                        return false;
                    }
                };
                parts
                    .iter()
                    .zip(items.iter())
                    .all(|(part, item)| self.fit(frame, part, item, before))
            }
        }
    }

    fn if_else(&mut self, frame: &mut Frame<'a>, it: &'a ast::If) {
        if !self.enter(it.span) {
            return;
        }
        let mut chosen = it.otherwise.as_ref();
        for (condition, body) in &it.cases {
            match self.condition(frame, condition) {
                Some(true) => {
                    chosen = Some(body);
                    break;
                }
                Some(false) => {}
                None => {
                    frame.current = Some(Flow::default());
                    chosen = None;
                    break;
                }
            }
        }
        if let Some(body) = chosen {
            self.body(frame, body);
        }
        self.leave();
    }

    /// Holds a note against the current value.
    fn note(&mut self, frame: &mut Frame<'a>, note: &'a ast::Note) {
        let flow = self.current(frame, note.span).unwrap_or_default();
        let mut dims = Vec::with_capacity(note.dims.len());
        let mut known = true;
        for dim in &note.dims {
            match dim {
                ast::Dim::Any(_) => dims.push(None),
                ast::Dim::Size(expr) => match self.whole(frame, expr) {
                    Some(size) => dims.push(Some(size)),
                    None => known = false,
                },
            }
        }
        let Some(id) = flow.id.filter(|_| known) else { return };
        if self.was_said("shape-note", note.span) {
            return;
        }
        let shape = self.draft.shape(id).clone();
        let fits = |(dim, &extent): (&Option<i64>, &usize)| {
            dim.is_none_or(|it| usize::try_from(it).is_ok_and(|it| it == extent))
        };
        if dims.len() == shape.sample().len() && dims.iter().zip(shape.sample()).all(fits) {
            return;
        }
        if self.resized {
            let message = "an input has another size than declared, so shape notes are not checked";
            if !self.diagnostics.iter().any(|it| it.code == "note-skipped") {
                let mut remark = Diagnostic::warning("note-skipped", note.span, message);
                remark.severity = crate::diag::Severity::Remark;
                self.report(remark);
            }
            return;
        }
        let written: Vec<String> =
            dims.iter().map(|it| it.map_or_else(|| "_".to_owned(), |it| it.to_string())).collect();
        let message = format!("the note says [{}], the value is {shape}", written.join(", "));
        let explain = Explain { draft: &self.draft, lines: &self.lines };
        let mut fault = Diagnostic::error("shape-note", note.span, message);
        if dims.len() == shape.sample().len() {
            for reason in explain.departures(id, &dims, note.span) {
                fault = fault.note(reason);
            }
        }
        fault = fault.note(explain.trace(id, note.span)).help(format!("write `=> {shape}`"));
        self.report(fault);
    }

    /// The complaint about a statement that stands in nets only.
    pub(super) fn misplaced(&mut self, what: &str, span: Span) {
        let message = format!("`{what}` stands in a net only");
        self.report(Diagnostic::error("misplaced", span, message).help(
            "a block takes the current value and its parameters, and gives the value at its end",
        ));
    }
}

fn pattern_names<'a>(pattern: &'a ast::Pattern, names: &mut Vec<&'a ast::Name>) {
    match pattern {
        ast::Pattern::Any(_) => {}
        ast::Pattern::Name(name) => names.push(name),
        ast::Pattern::Tuple(parts, _) => {
            for part in parts {
                pattern_names(part, names);
            }
        }
    }
}
