//! What can be said of a body without expanding it: which names it binds, reads and applies.

use std::collections::HashSet;

use super::Expander;
use super::frame::Frame;
use super::load::File;
use super::suggest::Wanted;
use super::value::Val;
use crate::diag::{Diagnostic, Span};
use crate::ops::Op;
use crate::syntax::ast::{self, Expr, ExprKind, StepKind, StmtKind};

/// A name that stands in a body.
enum Mention<'a> {
    /// It is bound.
    Bind(&'a ast::Name, Binder),
    /// It is read, or applied without arguments.
    Read(&'a str),
    /// It is called.
    Call(&'a ast::Name),
}

/// What binds a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binder {
    Value,
    Shared,
    Loop,
}

/// The place where a body binds a value, input or shared instance, if it does.
pub(super) fn binding_of(body: &ast::Body, name: &str) -> Option<Span> {
    let mut found = None;
    walk_body(body, &mut |it| {
        if let Mention::Bind(bound, Binder::Value | Binder::Shared) = it
            && bound.text == name
        {
            found = found.or(Some(bound.span));
        }
    });
    found
}

/// Warnings of parameters and shared instances that nobody reads.
pub(super) fn lint(definition: &ast::Definition) -> Vec<Diagnostic> {
    let mut read: HashSet<&str> = HashSet::new();
    let mut shared: Vec<&ast::Name> = Vec::new();
    walk_definition(definition, &mut |it| match it {
        Mention::Bind(name, Binder::Shared) => shared.push(name),
        Mention::Bind(..) => {}
        Mention::Read(name) => {
            read.insert(name);
        }
        Mention::Call(name) => {
            read.insert(&name.text);
        }
    });
    let idle = |name: &ast::Name| !name.text.starts_with('_') && !read.contains(name.text.as_str());
    let params = definition.params.iter().map(|it| &it.name).filter(|it| idle(it)).map(|it| {
        let message = format!("the parameter `{}` is never read", it.text);
        Diagnostic::warning("unused-parameter", it.span, message)
            .help(format!("remove it, or call it `_{}`", it.text))
    });
    let shared = shared.iter().filter(|it| idle(it)).map(|it| {
        let message = format!("the shared `{}` is never applied", it.text);
        Diagnostic::warning("unused-shared", it.span, message).help("apply it, or remove it")
    });
    params.chain(shared).collect()
}

/// Warnings of blocks and constants that nothing else in their file names. A file without a net is a library.
pub(super) fn lint_unused<'a>(file: &'a File) -> Vec<Diagnostic> {
    if file.nets().is_empty() {
        return Vec::new();
    }
    let mut read: HashSet<&'a str> = HashSet::new();
    let mut found: Vec<(&'static str, &'static str, &'a ast::Name)> = Vec::new();
    for item in &file.ast.items {
        let own = match &item.kind {
            ast::ItemKind::Block(it) => Some(("block", "unused-block", &it.name)),
            ast::ItemKind::Const { name, .. } => Some(("constant", "unused-const", name)),
            _ => None,
        };
        found.extend(own);
        let mut see = |it: Mention<'a>| {
            let name = match it {
                Mention::Bind(..) => return,
                Mention::Read(name) => name,
                Mention::Call(name) => &name.text,
            };
            if own.is_none_or(|it| it.2.text != name) {
                read.insert(name);
            }
        };
        match &item.kind {
            ast::ItemKind::Net(it) | ast::ItemKind::Block(it) => walk_definition(it, &mut see),
            ast::ItemKind::Const { value, .. } => walk_expr(value, &mut see),
            ast::ItemKind::Defaults(calls) => {
                let args = calls.iter().flat_map(|it| &it.args);
                args.for_each(|it| walk_expr(&it.value, &mut see));
            }
            ast::ItemKind::Use(_) | ast::ItemKind::Bind(_) => {}
        }
    }
    found.retain(|it| !it.2.text.starts_with('_') && !read.contains(it.2.text.as_str()));
    let warning = |(what, code, name): (&str, &'static str, &ast::Name)| {
        let message = format!("the {what} `{}` is never used", name.text);
        Diagnostic::warning(code, name.span, message)
            .help(format!("remove it, or call it `_{}`", name.text))
    };
    found.into_iter().map(warning).collect()
}

impl<'a> Expander<'a> {
    /// Reads the first file's blocks and nets that nothing applied: every call must name something.
    pub(super) fn check_idle_definitions(&mut self) {
        if self.stopped {
            return;
        }
        let files = self.files;
        for definition in files[0].definitions() {
            if !self.applied.contains(&std::ptr::from_ref(definition)) {
                self.check_idle(definition);
            }
        }
    }

