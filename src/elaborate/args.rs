//! The arguments of calls: of layers, blocks, nets and functions.

use std::collections::HashMap;
use std::rc::Rc;

use super::Expander;
use super::applied::Copy;
use super::apply::plural;
use super::frame::Frame;
use super::suggest::Wanted;
use super::value::{self, Flow, Math, Val};
use crate::diag::{Diagnostic, Span, nearest};
use crate::ops::{Entry, Given, OPERANDS_MAX, Op, Value, synonyms};
use crate::syntax::ast::{self, BinaryOp, ExprKind};

/// Arguments of a layer: values of the net to work on, and what is known when compiling.
pub(super) struct LayerArgs {
    pub(super) operands: Vec<Flow>,
    /// `None` if one of them is broken.
    pub(super) given: Option<Vec<Given>>,
    /// The first value among them.
    pub(super) inside: Option<Inside>,
}

/// A value that stands among the arguments of a layer.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    pub(super) span: Span,
    /// Whether it is `it`.
    pub(super) is_it: bool,
}

/// An argument of a block or net, by the name of its parameter.
pub(super) struct BlockArg<'a> {
    pub(super) param: &'a str,
    pub(super) val: Val,
    pub(super) span: Span,
    /// Whether it was given by position.
    pub(super) is_counted: bool,
}

/// An argument from `defaults`, and how many items it costs to copy.
pub(super) struct Default {
    given: Given,
    size: usize,
}

/// How many items a walk through a value meets.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) | Value::Tuple(items) => items.iter().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}

/// So many arguments may one call have.
const ARGS_MAX: usize = OPERANDS_MAX;

/// So many arguments may be given by position.
const POSITIONS_MAX: usize = 3;

impl<'a> Expander<'a> {
    /// Evaluates the arguments of a layer and adds the file's defaults.
    pub(super) fn layer_args(
        &mut self,
        frame: &mut Frame<'a>,
        entry: &'static Entry,
        args: &'a [ast::Arg],
    ) -> LayerArgs {
        let mut operands = Vec::new();
        let mut given = Vec::new();
        let mut position = 0;
        let mut broken = args.len() > ARGS_MAX;
        let mut inside = None;
        for arg in self.within(args) {
            let row = match &arg.name {
                Some(name) => entry.args.iter().find(|it| it.name == name.text),
                None => entry.args.get(position),
            };
            if let Some(fault) = row.and_then(|it| self.unknown_word(frame, it, &arg.value)) {
                self.report(fault);
                broken = true;
                continue;
            }
            let val = self.eval(frame, &arg.value);
            if val.is_poison() {
                broken = true;
                continue;
            }
            let name = match &arg.name {
                Some(name) => Some(name.text.as_str()),
                None if matches!(val, Val::Flow(_)) => None,
                None => {
                    position += 1;
                    self.positional(entry, position - 1, arg.span, &val)
                }
            };
            match (val, name) {
                (Val::Flow(flow), None) => {
                    let is_it = matches!(arg.value.kind, ExprKind::It);
                    inside = inside.or(Some(Inside { span: arg.span, is_it }));
                    operands.push(flow);
                }
                (_, None) => broken = true,
                (val, Some(name)) => match self.given(entry, name, &val, arg.span) {
                    Some(it) => given.push(it),
                    None => broken = true,
                },
            }
        }
        let defaults = self.file_defaults(frame.file).get(entry.name).cloned();
        for default in defaults.iter().flat_map(|it| it.iter()) {
            if !given.iter().any(|it| it.name == default.given.name)
                && self.charge(default.size, default.given.span)
            {
                given.push(default.given.clone());
            }
        }
        LayerArgs { operands, given: (!broken).then_some(given), inside }
    }

