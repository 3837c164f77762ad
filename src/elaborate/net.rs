//! Nets: which one is built, its parameters, inputs and results.

use std::collections::HashMap;

use super::Expander;
use super::apply::limit;
use super::args::BlockArg;
use super::draft::Id;
use super::frame::{Bound, Frame, NetFrame};
use super::load::Loaded;
use super::value::{Flow, Val};
use super::{Options, names};
use crate::diag::{Diagnostic, Severity, Source, Sources, Span, nearest};
use crate::shape::Shape;
use crate::syntax::{self, ast};

/// A parameter from the options, its value read like the right side of a `const`.
pub(super) struct Set {
    param: String,
    text: String,
    ast: ast::Ast,
    span: Span,
}

/// Reads the values given to parameters, each as a source of its own.
pub(super) fn read_set(sources: &mut Sources, options: &Options, loaded: &mut Loaded) -> Vec<Set> {
    let mut all = Vec::new();
    for (param, value) in &options.set {
        let text = format!("const value = {value}\n");
        let name = format!("--set {param}={value}");
        let id = sources.add(Source { name, text: text.clone() });
        let (ast, faults) = syntax::parse(id, &text);
        loaded.broken |= faults.iter().any(|it| it.severity == Severity::Error);
        loaded.diagnostics.extend(faults);
        let end = u32::try_from(text.len() - 1).unwrap_or(u32::MAX);
        let span = Span { file: id, start: 14.min(end), end };
        all.push(Set { param: param.clone(), text: value.clone(), ast, span });
    }
    all
}

/// The complaint about a value from the command line that is of another kind than the default. Words such as
/// `half` and lists stand in for numbers.
fn unlike_default(param: &ast::Param, val: &Val, set: &Set) -> Option<Diagnostic> {
    let (wanted, unlike) = match &param.default.as_ref()?.kind {
        ast::ExprKind::Int(_) => ("a whole number", matches!(val, Val::Text(_) | Val::Bool(_))),
        ast::ExprKind::Float { .. } => ("a number", matches!(val, Val::Text(_) | Val::Bool(_))),
        ast::ExprKind::Bool(_) => ("`true` or `false`", !matches!(val, Val::Bool(_) | Val::Poison)),
        _ => return None,
    };
    let name = &param.name.text;
    let message = format!("`{name}` takes {wanted}, and `--set` gives it {}", val.kind());
    unlike.then(|| {
        Diagnostic::error("wrong-kind", set.span, message)
            .and(param.name.span, "its default is of that kind")
            .help(format!("write `--set {name}=..` with {wanted}"))
    })
}

/// Smaller maps are no pictures.
const PICTURE_MIN: usize = 16;

