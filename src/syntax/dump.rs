//! The tree as text without places: one node a line, what it holds indented below.

use std::fmt::{self, Display, Write};

use super::ast::*;
use super::escape;

impl Display for Ast {
    /// The whole tree without spans and trivia; two texts of one meaning to the grammar print alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut dump = Dump { out: String::new(), depth: 0 };
        self.items.iter().for_each(|it| dump.item(it));
        f.write_str(&dump.out)
    }
}

struct Dump {
    out: String,
    depth: usize,
}

impl Dump {
    fn line(&mut self, text: impl Display) {
        let width = 2 * self.depth;
        writeln!(self.out, "{:width$}{text}", "").expect("a string takes all that is written");
    }

    fn under(&mut self, text: impl Display, inside: impl FnOnce(&mut Self)) {
        self.line(text);
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Net(it) => self.definition("net", it),
            ItemKind::Block(it) => self.definition("block", it),
            ItemKind::Const { name, value } => {
                self.under(format_args!("const {}", name.text), |it| it.expr(value));
            }
            ItemKind::Use(path) => self.line(format_args!("use {}", escape(&path.text))),
            ItemKind::Defaults(calls) => {
                self.under("defaults", |it| calls.iter().for_each(|call| it.call(call)));
            }
            ItemKind::Bind(rules) => self.under("bind", |it| {
                for rule in rules {
                    it.line(format_args!(
                        "{} <- {}",
                        escape(&rule.to.text),
                        escape(&rule.from.text)
                    ));
                }
            }),
        }
    }

    fn definition(&mut self, kind: &str, it: &Definition) {
        self.under(format_args!("{kind} {}", it.name.text), |dump| {
            for param in &it.params {
                dump.under(format_args!("param {}", param.name.text), |dump| {
                    param.default.iter().for_each(|it| dump.expr(it));
                });
            }
            dump.body("body", &it.body);
        });
    }

    fn body(&mut self, title: &str, body: &Body) {
        self.under(title, |dump| body.stmts.iter().for_each(|it| dump.stmt(it)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Input { names, element, dims } => {
                let names: Vec<_> = names.iter().map(|it| escape(&it.text)).collect();
                let title = format!("input {}: {}", names.join(", "), element.text);
                self.under(title, |dump| dims.iter().for_each(|it| dump.expr(it)));
            }
            StmtKind::Output { name, train, chain } => {
                let train = if *train { " @train" } else { "" };
                let title = format!("output {}{train}", escape(&name.text));
                self.under(title, |dump| chain.iter().for_each(|it| dump.chain(it)));
            }
            StmtKind::Shared { name, layer } => {
                self.under(format_args!("shared {}", escape(&name.text)), |dump| dump.expr(layer));
            }
            StmtKind::Value { name, chain } => {
                self.under(format_args!("value {}", escape(&name.text)), |dump| dump.chain(chain));
            }
            StmtKind::Chain(chain) => self.chain(chain),
        }
    }

    fn chain(&mut self, chain: &Chain) {
        self.under("chain", |dump| chain.steps.iter().for_each(|it| dump.step(it)));
    }

    fn step(&mut self, step: &Step) {
        let Step { label, kind, note, .. } = step;
        if let Some(label) = label {
            self.line(format_args!("label {}", escape(&label.text)));
        }
        match kind {
            StepKind::Expr(it) => self.expr(it),
            StepKind::For(it) => self.under("for", |dump| {
                dump.pattern(&it.pattern);
                dump.expr(&it.list);
                dump.body("body", &it.body);
            }),
            StepKind::If(it) => self.under("if", |dump| {
                for (condition, body) in &it.cases {
                    dump.expr(condition);
                    dump.body("then", body);
                }
                it.otherwise.iter().for_each(|it| dump.body("else", it));
            }),
        }
        if let Some(note) = note {
            self.under("note", |dump| {
                for dim in &note.dims {
                    match dim {
                        Dim::Any(_) => dump.line("_"),
                        Dim::Size(it) => dump.expr(it),
                    }
                }
            });
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Any(_) => self.line("pattern _"),
            Pattern::Name(it) => self.line(format_args!("pattern {}", it.text)),
            Pattern::Tuple(parts, _) => {
                self.under("pattern tuple", |dump| parts.iter().for_each(|it| dump.pattern(it)));
            }
        }
    }

    fn call(&mut self, call: &Call) {
        self.under(format_args!("call {}", call.name.text), |dump| {
            for arg in &call.args {
                match &arg.name {
                    Some(name) => {
                        dump.under(format_args!("{} =", name.text), |it| it.expr(&arg.value))
                    }
                    None => dump.expr(&arg.value),
                }
            }
        });
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int(it) => self.line(it),
            ExprKind::Float { text, .. } => self.line(text),
            ExprKind::Bool(it) => self.line(it),
            ExprKind::Text(it) => self.line(escape(it)),
            ExprKind::It => self.line("it"),
            ExprKind::Name(it) => self.line(format_args!("name {it}")),
            ExprKind::List(all) => self.all("list", all),
            ExprKind::Tuple(all) => self.all("tuple", all),
            ExprKind::Range(from, to) => self.several("..", &[from, to]),
            ExprKind::Unary(UnaryOp::Neg, of) => self.several("neg", &[of]),
            ExprKind::Unary(UnaryOp::Not, of) => self.several("not", &[of]),
            ExprKind::Binary(op, a, b) => self.several(op.symbol(), &[a, b]),
            ExprKind::Choice(condition, yes, no) => self.several("?:", &[condition, yes, no]),
            ExprKind::Field(of, name) => {
                self.under(format_args!("field {}", escape(&name.text)), |dump| dump.expr(of));
            }
            ExprKind::Call(it) => self.call(it),
            ExprKind::Seq(it) => self.body("seq", it),
            ExprKind::Branch { op, arms } => {
                self.under(format_args!("branch {}", op.text), |dump| {
                    arms.iter().for_each(|it| dump.body("arm", it));
                });
            }
            ExprKind::Chain(it) => self.chain(it),
        }
    }

    fn all(&mut self, title: &str, all: &[Expr]) {
        self.under(title, |dump| all.iter().for_each(|it| dump.expr(it)));
    }

    fn several(&mut self, title: &str, parts: &[&Expr]) {
        self.under(title, |dump| parts.iter().for_each(|it| dump.expr(it)));
    }
}