    /// The arguments of a call; none, and a complaint, if there are too many.
    pub(super) fn within(&mut self, args: &'a [ast::Arg]) -> &'a [ast::Arg] {
        match args.get(ARGS_MAX) {
            None => args,
            Some(more) => {
                let message = format!("a call has more than {ARGS_MAX} arguments");
                self.report(Diagnostic::error("limit", more.span, message));
                &[]
            }
        }
    }

    /// The name of an argument by position, or one complaint about all that are too many.
    fn positional(
        &mut self,
        entry: &Entry,
        at: usize,
        span: Span,
        val: &Val,
    ) -> Option<&'static str> {
        if at > POSITIONS_MAX.min(entry.args.len()) {
            return None;
        }
        let fault = match entry.args.get(at) {
            Some(arg) if at < POSITIONS_MAX => return Some(arg.name),
            None if entry.args.is_empty() => {
                let name = entry.name;
                let what = if entry.arity.1 > 1 {
                    "takes values of the net"
                } else {
                    "takes no arguments"
                };
                let message = format!("`{name}` {what}, found {}", val.kind());
                let fault = Diagnostic::error("positional-argument", span, message);
                match (name, val.float()) {
                    ("add", Some(_)) => fault.help(format!("a number is added as in `x + {val}`")),
                    ("sub", Some(_)) => {
                        fault.help(format!("a number is subtracted as in `x - {val}`"))
                    }
                    ("mul", Some(_)) => fault.help(format!("a number scales as in `{val} * x`")),
                    ("div", Some(k)) if k != 0.0 => fault.help("a number scales as in `0.5 * x`"),
                    _ if entry.arity.1 > 1 => fault.help(format!("as in `{name}(a, b)`")),
                    _ => fault.help(format!("write `{name}`")),
                }
            }
            Some(arg) => {
                let message =
                    format!("only the first {POSITIONS_MAX} arguments of a layer go by position");
                Diagnostic::error("positional-argument", span, message).help(format!(
                    "write `{}=..`: {}",
                    arg.name,
                    entry.signature()
                ))
            }
            None => {
                let count = entry.args.len();
                let message = format!("`{}` takes {count} argument{}", entry.name, plural(count));
                Diagnostic::error("positional-argument", span, message)
                    .at("one too many")
                    .help(entry.signature())
            }
        };
        self.report(fault);
        None
    }

    /// An argument for an operator; `None` if it is broken.
    fn given(&mut self, entry: &Entry, name: &str, val: &Val, span: Span) -> Option<Given> {
        if !self.charge(val.size(), span) {
            return None;
        }
        match val.literal() {
            Some(value) => Some(Given { name: name.to_owned(), value, span }),
            None => {
                if !val.is_poison() {
                    let message = format!(
                        "`{name}` of `{}` takes what is known when compiling, found a value of the net",
                        entry.name
                    );
                    self.report(
                        Diagnostic::error("argument-type", span, message).help(entry.signature()),
                    );
                }
                None
            }
        }
    }

