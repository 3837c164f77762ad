//! Chains, steps and expressions.

use std::sync::LazyLock;

use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::*;

/// How high an expression's tree may grow: brackets and operators together.
const HEIGHT: usize = 256;

static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let infix = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(infix(Rule::or))
        .op(infix(Rule::and))
        .op(Op::prefix(Rule::not))
        .op(infix(Rule::eq)
            | infix(Rule::ne)
            | infix(Rule::lt)
            | infix(Rule::le)
            | infix(Rule::gt)
            | infix(Rule::ge))
        .op(infix(Rule::range))
        .op(infix(Rule::add) | infix(Rule::sub))
        .op(infix(Rule::mul) | infix(Rule::div) | infix(Rule::rem))
        .op(Op::prefix(Rule::neg))
        .op(Op::postfix(Rule::field))
});

fn binary(rule: Rule) -> Option<BinaryOp> {
    Some(match rule {
        Rule::or => BinaryOp::Or,
        Rule::and => BinaryOp::And,
        Rule::eq => BinaryOp::Eq,
        Rule::ne => BinaryOp::Ne,
        Rule::lt => BinaryOp::Lt,
        Rule::le => BinaryOp::Le,
        Rule::gt => BinaryOp::Gt,
        Rule::ge => BinaryOp::Ge,
        Rule::add => BinaryOp::Add,
        Rule::sub => BinaryOp::Sub,
        Rule::mul => BinaryOp::Mul,
        Rule::div => BinaryOp::Div,
        Rule::rem => BinaryOp::Rem,
        _ => return None,
    })
}

/// What stands for an expression that was reported.
fn broken(span: Span) -> Expr {
    Expr { kind: ExprKind::It, span }
}

