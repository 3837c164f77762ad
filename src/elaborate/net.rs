//! Nets: which one is built, its parameters and results.

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
                let message = format!("`{}` is not a value for a parameter", set.text);
                self.report(Diagnostic::error("wrong-kind", set.span, message));
                Val::Poison
            }
            val => val,
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
