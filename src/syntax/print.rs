//! The tree as text: the one canonical layout.
//!
//! Two spaces a level, lines of at most 100 columns where they can be broken, one blank line where there was
//! any, a body on one line if it was written on one. Notes and trailing comments of lines that follow each
//! other stand in columns.

mod flat;
mod lines;

use super::ast::*;
use super::escape;
use crate::diag::Span;
use flat::{
    Flat, Level, Spacing, binary_level, level, needs_shelter, operand_levels, pattern, title,
};
use lines::Lines;

/// Prints a tree; `text` is what it was parsed from, if it was.
pub(super) fn print(ast: &Ast, text: Option<&str>) -> String {
    let flat = Flat { text, trivia: &ast.trivia };
    let mut print = Print { flat, next: 0, lines: Lines::default() };
    for (i, item) in ast.items.iter().enumerate() {
        let apart = |it: &Item| match &it.kind {
            ItemKind::Net(_) => true,
            ItemKind::Block(it) => print.flat.body(&it.body).is_none(),
            _ => false,
        };
        if i > 0 && (print.lines.is_tall() || apart(item) && !print.comes_comment(item.span.start))
        {
            print.trail(item.span.start);
            print.lines.blank();
        }
        print.before(item.span.start);
        print.lines.begin_item();
        print.item(item);
        print.skip_blanks(item.span.end);
    }
    print.before(u32::MAX);
    print.lines.finish()
}

/// Arguments that are so short stay on one line where a long label leaves them no room.
const TOGETHER: usize = 40;

struct Print<'a> {
    flat: Flat<'a>,
    /// The first trivia not yet printed.
    next: usize,
    lines: Lines,
}