    fn check_idle(&mut self, definition: &'a ast::Definition) {
        let mut bound: HashSet<&str> =
            definition.params.iter().map(|it| it.name.text.as_str()).collect();
        let mut calls: Vec<&ast::Name> = Vec::new();
        walk_definition(definition, &mut |it| match it {
            Mention::Bind(name, _) => {
                bound.insert(&name.text);
            }
            Mention::Call(name) => calls.push(name),
            Mention::Read(_) => {}
        });
        let mut frame = Frame::new(0, None, String::new());
        for param in &definition.params {
            frame.bind(&param.name.text, super::frame::Bound::Val(Val::Poison), param.name.span);
        }
        for call in calls {
            let name = call.text.as_str();
            let function = matches!(name, "first" | "min" | "max" | "floor");
            let known = function
                || bound.contains(name)
                || self.global(0, name).is_some()
                || Op::find(name).is_some();
            if !known {
                let fault = self.unknown(&frame, name, call.span, Wanted::Layer);
                self.report(fault);
            }
        }
    }
}

fn walk_definition<'a>(definition: &'a ast::Definition, see: &mut dyn FnMut(Mention<'a>)) {
    for default in definition.params.iter().filter_map(|it| it.default.as_ref()) {
        walk_expr(default, see);
    }
    walk_body(&definition.body, see);
}

fn walk_body<'a>(body: &'a ast::Body, see: &mut dyn FnMut(Mention<'a>)) {
    for stmt in &body.stmts {
        match &stmt.kind {
            StmtKind::Input { names, dims, .. } => {
                for dim in dims {
                    walk_expr(dim, see);
                }
                for name in names {
                    see(Mention::Bind(name, Binder::Value));
                }
            }
            StmtKind::Output { name, chain, .. } => match chain {
                Some(chain) => walk_chain(chain, see),
                None => see(Mention::Read(&name.text)),
            },
            StmtKind::Shared { name, layer } => {
                walk_expr(layer, see);
                see(Mention::Bind(name, Binder::Shared));
            }
            StmtKind::Value { name, chain } => {
                walk_chain(chain, see);
                see(Mention::Bind(name, Binder::Value));
            }
            StmtKind::Chain(chain) => walk_chain(chain, see),
        }
    }
}

fn walk_chain<'a>(chain: &'a ast::Chain, see: &mut dyn FnMut(Mention<'a>)) {
    for step in &chain.steps {
        match &step.kind {
            StepKind::Expr(it) => walk_expr(it, see),
            StepKind::For(it) => {
                walk_expr(&it.list, see);
                walk_pattern(&it.pattern, see);
                walk_body(&it.body, see);
            }
            StepKind::If(it) => {
                for (condition, body) in &it.cases {
                    walk_expr(condition, see);
                    walk_body(body, see);
                }
                if let Some(body) = &it.otherwise {
                    walk_body(body, see);
                }
            }
        }
        for dim in step.note.iter().flat_map(|it| &it.dims) {
            if let ast::Dim::Size(it) = dim {
                walk_expr(it, see);
            }
        }
    }
}

fn walk_pattern<'a>(pattern: &'a ast::Pattern, see: &mut dyn FnMut(Mention<'a>)) {
    match pattern {
        ast::Pattern::Any(_) => {}
        ast::Pattern::Name(name) => see(Mention::Bind(name, Binder::Loop)),
        ast::Pattern::Tuple(parts, _) => parts.iter().for_each(|it| walk_pattern(it, see)),
    }
}

fn walk_expr<'a>(expr: &'a Expr, see: &mut dyn FnMut(Mention<'a>)) {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float { .. } | ExprKind::Bool(_) | ExprKind::It => {}
        ExprKind::Text(name) | ExprKind::Name(name) => see(Mention::Read(name)),
        ExprKind::List(items) | ExprKind::Tuple(items) => {
            items.iter().for_each(|it| walk_expr(it, see));
        }
        ExprKind::Range(a, b) | ExprKind::Binary(_, a, b) => {
            walk_expr(a, see);
            walk_expr(b, see);
        }
        ExprKind::Unary(_, it) | ExprKind::Field(it, _) => walk_expr(it, see),
        ExprKind::Choice(a, b, c) => [a, b, c].into_iter().for_each(|it| walk_expr(it, see)),
        ExprKind::Call(call) => {
            see(Mention::Call(&call.name));
            call.args.iter().for_each(|it| walk_expr(&it.value, see));
        }
        ExprKind::Seq(body) => walk_body(body, see),
        ExprKind::Branch { arms, .. } => arms.iter().for_each(|it| walk_body(it, see)),
        ExprKind::Chain(chain) => walk_chain(chain, see),
    }
}