    /// The arguments that a file's `defaults` give to layers, by operator.
    fn file_defaults(&mut self, file: usize) -> &HashMap<&'a str, Rc<[Default]>> {
        if !self.defaults.contains_key(&file) {
            // Entered before it is filled, so that a layer inside cannot ask for it again.
            self.defaults.insert(file, HashMap::new());
            let files = self.files;
            let mut all = HashMap::new();
            for item in &files[file].ast.items {
                if let ast::ItemKind::Defaults(calls) = &item.kind {
                    for call in calls {
                        self.default(file, call, &mut all);
                    }
                }
            }
            let all = all.into_iter().map(|(layer, args): (_, Vec<_>)| (layer, args.into()));
            self.defaults.insert(file, all.collect());
        }
        &self.defaults[&file]
    }

    fn default(
        &mut self,
        file: usize,
        call: &'a ast::Call,
        all: &mut HashMap<&'a str, Vec<Default>>,
    ) {
        let mut frame = Frame::new(file, None, String::new());
        let Some(entry) = Op::find(&call.name.text) else {
            let fault = self.unknown(&frame, &call.name.text, call.name.span, Wanted::Operator);
            self.report(fault);
            return;
        };
        let args = self.layer_args(&mut frame, entry, &call.args);
        for it in args.given.into_iter().flatten() {
            if entry.args.iter().any(|arg| arg.name == it.name) {
                let size = size(&it.value);
                all.entry(entry.name).or_default().push(Default { given: it, size });
                continue;
            }
            let message = format!("`{}` has no argument `{}`", entry.name, it.name);
            let help = match synonyms::answer(&it.name, entry.args) {
                Some(answer) => format!("{answer}: {}", entry.signature()),
                None => entry.signature(),
            };
            self.report(Diagnostic::error("unknown-argument", it.span, message).help(help));
        }
    }

    /// Evaluates the arguments of a block, or of a net, whose inputs come first as values by position.
    pub(super) fn block_args(
        &mut self,
        frame: &mut Frame<'a>,
        definition: &'a ast::Definition,
        args: &'a [ast::Arg],
        is_net: bool,
    ) -> (Vec<BlockArg<'a>>, Vec<(Flow, Span)>) {
        let mut found: Vec<BlockArg<'a>> = Vec::new();
        let mut inputs = Vec::new();
        let mut position = 0;
        for arg in self.within(args) {
            let val = self.eval(frame, &arg.value);
            let param = match &arg.name {
                None => match val {
                    Val::Flow(flow) if is_net => {
                        inputs.push((flow, arg.span));
                        continue;
                    }
                    _ => {
                        position += 1;
                        definition.params.get(position - 1)
                    }
                },
                Some(name) => definition.params.iter().find(|it| it.name.text == name.text),
            };
            let Some(param) = param else {
                // One complaint about all that are too many.
                if arg.name.is_some() || position == definition.params.len() + 1 {
                    self.no_such_param(definition, arg);
                }
                continue;
            };
            let param = param.name.text.as_str();
            if found.iter().any(|it| it.param == param) {
                let message = format!("`{param}` is given twice");
                self.report(Diagnostic::error("duplicate-argument", arg.span, message));
            }
            let is_counted = arg.name.is_none();
            found.push(BlockArg { param, val, span: arg.span, is_counted });
        }
        (found, inputs)
    }

    fn no_such_param(&mut self, definition: &ast::Definition, arg: &ast::Arg) {
        let block = &definition.name.text;
        let signature = head(definition);
        let fault = match &arg.name {
            Some(name) => {
                let message = format!("`{block}` has no parameter `{}`", name.text);
                let known = definition.params.iter().map(|it| it.name.text.as_str());
                Diagnostic::error("unknown-argument", arg.span, message).help(
                    match nearest(&name.text, known) {
                        Some(near) => format!("did you mean `{near}`? {signature}"),
                        None => signature,
                    },
                )
            }
            None => {
                let count = definition.params.len();
                let message = format!("`{block}` takes {count} argument{}", plural(count));
                Diagnostic::error("positional-argument", arg.span, message)
                    .at("one too many")
                    .help(signature)
            }
        };
        self.report(fault.and(definition.name.span, "declared here"));
    }

    /// A function on numbers: `first`, `min`, `max`, `floor`.
    pub(super) fn function(&mut self, frame: &mut Frame<'a>, call: &'a ast::Call) -> Val {
        let name = call.name.text.as_str();
        let wanted = if name == "floor" { 1 } else { 2 };
        let exact = name != "min" && name != "max";
        let count = self.within(&call.args).len();
        let named = call.args.iter().any(|it| it.name.is_some());
        if named || count < wanted || (exact && count > wanted) {
            let message = format!("`{name}` takes {wanted} number{}", plural(wanted));
            let example = match name {
                "floor" => "floor(a / b)",
                "first" => "first(2, 1)",
                "min" => "min(a, b)",
                _ => "max(a, b)",
            };
            self.report(
                Diagnostic::error("function-arguments", call.span, message)
                    .help(format!("as in `{example}`")),
            );
            return Val::Poison;
        }
        match name {
            "first" => self.first(frame, call),
            "floor" => self.floor(frame, &call.args[0].value),
            _ => {
                let op = if name == "min" { Math::Min } else { Math::Max };
                let mut best = self.eval(frame, &call.args[0].value);
                for arg in &call.args[1..] {
                    let next = self.eval(frame, &arg.value);
                    best = value::math(op, &best, &next).unwrap_or_else(|fault| {
                        self.math_fault(fault, op, &best, &next, call.span)
                    });
                }
                best
            }
        }
    }

    fn first(&mut self, frame: &mut Frame<'a>, call: &'a ast::Call) -> Val {
        match frame.copy {
            Some(Copy { at: 0, .. }) => self.eval(frame, &call.args[0].value),
            Some(_) => self.eval(frame, &call.args[1].value),
            None => {
                let message = "`first` stands outside of a repetition";
                self.report(Diagnostic::error("first-outside", call.span, message).help(
                    "it gives its first argument in the first copy of `n * x`, its second after",
                ));
                Val::Poison
            }
        }
    }

    /// `floor(a / b)` divides whole numbers without a remainder being a mistake.
    fn floor(&mut self, frame: &mut Frame<'a>, arg: &'a ast::Expr) -> Val {
        let val = match &arg.kind {
            ExprKind::Binary(BinaryOp::Div, a, b) => {
                let (a, b) = (self.eval(frame, a), self.eval(frame, b));
                match (&a, &b) {
                    (Val::Int(x), Val::Int(y)) if *y != 0 => match floored(*x, *y) {
                        Some(it) => Val::Int(it),
                        None => {
                            self.math_fault(value::Fault::Overflow, Math::Div, &a, &b, arg.span)
                        }
                    },
                    _ => value::math(Math::Div, &a, &b).unwrap_or_else(|fault| {
                        self.math_fault(fault, Math::Div, &a, &b, arg.span)
                    }),
                }
            }
            _ => self.eval(frame, arg),
        };
        value::floor(&val).unwrap_or_else(|| {
            self.wrong_kind(&val, "a number", arg.span);
            Val::Poison
        })
    }
}

fn floored(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let below = a % b != 0 && (a < 0) != (b < 0);
    Some(if below { quotient - 1 } else { quotient })
}

/// `block bottleneck(c, stride = 1)`, to show what may be given.
pub(super) fn head(definition: &ast::Definition) -> String {
    let params = definition.params.iter().map(|it| match &it.default {
        Some(ast::Expr { kind: ExprKind::Int(default), .. }) => {
            format!("{} = {default}", it.name.text)
        }
        Some(_) => format!("{} = ..", it.name.text),
        None => it.name.text.clone(),
    });
    format!("{}({})", definition.name.text, params.collect::<Vec<_>>().join(", "))
}