impl Print<'_> {
    // ---- trivia ----

    fn upcoming(&self, end: u32) -> Option<&Trivia> {
        self.flat.trivia.get(self.next).filter(|it| it.span.start < end)
    }

    fn comes_comment(&self, end: u32) -> bool {
        self.upcoming(end).is_some_and(|it| matches!(it.kind, TriviaKind::Comment(_)))
    }

    /// Prints the comments and blank lines that stand before an offset; the line under way has ended.
    fn before(&mut self, end: u32) {
        while let Some(it) = self.upcoming(end).cloned() {
            self.next += 1;
            match it.kind {
                TriviaKind::Comment(text) => self.lines.comment(text),
                TriviaKind::Trailing(text) => self.lines.trailing(text),
                TriviaKind::Blank => self.lines.blank(),
            }
        }
    }

    /// Prints the comment at the end of the last line, if one follows before an offset.
    fn trail(&mut self, end: u32) {
        if let Some(Trivia { kind: TriviaKind::Trailing(text), .. }) = self.upcoming(end).cloned() {
            self.next += 1;
            self.lines.trailing(text);
        }
    }

    /// Blank lines inside something that has its own layout are dropped.
    fn skip_blanks(&mut self, end: u32) {
        while self.upcoming(end).is_some_and(|it| it.kind == TriviaKind::Blank) {
            self.next += 1;
        }
    }

    /// Ends the line and prints the comments that stand before an offset.
    fn break_before(&mut self, end: u32) {
        self.lines.end();
        while let Some(it) = self.upcoming(end).cloned() {
            self.next += 1;
            match it.kind {
                TriviaKind::Comment(text) => self.lines.comment(text),
                TriviaKind::Trailing(text) => self.lines.trailing(text),
                TriviaKind::Blank => {}
            }
        }
    }

    /// Whether a comment stands before an offset.
    fn is_interrupted(&self, end: u32) -> bool {
        let upcoming = self.flat.trivia[self.next..].iter().take_while(|it| it.span.start < end);
        upcoming.into_iter().any(|it| it.kind != TriviaKind::Blank)
    }

    /// Prints lines inside brackets that have been opened, and goes on in the line that closes them.
    fn nested(&mut self, by: usize, close: &str, inside: impl FnOnce(&mut Self)) {
        let base = self.lines.base();
        let outer = self.lines.set_indent(base + by);
        self.lines.end();
        inside(self);
        self.lines.end();
        self.lines.set_indent(base);
        self.lines.push(close);
        self.lines.set_indent(outer);
    }

    // ---- a file ----

    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Net(it) => self.definition("net", it),
            ItemKind::Block(it) => self.definition("block", it),
            ItemKind::Const { name, value } => {
                self.lines.push(&format!("const {} = ", name.text));
                self.expr(value, Level::Choice, Spacing::Inner);
            }
            ItemKind::Use(path) => self.lines.push(&format!("use {}", escape(&path.text))),
            ItemKind::Defaults(calls) => {
                let all: Vec<_> = calls.iter().map(|it| (it.span, self.flat.call(it))).collect();
                self.table("defaults", item.span, &all, |print, i| print.call(&calls[i]));
            }
            ItemKind::Bind(rules) => {
                let text =
                    |it: &BindRule| format!("{} <- {}", escape(&it.to.text), escape(&it.from.text));
                let all: Vec<_> = rules.iter().map(|it| (it.span, Some(text(it)))).collect();
                self.table("bind", item.span, &all, |print, i| print.lines.push(&text(&rules[i])));
            }
        }
        self.lines.end();
    }

    /// `title { a }`, or one entry a line.
    fn table(
        &mut self,
        title: &str,
        span: Span,
        all: &[(Span, Option<String>)],
        write: impl Fn(&mut Self, usize),
    ) {
        self.lines.push(&format!("{title} {{"));
        let comment = self.flat.has_comment(span);
        match all {
            [] if !comment => self.lines.push("}"),
            [(_, Some(only))] if !comment && self.lines.fits(only.len() + 3) => {
                self.lines.push(&format!(" {only} }}"));
            }
            _ => self.nested(2, "}", |print| {
                for (i, (span, text)) in all.iter().enumerate() {
                    print.lines.end();
                    print.before(span.start);
                    match text.as_ref().filter(|it| print.lines.fits(it.len())) {
                        Some(text) => print.lines.push(text),
                        None => write(print, i),
                    }
                    print.skip_blanks(span.end);
                }
                print.break_before(span.end);
            }),
        }
    }

    fn definition(&mut self, kind: &str, it: &Definition) {
        self.lines.push(&format!("{kind} {}", it.name.text));
        if !it.params.is_empty() {
            let all: Vec<_> =
                it.params.iter().map(|it| (it.name.span, self.flat.param(it))).collect();
            let span = Span { end: it.body.span.start, ..it.name.span };
            let text = all.iter().map(|it| it.1.as_deref()).collect::<Option<Vec<_>>>();
            let text = text.map(|it| format!("({})", it.join(", ")));
            match text.filter(|it| self.lines.fits(it.len() + 2) && !self.flat.has_comment(span)) {
                Some(text) => self.lines.push(&text),
                None => self.list(["(", ")"], span, &all, |print, i| {
                    let Param { name, default } = &it.params[i];
                    print.lines.push(&name.text);
                    if let Some(default) = default {
                        print.lines.push(" = ");
                        print.expr(default, Level::Choice, Spacing::Inner);
                    }
                }),
            }
        }
        self.lines.push(" ");
        match self.flat.body(&it.body).filter(|_| kind == "block") {
            Some(text) if self.lines.fits(text.len()) => self.lines.push(&text),
            _ => self.body(&it.body),
        }
    }

    // ---- a body ----

    /// A body with its braces, on several lines if it holds anything.
    fn body(&mut self, it: &Body) {
        if it.stmts.is_empty() && !self.flat.has_comment(it.span) {
            return self.lines.push("{}");
        }
        self.lines.push("{");
        self.nested(2, "}", |print| print.stmts(it));
    }

    fn stmts(&mut self, it: &Body) {
        for stmt in &it.stmts {
            self.before(stmt.span.start);
            self.stmt(stmt);
            self.skip_blanks(stmt.span.end);
        }
        if self.flat.has_comment(Span {
            start: it.stmts.last().map_or(it.span.start, |it| it.span.end),
            ..it.span
        }) {
            self.before(it.span.end);
        }
        self.skip_blanks(it.span.end);
        self.lines.drop_blank();
    }

    fn stmt(&mut self, it: &Stmt) {
        match self.flat.opening(it) {
            Some((opening, chain)) => {
                self.lines.push(&opening);
                if let Some(chain) = chain {
                    self.chain(chain);
                }
            }
            None => self.broken_opening(it),
        }
        self.lines.end();
    }

    /// A statement without a chain that does not stand on one line.
    fn broken_opening(&mut self, it: &Stmt) {
        match &it.kind {
            StmtKind::Input { names, element, dims } => {
                let names: Vec<_> = names.iter().map(title).collect();
                self.lines.push(&format!("input {}: {}", names.join(", "), element.text));
                self.exprs(["[", "]"], it.span, dims);
            }
            StmtKind::Shared { name, layer } => {
                self.lines.push(&format!("shared {}: ", title(name)));
                self.expr(layer, Level::Choice, Spacing::Step);
            }
            _ => unreachable!("every other statement opens on one line"),
        }
    }

    fn chain(&mut self, it: &Chain) {
        let whole = self.flat.bare_chain(it).is_some_and(|text| self.lines.fits(text.len()));
        let base = self.lines.base();
        let outer = self.lines.set_indent(base + 2);
        for (i, step) in it.steps.iter().enumerate() {
            if i > 0 {
                let long =
                    || self.flat.bare_step(step).is_some_and(|it| !self.lines.fits(it.len() + 4));
                if self.is_interrupted(step.span.start) || !whole && long() {
                    self.break_before(step.span.start);
                    self.lines.push("-> ");
                } else {
                    self.lines.push(" -> ");
                }
            }
            self.step(step);
        }
        self.lines.set_indent(outer);
    }

    fn step(&mut self, it: &Step) {
        match self.flat.bare_step(it).filter(|text| self.lines.fits(text.len())) {
            Some(text) => self.lines.push(&text),
            None => {
                if let Some(label) = &it.label {
                    self.lines.push(&format!("{}: ", title(label)));
                }
                match &it.kind {
                    StepKind::Expr(it) => self.expr(it, Level::Choice, Spacing::Step),
                    StepKind::For(it) => {
                        self.lines.push(&format!("for {} in ", pattern(&it.pattern)));
                        self.head(&it.list);
                        self.body(&it.body);
                    }
                    StepKind::If(it) => self.choose(it),
                }
            }
        }
        match it.note.as_ref().map(|it| (it, self.flat.note(it))) {
            Some((_, Some(text))) => self.lines.note(text),
            Some((note, None)) => {
                self.lines.push(" => ");
                let dims: Vec<_> = note.dims.iter().map(|it| self.dim(it)).collect();
                self.list(["[", "]"], note.span, &dims, |print, i| match &note.dims[i] {
                    Dim::Any(_) => print.lines.push("_"),
                    Dim::Size(it) => print.expr(it, Level::Choice, Spacing::Inner),
                });
            }
            None => {}
        }
    }

    fn dim(&self, it: &Dim) -> (Span, Option<String>) {
        match it {
            Dim::Any(span) => (*span, Some("_".to_owned())),
            Dim::Size(it) => (it.span, self.flat.expr(it, Level::Choice, Spacing::Inner)),
        }
    }

    fn choose(&mut self, it: &If) {
        for (i, (condition, body)) in it.cases.iter().enumerate() {
            self.lines.push(if i > 0 { " else if " } else { "if " });
            self.head(condition);
            self.body(body);
        }
        if let Some(body) = &it.otherwise {
            self.lines.push(" else ");
            self.body(body);
        }
    }

    /// What heads a loop or condition, and the space before its brace.
    fn head(&mut self, it: &Expr) {
        match self.flat.head(it).filter(|text| self.lines.fits(text.len() + 2)) {
            Some(text) => self.lines.push(&text),
            None => self
                .wrapped(needs_shelter(it), |print| print.expr(it, Level::Choice, Spacing::Inner)),
        }
        self.lines.push(" ");
    }

    fn wrapped(&mut self, wrap: bool, inside: impl FnOnce(&mut Self)) {
        if wrap {
            self.lines.push("(");
        }
        inside(self);
        if wrap {
            self.lines.push(")");
        }
    }

    // ---- expressions that do not fit on the line ----

    fn expr(&mut self, it: &Expr, least: Level, spacing: Spacing) {
        if let Some(text) = self.flat.expr(it, least, spacing)
            && self.lines.fits(text.len())
        {
            return self.lines.push(&text);
        }
        if level(it) < least {
            return self.wrapped(true, |print| print.expr(it, Level::Choice, Spacing::Inner));
        }
        match &it.kind {
            ExprKind::List(all) => self.exprs(["[", "]"], it.span, all),
            ExprKind::Tuple(all) => self.exprs(["(", ")"], it.span, all),
            ExprKind::Range(from, to) => {
                self.expr(from, Level::Add, Spacing::Tight);
                self.lines.push("..");
                self.expr(to, Level::Add, Spacing::Tight);
            }
            ExprKind::Unary(op, of) => {
                let (sign, least) =
                    if *op == UnaryOp::Not { ("not ", Level::Not) } else { ("-", Level::Neg) };
                self.lines.push(sign);
                self.expr(of, least, spacing);
            }
            ExprKind::Binary(op, a, b) => {
                let (left, right) = operand_levels(*op);
                let loose = if binary_level(*op) == Level::Mul { Spacing::Step } else { spacing };
                self.expr(a, left, loose);
                self.then(op.symbol(), b, right, loose);
            }
            ExprKind::Choice(condition, yes, no) => {
                self.expr(condition, Level::Or, Spacing::Inner);
                self.then("?", yes, Level::Or, Spacing::Inner);
                self.then(":", no, Level::Choice, Spacing::Inner);
            }
            ExprKind::Field(of, name) => {
                self.expr(of, Level::Field, spacing);
                self.lines.push(&format!(".{}", flat::field(name)));
            }
            ExprKind::Call(it) => self.call(it),
            ExprKind::Seq(it) => {
                self.lines.push("seq ");
                self.body(it);
            }
            ExprKind::Branch { op, arms } => self.branch(op, arms),
            ExprKind::Chain(it) => self.wrapped(true, |print| print.chain(it)),
            atom => {
                let text = self.flat.expr(it, least, spacing);
                self.lines.push(&text.unwrap_or_else(|| unreachable!("{atom:?} holds no comment")));
            }
        }
    }

    /// ` op operand`, the operand on a new line if only that helps.
    fn then(&mut self, op: &str, operand: &Expr, least: Level, spacing: Spacing) {
        self.lines.push(&format!(" {op}"));
        let text = self.flat.expr(operand, least, spacing);
        if self.is_interrupted(operand.span.start)
            || text.is_some_and(|it| !self.lines.fits(it.len() + 1))
        {
            let base = self.lines.base();
            let outer = self.lines.set_indent(base + 2);
            self.break_before(operand.span.start);
            self.expr(operand, least, spacing);
            self.lines.set_indent(outer);
        } else {
            self.lines.push(" ");
            self.expr(operand, least, spacing);
        }
    }

    fn call(&mut self, it: &Call) {
        self.lines.push(&it.name.text);
        // `conv(1, 3, weight=[` keeps its line if only the last argument is long.
        if let Some((last, first)) = it.args.split_last()
            && let ExprKind::List(rows) = &last.value.kind
            && !rows.is_empty()
        {
            let other = first.iter().any(|it| matches!(it.value.kind, ExprKind::List(_)));
            let first: Option<Vec<_>> = first.iter().map(|it| self.flat.arg(it)).collect();
            let key = last.name.as_ref().map_or(String::new(), |it| format!("{}=", it.text));
            let comment = self.is_interrupted(last.value.span.start);
            if let Some(first) = first.filter(|_| !comment && !other) {
                let opening = first.into_iter().chain([key]).collect::<Vec<_>>().join(", ");
                if self.lines.fits(opening.len() + 2) {
                    self.lines.push(&format!("({opening}"));
                    self.exprs(["[", "]"], last.value.span, rows);
                    return self.lines.push(")");
                }
            }
        }
        let all: Vec<_> = it.args.iter().map(|it| (it.span, self.flat.arg(it))).collect();
        let texts: Option<Vec<&str>> = all.iter().map(|it| it.1.as_deref()).collect();
        let line = texts.unwrap_or_default().join(", ");
        let is_short = (1..=TOGETHER).contains(&line.chars().count());
        if is_short && !self.is_interrupted(it.span.end) {
            self.lines.push("(");
            return self.nested(2, ")", |print| print.lines.push(&line));
        }
        self.list(["(", ")"], it.span, &all, |print, i| {
            let Arg { name, value, .. } = &it.args[i];
            if let Some(name) = name {
                print.lines.push(&format!("{}=", name.text));
            }
            print.expr(value, Level::Choice, Spacing::Inner);
        });
    }

    fn exprs(&mut self, brackets: [&str; 2], span: Span, all: &[Expr]) {
        let texts: Vec<_> = all
            .iter()
            .map(|it| (it.span, self.flat.expr(it, Level::Choice, Spacing::Inner)))
            .collect();
        let small = |it: &Expr| match &it.kind {
            ExprKind::Unary(UnaryOp::Neg, of) => {
                matches!(of.kind, ExprKind::Int(_) | ExprKind::Float { .. })
            }
            ExprKind::Int(_) | ExprKind::Float { .. } | ExprKind::Name(_) => true,
            _ => false,
        };
        if all.len() > 1 && all.iter().all(small) && !self.flat.has_comment(span) {
            return self.fill(brackets, &texts);
        }
        self.list(brackets, span, &texts, |print, i| {
            print.expr(&all[i], Level::Choice, Spacing::Inner)
        });
    }

    /// Members one a line.
    fn list(
        &mut self,
        [open, close]: [&str; 2],
        span: Span,
        all: &[(Span, Option<String>)],
        write: impl Fn(&mut Self, usize),
    ) {
        self.lines.push(open);
        self.nested(2, close, |print| {
            for (i, (span, _)) in all.iter().enumerate() {
                print.break_before(span.start);
                write(print, i);
                print.lines.push(",");
            }
            print.break_before(span.end);
        });
    }

    /// Small members, as many on a line as fit.
    fn fill(&mut self, [open, close]: [&str; 2], all: &[(Span, Option<String>)]) {
        self.lines.push(open);
        self.nested(2, close, |print| {
            for (_, text) in all {
                let text = text.as_deref().unwrap_or_default();
                if !print.lines.is_fresh() && !print.lines.fits(text.len() + 2) {
                    print.lines.end();
                }
                let space = if print.lines.is_fresh() { "" } else { " " };
                print.lines.push(&format!("{space}{text},"));
            }
        });
    }

    /// `add {` with one arm below the other.
    fn branch(&mut self, op: &Name, arms: &[Body]) {
        self.lines.push(&format!("{} {{", op.text));
        self.nested(4, "}", |print| {
            for (i, arm) in arms.iter().enumerate() {
                if i > 0 {
                    let first = arm.stmts.first().map_or(arm.span.end, |it| it.span.start);
                    print.before(first);
                    print.lines.drop_blank();
                    print.lines.bar(!arm.stmts.is_empty());
                }
                print.stmts(arm);
            }
        });
    }
}