impl<'a> Expander<'a> {
    /// The net to build, or a complaint.
    pub(super) fn choose_net(&mut self) -> Option<&'a ast::Definition> {
        let files = self.files;
        let file = &files[0];
        let nets = file.nets();
        let known = || nets.iter().map(|it| it.name.text.as_str());
        let list = || known().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let span = Span { end: file.ast.span.start, ..file.ast.span };
        let fault = match (&self.options.net, nets.as_slice()) {
            (Some(name), _) => {
                if let Some(net) = nets.iter().find(|it| it.name.text == *name) {
                    return Some(net);
                }
                let fault =
                    Diagnostic::error("unknown-net", span, format!("there is no net `{name}`"));
                match nearest(name, known()) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None if nets.is_empty() => fault,
                    None => fault.help(format!("the nets of this file are {}", list())),
                }
            }
            (None, [net]) => return Some(net),
            (None, []) if self.has_errors() => return None,
            (None, []) if file.is_library() => {
                Diagnostic::error("no-net", span, "this file has blocks only: it is a library")
                    .help("`use` it from a file with a net")
            }
            (None, []) => Diagnostic::error(
                "no-net",
                span,
                "this file has neither a net nor a block",
            )
            .help(
                "a net is written `net Name { input image: f32[N, 3, 224, 224] .. output name }`",
            ),
            (None, [_, second, ..]) => {
                let message = format!("this file has {} nets: {}", nets.len(), list());
                Diagnostic::error("several-nets", second.name.span, message)
                    .help("choose one with `--net NAME`")
            }
        };
        self.report(fault);
        None
    }

    /// Expands the net that is built.
    pub(super) fn root_net(&mut self, net: &'a ast::Definition, set: &'a [Set]) {
        if self.options.batch > self.limits.batch {
            let message =
                format!("a batch of {} is more than {}", self.options.batch, self.limits.batch);
            self.report(limit(net.name.span, "batch", message));
            return;
        }
        let mut frame = Frame::new(0, Some(net), String::new());
        frame.net = Some(NetFrame::default());
        let args = self.set_args(net, set);
        self.bind_params(&mut frame, net, args, net.name.span);
        self.run_definition(&mut frame, net);
        self.leave_values(&frame);
        let Some(found) = frame.net else { return };
        for (name, given) in &self.options.inputs {
            let inputs = found.input_names.iter().map(String::as_str).take(20);
            if !found.input_names.contains(name) {
                let message = format!("there is no input `{name}` to give the shape {given:?}");
                let fault = Diagnostic::error("input-option", net.name.span, message);
                self.report(match nearest(name, inputs.clone()) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None => fault.help(format!(
                        "the inputs are {}",
                        inputs.map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
                    )),
                });
            }
        }
        if found.outputs.is_empty() && !self.stopped {
            let fault = Diagnostic::error(
                "no-output",
                net.name.span,
                format!("the net `{}` has no output", net.name.text),
            );
            self.report(fault.help("end it with `output name`: that names the current value"));
        }
        for (name, flow) in found.outputs {
            if let Some(id) = flow.id {
                self.draft.add_output(&name, id);
            }
        }
    }

    /// The parameters that the options give.
    fn set_args(&mut self, net: &'a ast::Definition, set: &'a [Set]) -> Vec<BlockArg<'a>> {
        let mut args: Vec<BlockArg<'a>> = Vec::new();
        for it in set {
            let Some(param) = net.params.iter().find(|param| param.name.text == it.param) else {
                let message = format!("`{}` has no parameter `{}`", net.name.text, it.param);
                let fault = Diagnostic::error("unknown-parameter", net.name.span, message);
                let known = net.params.iter().map(|it| it.name.text.as_str());
                self.report(match nearest(&it.param, known) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None => fault.help(super::args::head(net)),
                });
                continue;
            };
            let mut val = self.set_value(it);
            if let Some(fault) = unlike_default(param, &val, it) {
                self.report(fault);
                val = Val::Poison;
            }
            let param = param.name.text.as_str();
            args.retain(|it| it.param != param);
            args.push(BlockArg { param, val, span: it.span, is_counted: false });
        }
        args
    }

    /// A value as the right side of a `const`; a word that nothing is called is a string.
    fn set_value(&mut self, set: &'a Set) -> Val {
        let [ast::Item { kind: ast::ItemKind::Const { value, .. }, .. }] = set.ast.items.as_slice()
        else {
            let message = format!("`{}` takes one value on one line", set.param);
            self.report(Diagnostic::error("wrong-kind", set.span, message));
            return Val::Poison;
        };
        if let ast::ExprKind::Name(name) = &value.kind
            && self.global(0, name).is_none()
            && super::eval::word(name).is_none()
        {
            return Val::Text(set.text.as_str().into());
        }
        let mut frame = Frame::new(0, None, String::new());
        match self.eval(&mut frame, value) {
            Val::Flow(_) => {
                let message = format!("`{}` is no value for a parameter", set.text);
                self.report(Diagnostic::error("wrong-kind", set.span, message));
                Val::Poison
            }
            val => val,
        }
    }

    /// `input a, b: f32[N, 3, 224, 224]`
    pub(super) fn inputs(
        &mut self,
        frame: &mut Frame<'a>,
        names: &'a [ast::Name],
        element: &'a ast::Name,
        dims: &'a [ast::Expr],
        span: Span,
    ) {
        if frame.net.is_none() {
            self.misplaced("input", span);
            return;
        }
        if element.text != "f32" {
            let message = format!("the elements of a value are `f32`, found `{}`", element.text);
            self.report(Diagnostic::error("element-type", element.span, message));
        }
        for name in names {
            let flow = self.input(frame, name, dims);
            self.declare(frame, name, Bound::Val(Val::Flow(flow.clone())));
            let net = frame.net.get_or_insert_default();
            net.inputs.push(name.span);
            if !net.input_names.insert(name.text.clone()) {
                let message = format!("the input `{}` is declared twice", name.text);
                self.report(Diagnostic::error("duplicate-name", name.span, message));
            }
            frame.current = (net.inputs.len() == 1).then_some(flow);
        }
    }

    fn input(&mut self, frame: &mut Frame<'a>, name: &'a ast::Name, dims: &'a [ast::Expr]) -> Flow {
        let applied = frame.net.as_mut().and_then(|it| it.given.as_mut());
        let (flow, given) = match applied {
            None => {
                let given = self.options.inputs.iter().find(|it| it.0 == name.text);
                (None, given.map(|it| (it.1.clone(), name.span)))
            }
            Some(queue) => match queue.pop_front() {
                None => {
                    let message = format!("no value is given for the input `{}`", name.text);
                    let at = self.active.last().map_or(name.span, |it| it.name.span);
                    self.report(
                        Diagnostic::error("net-inputs", at, message)
                            .and(name.span, "declared here"),
                    );
                    return Flow::default();
                }
                Some((flow, at)) => {
                    let Some(id) = flow.id else { return flow };
                    let dims = self.draft.shape(id).dims().to_vec();
                    (Some(flow), Some((dims, at)))
                }
            },
        };
        if let Some((extents, at)) = &given
            && extents.len() != dims.len()
        {
            let message = format!(
                "the input `{}` has {} axes, here {} are given: {extents:?}",
                name.text,
                dims.len(),
                extents.len()
            );
            let code = if flow.is_some() { "net-inputs" } else { "input-option" };
            self.report(Diagnostic::error(code, *at, message));
            return Flow::default();
        }
        let mut extents = Vec::with_capacity(dims.len());
        for (axis, dim) in dims.iter().enumerate() {
            let want = given.as_ref().map(|it| (it.0[axis], it.1, flow.is_some()));
            extents.push(self.dim(frame, dim, want, &name.text));
        }
        self.unbound(frame, name, dims, &extents);
        let Some(extents) = extents.into_iter().collect::<Option<Vec<_>>>() else {
            return Flow::default();
        };
        if let Some(flow) = flow {
            return flow;
        }
        let Some(shape) = Shape::checked(&extents)
            .filter(|it| it.rank() >= 1 && it.elements() <= self.limits.elements)
        else {
            let message = format!("an input cannot have the extents {extents:?}");
            let at = dims.first().zip(dims.last()).map_or(name.span, |it| it.0.span.to(it.1.span));
            self.report(
                Diagnostic::error("input-shape", at, message)
                    .help("each extent is at least 1; there are 1 to 8 axes, the batch first, and at most 2^31 elements"),
            );
            return Flow::default();
        };
        if given.is_none() {
            self.lint_batch(name, dims, &extents);
        }
        Flow::of(self.draft.add_input(&name.text, shape, name.span))
    }

    /// Says which symbols of an input have no size; they are names all the same.
    fn unbound(
        &mut self,
        frame: &mut Frame<'a>,
        name: &ast::Name,
        dims: &'a [ast::Expr],
        extents: &[Option<usize>],
    ) {
        let mut open: Vec<(&'a str, Span)> = Vec::new();
        for (dim, _) in dims.iter().zip(extents).filter(|it| it.1.is_none()) {
            if let ast::ExprKind::Name(symbol) = &dim.kind
                && frame.look(symbol).is_none()
                && self.global(frame.file, symbol).is_none()
            {
                frame.bind(symbol, Bound::Val(Val::Poison), dim.span);
                open.push((symbol, dim.span));
            }
        }
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
        let names: Vec<String> = open.iter().map(|it| format!("`{}`", it.0)).collect();
        let be = if names.len() == 1 { "is" } else { "are" };
        let shape: Vec<String> = dims
            .iter()
            .zip(extents)
            .map(|it| match (it.1, &it.0.kind) {
                (Some(extent), _) => extent.to_string(),
                (None, ast::ExprKind::Name(symbol)) => symbol.clone(),
                (None, _) => "..".to_owned(),
            })
            .collect();
        let message = format!("nothing says what {} {be}", names.join(" and "));
        let help = format!(
            "give a size with `--input {}={}`, numbers for the names, or write numbers here",
            name.text,
            shape.join("x")
        );
        let span = first.1.to(last.1);
        self.report(Diagnostic::error("unbound-symbol", span, message).help(help));
    }

    /// Warns of an input that looks like one picture: its first extent is taken for the batch.
    fn lint_batch(&mut self, name: &ast::Name, dims: &[ast::Expr], extents: &[usize]) {
        let [ast::Expr { kind: ast::ExprKind::Int(_), span }, ..] = dims else { return };
        let &[first, height, width] = extents else { return };
        let is_map = height >= PICTURE_MIN && width >= PICTURE_MIN;
        if is_map && (first == 3 || first == 4 || first == 1 && height == width) {
            let message = format!(
                "the first extent is the batch, so `{}` is {first} values [{height}, {width}]",
                name.text
            );
            self.report(
                Diagnostic::warning("batch-missing", *span, message)
                    .help(format!("a picture is written `f32[N, {first}, {height}, {width}]`")),
            );
        }
    }

    /// One extent of an input: what is given, what it says, or what its symbol is bound to.
    fn dim(
        &mut self,
        frame: &mut Frame<'a>,
        dim: &'a ast::Expr,
        given: Option<(usize, Span, bool)>,
        input: &str,
    ) -> Option<usize> {
        if let ast::ExprKind::Name(symbol) = &dim.kind
            && frame.look(symbol).is_none()
            && self.global(frame.file, symbol).is_none()
        {
            let extent = match given {
                Some((extent, ..)) => extent,
                None if symbol == "N" => self.options.batch,
                // Said by the input, of all its symbols at once.
                None => return None,
            };
            let val = Val::Int(i64::try_from(extent).unwrap_or(i64::MAX));
            frame.bind(symbol, Bound::Val(val), dim.span);
            return Some(extent);
        }
        let declared = self.whole(frame, dim)?;
        let Ok(size) = usize::try_from(declared) else {
            let message = format!("an extent is at least 1, found {declared}");
            self.report(Diagnostic::error("input-shape", dim.span, message));
            return None;
        };
        match given {
            Some((extent, at, applied)) if extent != size => {
                if let ast::ExprKind::Int(_) = dim.kind
                    && !applied
                {
                    self.resized = true;
                    return Some(extent);
                }
                let message =
                    format!("the input `{input}` has {size} on this axis, here {extent} is given");
                let code = if applied { "net-inputs" } else { "input-option" };
                self.report(Diagnostic::error(code, at, message).and(dim.span, "declared here"));
                None
            }
            _ => Some(size),
        }
    }

    /// `output name`, `output name = chain`
    pub(super) fn output(
        &mut self,
        frame: &mut Frame<'a>,
        name: &'a ast::Name,
        train: bool,
        chain: Option<&'a ast::Chain>,
    ) {
        if frame.net.is_none() {
            self.misplaced("output", name.span);
            return;
        }
        let flow = match chain {
            Some(chain) => {
                let before = frame.current.clone();
                let flow = self.chain(frame, chain);
                frame.current = before;
                flow
            }
            None => match frame.read(&name.text) {
                Some(Bound::Val(Val::Flow(flow))) => {
                    let flow = flow.clone();
                    self.lint_output(frame, name, &flow);
                    flow
                }
                _ => self.current(frame, name.span).unwrap_or_default(),
            },
        };
        if train && !self.options.train {
            self.train.extend(flow.id);
            return;
        }
        let net = frame.net.get_or_insert_default();
        if let Some(&first) = net.output_names.get(&name.text) {
            let message = format!("the output `{}` is declared twice", name.text);
            let fault = Diagnostic::error("duplicate-name", name.span, message)
                .and(first, "first declared here");
            self.report(fault);
            return;
        }
        net.output_names.insert(name.text.clone(), name.span);
        net.outputs.push((name.text.clone(), flow));
    }

    /// Warns of `output x` after layers, where `x` is an input and the current value was meant.
    fn lint_output(&mut self, frame: &Frame<'a>, name: &ast::Name, flow: &Flow) {
        let current = frame.current.as_ref().and_then(|it| it.id);
        let (Some(id), Some(current)) = (flow.id, current) else { return };
        if self.draft.node(id).op.is_none() && self.draft.node(current).op.is_some() {
            let message = format!("the output `{}` is the input of that name", name.text);
            self.report(
                Diagnostic::warning("output-is-input", name.span, message)
                    .help("another name gives the current value; `output name = it` says so"),
            );
        }
    }

    /// Warns of what no result needs.
    pub(super) fn lint_idle(&mut self) {
        let idle: Vec<Diagnostic> = self
            .draft
            .idle_inputs()
            .iter()
            .map(|it| {
                let message = format!("no result depends on the input `{}`", it.path);
                Diagnostic::warning("unused-input", it.span, message)
            })
            .collect();
        self.report_all(idle);
        let unread: HashMap<Id, Span> = self.unread.iter().copied().collect();
        for (id, what) in self.draft.ends(&self.train) {
            if self.inner.contains(&id) || self.tapped.contains(&id) {
                continue;
            }
            let named = unread.get(&id).copied();
            let made = self.draft.node(id);
            let fault = match named {
                Some(span) => {
                    let message = "this value is never read, and its layers are left out";
                    Diagnostic::warning("unused-value", span, message)
                }
                None => {
                    let message = format!("no result needs {what}, so they are left out");
                    Diagnostic::warning("unused-layer", made.span, message)
                }
            };
            self.report(fault.help("remove it, or make its value an output"));
        }
        let net = self.files[0].definitions();
        let applied: Vec<_> =
            net.filter(|it| self.applied.contains(&std::ptr::from_ref(*it))).collect();
        for definition in applied {
            self.report_all(names::lint(definition));
        }
        self.report_all(names::lint_unused(&self.files[0]));
    }
}