impl Convert<'_> {
    pub(super) fn chain(&mut self, pair: Pair<'_, Rule>) -> Chain {
        self.steps(pair, false)
    }

    /// A chain; one in parentheses may be a mere expression.
    fn steps(&mut self, pair: Pair<'_, Rule>, grouped: bool) -> Chain {
        let span = self.span(&pair);
        let inner = pair.into_inner().filter(|it| it.as_rule() == Rule::step);
        let steps: Vec<_> = inner.map(|it| self.step(it)).collect();
        if let [Step { label: None, kind: StepKind::Expr(_), note: None, .. }] = &steps[..]
            && grouped
        {
            return Chain { steps, span };
        }
        for it in &steps {
            if let StepKind::Expr(it) = &it.kind {
                self.check_choice(it);
            }
        }
        Chain { steps, span }
    }

    fn step(&mut self, pair: Pair<'_, Rule>) -> Step {
        let span = self.span(&pair);
        let (mut label, mut kind, mut note) = (None, None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::label => label = it.into_inner().next().map(|it| self.name(&it)),
                Rule::for_loop => kind = self.for_loop(it).map(StepKind::For),
                Rule::choose => kind = self.choose(it).map(StepKind::If),
                Rule::expr => kind = Some(StepKind::Expr(self.expr(it))),
                Rule::note => note = Some(self.note(it)),
                _ => {}
            }
        }
        let kind = kind.unwrap_or_else(|| StepKind::Expr(broken(span)));
        Step { label, kind, note, span }
    }

    fn note(&mut self, pair: Pair<'_, Rule>) -> Note {
        let span = self.span(&pair);
        let entries = self.entries(pair, Place::Note);
        let dim = |it: Pair<'_, Rule>| match it.as_rule() {
            Rule::hole => Dim::Any(self.span(&it)),
            _ => Dim::Size(self.expr(it)),
        };
        Note { dims: entries.into_iter().map(dim).collect(), span }
    }

    fn for_loop(&mut self, pair: Pair<'_, Rule>) -> Option<For> {
        let span = self.span(&pair);
        let (mut pattern, mut list, mut body) = (None, None, None);
        let (mut within, mut told) = (false, false);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::kw_in => within = true,
                Rule::head if !within => {
                    let here = self.span(&it);
                    self.error(here, "`in` is missing here", "write `for x in list { .. }`");
                    told = true;
                }
                Rule::aside if told => {}
                Rule::pattern => pattern = Some(self.pattern(it)),
                Rule::head => list = Some(self.flat(it)),
                Rule::aside => self.lost(Place::Form(Form::For), &it),
                Rule::arms => body = Some(self.body(it, Form::For)),
                _ => {}
            }
        }
        if pattern.is_none() || list.is_none() || body.is_none() {
            self.incomplete(Form::For, "a name, a list and a body in braces", span);
        }
        Some(For { pattern: pattern?, list: list?, body: body?, span })
    }

    fn pattern(&mut self, pair: Pair<'_, Rule>) -> Pattern {
        let span = self.span(&pair);
        let tuple = pair.as_str().starts_with('(');
        let mut parts = Vec::new();
        for it in self.entries(pair, Place::Pattern) {
            parts.push(match it.as_rule() {
                Rule::hole => Pattern::Any(self.span(&it)),
                Rule::name => Pattern::Name(self.name(&it)),
                _ => self.pattern(it),
            });
        }
        match parts.pop() {
            Some(only) if !tuple => only,
            last => {
                parts.extend(last);
                if parts.is_empty() {
                    self.error(span, "this pattern has no name", "write `(a, b)`, or `_`");
                }
                Pattern::Tuple(parts, span)
            }
        }
    }

    fn choose(&mut self, pair: Pair<'_, Rule>) -> Option<If> {
        let span = self.span(&pair);
        let (mut cases, mut otherwise) = (Vec::new(), None);
        for it in
            pair.into_inner().filter(|it| matches!(it.as_rule(), Rule::case | Rule::otherwise))
        {
            let last = it.as_rule() == Rule::otherwise;
            let (form, here) = (if last { Form::Else } else { Form::If }, self.span(&it));
            let (mut condition, mut body) = (None, None);
            for it in it.into_inner() {
                match it.as_rule() {
                    Rule::head => condition = Some(self.flat(it)),
                    Rule::aside => self.lost(Place::Form(form), &it),
                    Rule::arms => body = Some(self.body(it, form)),
                    _ => {}
                }
            }
            if body.is_none() || condition.is_none() && !last {
                let missing =
                    if last { "a body in braces" } else { "a condition and a body in braces" };
                self.incomplete(form, missing, here);
            }
            match (condition, body) {
                (_, Some(body)) if last => otherwise = Some(body),
                (Some(condition), Some(body)) => cases.push((condition, body)),
                _ => {}
            }
        }
        (!cases.is_empty()).then_some(If { cases, otherwise, span })
    }

    /// A choice is no step: it would read like a label.
    pub(super) fn check_choice(&mut self, it: &Expr) {
        if let ExprKind::Choice(..) = &it.kind {
            let help = "write `if condition { .. } else { .. }`";
            self.error(it.span, "`? :` stands inside arguments only", help);
        }
    }

    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let (choices, flat): (Vec<_>, Vec<_>) =
            pair.into_inner().partition(|it| it.as_rule() == Rule::choice);
        let height = choices.len();
        self.height += height;
        if self.height > HEIGHT {
            self.height -= height;
            return self.too_high(span);
        }
        let mut parts = vec![self.shape(flat, span)];
        for it in choices {
            let here = self.span(&it);
            let mut halves: Vec<_> = it.into_inner().collect();
            let Some(colon) = halves.iter().position(|it| it.as_rule() == Rule::colon) else {
                self.incomplete(Form::Choice, "both sides", here);
                continue;
            };
            let no = halves.split_off(colon + 1);
            halves.pop();
            if halves.is_empty() {
                self.incomplete(Form::Choice, "both sides", here);
                continue;
            }
            parts.push(self.shape(halves, here));
            parts.push(self.shape(no, here));
        }
        self.height -= height;
        let mut it = parts.pop().expect("the first part was pushed");
        while let (Some(yes), Some(condition)) = (parts.pop(), parts.pop()) {
            let span = condition.span.to(it.span);
            it = Expr {
                kind: ExprKind::Choice(Box::new(condition), Box::new(yes), Box::new(it)),
                span,
            };
        }
        it
    }

    fn flat(&mut self, head: Pair<'_, Rule>) -> Expr {
        let span = self.span(&head);
        self.shape(head.into_inner().collect(), span)
    }

    fn too_high(&mut self, span: Span) -> Expr {
        let message = format!("this expression is more than {HEIGHT} operators and brackets deep");
        let known =
            self.diagnostics.iter().any(|it| it.code == "nesting" && it.span.start <= span.start);
        if !known {
            let diagnostic = Diagnostic::error("nesting", span, message);
            self.diagnostics.push(diagnostic.help("give a part of it a name: `const part = ..`"));
        }
        broken(span)
    }

    /// Operands and operators in a row, given their shape.
    fn shape(&mut self, pairs: Vec<Pair<'_, Rule>>, span: Span) -> Expr {
        let is_operator = |it: &&Pair<'_, Rule>| {
            matches!(it.as_rule(), Rule::neg | Rule::not | Rule::field | Rule::range)
                || binary(it.as_rule()).is_some()
        };
        let height = 1 + pairs.iter().filter(is_operator).count();
        if self.height + height > HEIGHT {
            return self.too_high(span);
        }
        self.height += height;
        self.check_row(&pairs);
        let (file, text, trivia, repaired) = (self.file, self.text, self.trivia, self.repaired);
        let place = |it: &Pair<'_, Rule>| span_of(file, text, trivia, repaired, it);
        let mut fields: Vec<Name> = Vec::new();
        for it in pairs.iter().filter(|it| it.as_rule() == Rule::field) {
            fields.extend(it.clone().into_inner().next().map(|it| self.name(&it)));
        }
        let mut fields = fields.into_iter();
        let it = PRATT
            .map_primary(|it| self.primary(it))
            .map_prefix(|op, of: Expr| {
                let unary = if op.as_rule() == Rule::neg { UnaryOp::Neg } else { UnaryOp::Not };
                let span = place(&op).to(of.span);
                Expr { kind: ExprKind::Unary(unary, Box::new(of)), span }
            })
            .map_postfix(|of: Expr, field| {
                let span = of.span.to(place(&field));
                match fields.next() {
                    Some(name) => Expr { kind: ExprKind::Field(Box::new(of), name), span },
                    None => broken(span),
                }
            })
            .map_infix(|a: Expr, op, b: Expr| {
                let span = a.span.to(b.span);
                let (a, b) = (Box::new(a), Box::new(b));
                let kind = match binary(op.as_rule()) {
                    Some(op) => ExprKind::Binary(op, a, b),
                    None => ExprKind::Range(a, b),
                };
                Expr { kind, span }
            })
            .parse(pairs.into_iter());
        self.height -= height;
        it
    }

    /// Comparisons and ranges do not chain; operators of other languages are named.
    fn check_row(&mut self, pairs: &[Pair<'_, Rule>]) {
        let (mut compared, mut ranged) = (false, false);
        for it in pairs {
            match it.as_rule() {
                Rule::and | Rule::or | Rule::not => {
                    (compared, ranged) = (false, false);
                    let plain = match it.as_str().trim_end() {
                        "&&" => "and",
                        "||" => "or",
                        "!" => "not",
                        _ => continue,
                    };
                    let message = format!("`{}` is written `{plain}`", it.as_str().trim_end());
                    self.error(self.span(it), message, &format!("write `{plain}`"));
                }
                Rule::range if std::mem::replace(&mut ranged, true) => {
                    self.error(self.span(it), "a range has two ends", "write `from..to`");
                }
                Rule::eq | Rule::ne | Rule::lt | Rule::le | Rule::gt | Rule::ge => {
                    ranged = false;
                    if std::mem::replace(&mut compared, true) {
                        self.error(
                            self.span(it),
                            "comparisons do not chain",
                            "write `a < b and b < c`",
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => self.number(&pair),
            Rule::string => ExprKind::Text(self.string(&pair)),
            Rule::truth => ExprKind::Bool(pair.as_str().trim_end() == "true"),
            Rule::it => ExprKind::It,
            Rule::list => {
                let entries = self.entries(pair, Place::List);
                ExprKind::List(entries.into_iter().map(|it| self.expr(it)).collect())
            }
            Rule::group => return self.group(pair),
            Rule::seq => {
                let arms = pair.into_inner().find(|it| it.as_rule() == Rule::arms);
                ExprKind::Seq(arms.map(|it| self.body(it, Form::Seq)).unwrap_or_default())
            }
            Rule::branch => {
                let mut inner = pair.into_inner();
                let (Some(op), Some(arms)) = (inner.next(), inner.next()) else {
                    return broken(span);
                };
                ExprKind::Branch { op: self.name(&op), arms: self.arms(arms) }
            }
            Rule::call if pair.clone().into_inner().count() == 1 => {
                let name = pair.into_inner().next().expect("a call has a name");
                ExprKind::Name(self.name(&name).text)
            }
            _ => ExprKind::Call(self.call(pair)),
        };
        Expr { kind, span }
    }

    fn number(&mut self, pair: &Pair<'_, Rule>) -> ExprKind {
        let text = pair.as_str();
        if text.bytes().all(|it| it.is_ascii_digit()) {
            return match text.parse() {
                Ok(value) => ExprKind::Int(value),
                Err(_) => {
                    self.error(
                        self.span(pair),
                        "this number is too large",
                        "whole numbers reach to 2^63 - 1",
                    );
                    ExprKind::Int(0)
                }
            };
        }
        let value = text.parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() || text.len() > NAME_BYTES {
            self.error(
                self.span(pair),
                "this number is too large",
                "numbers reach to about 1.8e308",
            );
        }
        ExprKind::Float { value, text: text.to_owned() }
    }

    /// Parentheses: an expression, a tuple or a chain.
    fn group(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let commas = pair.clone().into_inner().any(|it| it.as_rule() == Rule::comma);
        let mut chains = Vec::new();
        for it in self.entries(pair, Place::Group) {
            chains.push(self.steps(it, true));
        }
        match chains.len() {
            0 => {
                self.error(span, "these parentheses are empty", "write what they stand for");
                broken(span)
            }
            1 if !commas => {
                let chain = chains.remove(0);
                match plain(chain) {
                    Ok(expr) => expr,
                    Err(chain) => Expr { kind: ExprKind::Chain(chain), span },
                }
            }
            _ => {
                let mut members = Vec::with_capacity(chains.len());
                for it in chains {
                    match plain(it) {
                        Ok(expr) => members.push(expr),
                        Err(chain) => {
                            let help = "put each into parentheses: `((a -> b), c)`";
                            self.error(chain.span, "a tuple holds expressions, not chains", help);
                        }
                    }
                }
                Expr { kind: ExprKind::Tuple(members), span }
            }
        }
    }

    pub(super) fn call(&mut self, pair: Pair<'_, Rule>) -> Call {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let name = inner.next().map(|it| self.name(&it));
        let name = name.unwrap_or(Name { text: String::new(), span });
        let mut args: Vec<Arg> = Vec::new();
        let entries = inner.next().map(|it| self.entries(it, Place::Arguments)).unwrap_or_default();
        for it in entries {
            let arg = self.arg(it);
            let named = args.last().is_some_and(|it| it.name.is_some());
            if arg.name.is_none() && named {
                let help = "move it before the named ones, or name it too";
                self.error(arg.span, "a positional argument follows a named one", help);
            }
            args.push(arg);
        }
        Call { name, args, span }
    }

    fn arg(&mut self, pair: Pair<'_, Rule>) -> Arg {
        let span = self.span(&pair);
        let (mut name, mut value) = (None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::key => {
                    for it in it.into_inner() {
                        match it.as_rule() {
                            Rule::word => name = Some(self.name(&it)),
                            Rule::colon => {
                                self.error(
                                    self.span(&it),
                                    "an argument is named with `=`",
                                    "write `key=value`",
                                );
                            }
                            _ => {}
                        }
                    }
                }
                _ => value = Some(self.expr(it)),
            }
        }
        Arg { name, value: value.unwrap_or_else(|| broken(span)), span }
    }
}

/// The expression that a chain is, if it is no more than one.
fn plain(mut chain: Chain) -> Result<Expr, Chain> {
    if let [Step { label: None, kind: StepKind::Expr(_), note: None, .. }] = &chain.steps[..]
        && let Some(Step { kind: StepKind::Expr(expr), .. }) = chain.steps.pop()
    {
        return Ok(expr);
    }
    Err(chain)
}
