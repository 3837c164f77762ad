//! From the parser's pairs to the tree: the one place that knows the grammar's rules.
//!
//! The grammar accepts almost anything; what it could not place arrives as lost text and is reported here.
//! After a report any node will do, since a tree with errors is never elaborated.

mod expr;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use pest::Parser;
use pest::iterators::Pair;

use super::ast::*;
use super::complain::{Form, Place, foreign, incomplete, keyword_label, unexpected};
use super::scan::Repaired;
use crate::diag::{Diagnostic, Diagnostics, FileId, Span};

#[derive(pest_derive::Parser)]
#[grammar = "grammar/net.pest"]
struct NetParser;

/// The longest name and the longest string, in bytes.
const NAME_BYTES: usize = 128;
const TEXT_BYTES: usize = 4096;

/// Parses a text whose brackets and strings are closed.
pub(super) fn convert(
    file: FileId,
    text: &str,
    trivia: Vec<Trivia>,
    repaired: &Repaired,
    diagnostics: &mut Diagnostics,
) -> Ast {
    let span = Span { file, start: 0, end: text.len() as u32 };
    let parsed = {
        // The limit is the process's, so one parse at a time.
        static PARSING: Mutex<()> = Mutex::new(());
        let _alone = PARSING.lock().unwrap_or_else(PoisonError::into_inner);
        pest::set_call_limit(NonZeroUsize::new(100_000 + 200 * repaired.text.len()));
        NetParser::parse(Rule::file, &repaired.text)
    };
    let mut pairs = match parsed {
        Ok(pairs) => pairs,
        Err(error) => {
            let (pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _))) =
                error.location;
            let at = floor(text, repaired.original(at));
            let here = Span { file, start: at as u32, end: at as u32 };
            let message = "this text is too tangled to parse";
            diagnostics.push(
                Diagnostic::error("syntax", here, message).help("write it in smaller blocks"),
            );
            return Ast { items: Vec::new(), trivia, span };
        }
    };
    let mut convert = Convert { file, text, trivia: &trivia, repaired, diagnostics, height: 0 };
    let file = pairs.next().expect("the file rule yields one pair");
    let items = file.into_inner().filter_map(|it| convert.item(it)).collect();
    Ast { items, trivia, span }
}

/// The greatest character boundary that is not after `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&it| text.is_char_boundary(it)).unwrap_or(0)
}

struct Convert<'a> {
    file: FileId,
    text: &'a str,
    trivia: &'a [Trivia],
    repaired: &'a Repaired,
    diagnostics: &'a mut Diagnostics,
    height: usize,
}

/// The place of a pair in the user's text, without the white space and comments that pest counts in at its end.
fn span_of(
    file: FileId,
    text: &str,
    trivia: &[Trivia],
    repaired: &Repaired,
    pair: &Pair<'_, Rule>,
) -> Span {
    let pest = pair.as_span();
    let start = floor(text, repaired.original(pest.start()));
    let mut end = floor(text, repaired.original(pest.end())).max(start);
    loop {
        end = start + text[start..end].trim_end().len();
        let after = trivia.partition_point(|it| (it.span.start as usize) < end);
        match trivia[..after].last() {
            Some(it) if it.span.end as usize >= end && it.span.start as usize > start => {
                end = it.span.start as usize;
            }
            _ => break,
        }
    }
    Span { file, start: start as u32, end: end as u32 }
}

impl Convert<'_> {
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        span_of(self.file, self.text, self.trivia, self.repaired, pair)
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.diagnostics.push(Diagnostic::error("syntax", span, message).help(help));
    }

    /// Reports text that does not fit, unless a repair of the scanner's is the cause.
    fn lost(&mut self, place: Place, pair: &Pair<'_, Rule>) {
        let span = self.span(pair);
        let found = &self.text[span.start as usize..span.end as usize];
        if found.is_empty() || self.is_repaired(span) {
            return;
        }
        let before = self.text[..span.start as usize].chars().next_back();
        if before.is_some_and(|it| it.is_ascii_digit())
            && found.starts_with(|it: char| it.is_ascii_alphabetic())
        {
            let here = Span { end: span.start, ..span };
            return self.error(
                here,
                "a sign is missing between a number and a name",
                "a product is written `4 * c`",
            );
        }
        self.diagnostics.push(unexpected(place, found, span));
    }

    /// Whether the line of a span has been reported by the scanner already.
    fn is_repaired(&self, span: Span) -> bool {
        let text = self.text;
        let start = text[..span.start as usize].rfind('\n').map_or(0, |it| it + 1);
        let end = text[span.start as usize..]
            .find('\n')
            .map_or(text.len(), |it| span.start as usize + it);
        let line = start as u32..=end as u32;
        self.repaired.touches(start, end)
            && self.diagnostics.iter().any(|it| line.contains(&it.span.start))
    }

    fn incomplete(&mut self, form: Form, missing: &str, span: Span) {
        let known = |it: &Diagnostic| span.start <= it.span.start && it.span.start <= span.end;
        if !self.diagnostics.iter().any(known) && !self.is_repaired(span) {
            self.diagnostics.push(incomplete(form, missing, span));
        }
    }

    // ---- a file ----

    fn item(&mut self, pair: Pair<'_, Rule>) -> Option<Item> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::net => ItemKind::Net(self.definition(pair, Form::Net)?),
            Rule::block => ItemKind::Block(self.definition(pair, Form::Block)?),
            Rule::constant => self.constant(pair)?,
            Rule::using => self.using(pair)?,
            Rule::defaults => self.defaults(pair)?,
            Rule::bind => self.bind(pair)?,
            Rule::astray => {
                self.lost(Place::File, &pair);
                return None;
            }
            _ => return None, // the end of the file
        };
        Some(Item { kind, span })
    }

    fn definition(&mut self, pair: Pair<'_, Rule>, form: Form) -> Option<Definition> {
        let span = self.span(&pair);
        let (mut name, mut params, mut body) = (None, Vec::new(), None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(&it)),
                Rule::params => params = self.params(it),
                Rule::aside => self.lost(Place::Form(form), &it),
                Rule::arms => body = Some(self.body(it, form)),
                Rule::astray => self.lost(Place::End, &it),
                _ => {}
            }
        }
        if name.is_none() {
            self.incomplete(form, "a name", span);
        }
        if body.is_none() {
            self.incomplete(form, "a body in braces", span);
        }
        Some(Definition { name: name?, params, body: body? })
    }

    fn params(&mut self, pair: Pair<'_, Rule>) -> Vec<Param> {
        let mut params = Vec::new();
        for it in self.entries(pair, Place::Parameters) {
            let mut inner = it.into_inner();
            let Some(name) = inner.next().map(|it| self.name(&it)) else { continue };
            let mut default = None;
            for it in inner {
                match it.as_rule() {
                    Rule::expr => default = Some(self.expr(it)),
                    Rule::colon => self.error(
                        self.span(&it),
                        "a default stands after `=`",
                        "write `name = default`",
                    ),
                    _ => {}
                }
            }
            params.push(Param { name, default });
        }
        params
    }

    /// The members of a list with commas; what lies between them is checked.
    fn entries<'i>(&mut self, pair: Pair<'i, Rule>, place: Place) -> Vec<Pair<'i, Rule>> {
        let mut entries: Vec<Pair<'_, Rule>> = Vec::new();
        let mut due = false;
        let mut broken = false;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::comma if due => due = false,
                Rule::comma if broken => {}
                Rule::comma => {
                    let span = self.span(&it);
                    self.error(span, "this `,` separates nothing", "remove it");
                }
                Rule::lost => {
                    if !broken {
                        self.lost(place, &it);
                    }
                    broken = true;
                    continue;
                }
                _ => {
                    let line_ends = entries.last().is_some_and(|last| {
                        let between = last.as_span().end()..it.as_span().start();
                        matches!(place, Place::Defaults | Place::Bind)
                            && (self.repaired.text[between].contains(['\n', '\r'])
                                || last.as_str().ends_with(['\n', '\r']))
                    });
                    if due && !line_ends && !broken {
                        let span = self.span(&it);
                        let before = Span { end: span.start, ..span };
                        if !self.is_repaired(span) {
                            self.error(
                                before,
                                "a `,` is missing here",
                                "write `,` between the two",
                            );
                        }
                    }
                    due = true;
                    entries.push(it);
                }
            }
            broken = false;
        }
        entries
    }

    fn constant(&mut self, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let span = self.span(&pair);
        let (mut name, mut value) = (None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name => name = Some(self.name(&it)),
                Rule::colon => self.error(
                    self.span(&it),
                    "a constant is given with `=`",
                    "write `const name = 3`",
                ),
                Rule::expr => value = Some(self.expr(it)),
                Rule::astray if name.is_none() || value.is_none() => {
                    self.lost(Place::Form(Form::Const), &it)
                }
                Rule::astray => self.lost(Place::End, &it),
                _ => {}
            }
        }
        if name.is_none() || value.is_none() {
            self.incomplete(Form::Const, "a name and a value", span);
        }
        Some(ItemKind::Const { name: name?, value: value? })
    }

    fn using(&mut self, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let span = self.span(&pair);
        let mut path = None;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::string => path = Some(self.name(&it)),
                Rule::astray if path.is_none() => self.lost(Place::Form(Form::Use), &it),
                Rule::astray => self.lost(Place::End, &it),
                _ => {}
            }
        }
        if path.is_none() {
            self.incomplete(Form::Use, "a file's path in quotes", span);
        }
        path.map(ItemKind::Use)
    }

    fn defaults(&mut self, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let span = self.span(&pair);
        let mut calls = None;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::defaults_body => {
                    let entries = self.entries(it, Place::Defaults);
                    calls = Some(entries.into_iter().map(|it| self.call(it)).collect());
                }
                Rule::aside => self.lost(Place::Form(Form::Defaults), &it),
                Rule::astray => self.lost(Place::End, &it),
                _ => {}
            }
        }
        if calls.is_none() {
            self.incomplete(Form::Defaults, "a body in braces", span);
        }
        calls.map(ItemKind::Defaults)
    }

    fn bind(&mut self, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let span = self.span(&pair);
        let mut rules = None;
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::bind_body => {
                    let entries = self.entries(it, Place::Bind);
                    rules = Some(entries.into_iter().filter_map(|it| self.bind_rule(it)).collect());
                }
                Rule::aside => self.lost(Place::Form(Form::Bind), &it),
                Rule::astray => self.lost(Place::End, &it),
                _ => {}
            }
        }
        if rules.is_none() {
            self.incomplete(Form::Bind, "a body in braces", span);
        }
        rules.map(ItemKind::Bind)
    }

    fn bind_rule(&mut self, pair: Pair<'_, Rule>) -> Option<BindRule> {
        let span = self.span(&pair);
        let mut sides = pair.into_inner().map(|it| self.name(&it));
        Some(BindRule { to: sides.next()?, from: sides.next()?, span })
    }

    /// A name, or a string as a name.
    fn name(&mut self, pair: &Pair<'_, Rule>) -> Name {
        let span = self.span(pair);
        let text = match pair.as_rule() {
            Rule::string => self.string(pair),
            _ => pair.as_str().to_owned(),
        };
        if text.len() > NAME_BYTES && pair.as_rule() != Rule::string {
            let message = format!("this name has {} bytes; {NAME_BYTES} are allowed", text.len());
            self.diagnostics.push(Diagnostic::error("name-length", span, message));
        }
        Name { text, span }
    }

    /// The text of a string, escapes resolved.
    fn string(&mut self, pair: &Pair<'_, Rule>) -> String {
        let span = self.span(pair);
        let raw = pair.as_str();
        let raw = &raw[1..raw.len() - 1];
        if raw.len() > TEXT_BYTES {
            let message = format!("this string has {} bytes; {TEXT_BYTES} are allowed", raw.len());
            self.diagnostics.push(Diagnostic::error("name-length", span, message));
        }
        super::unescape(raw).unwrap_or_else(|escape| {
            let message = format!("`{escape}` is not an escape");
            self.error(span, message, r#"known are \" \\ \n \r \t and \u{1f600}"#);
            String::new()
        })
    }

    // ---- a body ----

    /// The arms between braces; each span reaches from delimiter to delimiter.
    fn arms(&mut self, pair: Pair<'_, Rule>) -> Vec<Body> {
        let all = self.span(&pair);
        let inner: Vec<_> = pair.into_inner().collect();
        let bars: Vec<Span> =
            inner.iter().filter(|it| it.as_rule() == Rule::bar).map(|it| self.span(it)).collect();
        let mut bodies = Vec::with_capacity(bars.len() + 1);
        let mut start = all.start + 1;
        for arm in inner.into_iter().filter(|it| it.as_rule() == Rule::arm) {
            let bar = bars.get(bodies.len());
            let end = bar.map_or(all.end.saturating_sub(1), |it| it.start).max(start);
            let stmts = arm.into_inner().filter_map(|it| self.stmt(it)).collect();
            bodies.push(Body { stmts, span: Span { file: self.file, start, end } });
            start = bar.map_or(end, |it| it.end);
        }
        bodies
    }

    /// The one body between braces that do not make a branch.
    fn body(&mut self, pair: Pair<'_, Rule>, form: Form) -> Body {
        let bar = pair.clone().into_inner().find(|it| it.as_rule() == Rule::bar);
        if let Some(bar) = bar {
            let span = self.span(&bar);
            let help = match form {
                Form::Seq => {
                    "a sequence has one; arms stand in `add { a | b }` or `concat { a | b }`"
                }
                _ => "arms stand in `add { a | b }` or `concat { a | b }`",
            };
            self.error(span, "`|` separates the arms of a branch", help);
        }
        self.arms(pair).into_iter().next().unwrap_or_default()
    }

    fn stmt(&mut self, pair: Pair<'_, Rule>) -> Option<Stmt> {
        let whole = self.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let rest = inner.next();
        let span = rest.as_ref().map_or(whole, |_| self.span(&first));
        let form = match first.as_rule() {
            Rule::input => Some(Form::Input),
            Rule::output => Some(Form::Output),
            Rule::shared => Some(Form::Shared),
            Rule::value => Some(Form::Value),
            _ => None,
        };
        let text = &self.text[whole.start as usize..whole.end as usize];
        let word =
            text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap_or(text);
        if !matches!(form, None | Some(Form::Value))
            && text[word.len()..].trim_start().starts_with(':')
        {
            let span = Span { end: whole.start + word.len() as u32, ..whole };
            self.diagnostics.push(keyword_label(word, span));
            return None;
        }
        let ends_in_chain =
            first.clone().into_inner().last().is_some_and(|it| match it.as_rule() {
                Rule::chain | Rule::step => true,
                Rule::bound => it.into_inner().any(|it| it.as_rule() == Rule::chain),
                _ => false,
            });
        if let Some(rest) = &rest {
            let place = match form {
                Some(_) if ends_in_chain => Place::Step,
                Some(form) => Place::Form(form),
                None => Place::Step,
            };
            match foreign(word, whole).filter(|_| form.is_none() && place == Place::Step) {
                Some(diagnostic) => self.diagnostics.push(diagnostic),
                None => self.lost(place, rest),
            }
        }
        let kind = match first.as_rule() {
            Rule::input => self.input(first, whole)?,
            Rule::output => self.output(first, whole)?,
            Rule::shared => self.shared(first, whole)?,
            Rule::value => self.value(first, whole)?,
            Rule::chain => StmtKind::Chain(self.chain(first)),
            _ => {
                self.lost(Place::Statement, &first);
                return None;
            }
        };
        Some(Stmt { kind, span })
    }

    fn input(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<StmtKind> {
        let (mut names, mut element, mut dims, mut colon) = (Vec::new(), None, None, false);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name if colon || !names.is_empty() && !self.follows_comma(&it) => {
                    element = Some(self.name(&it));
                }
                Rule::name | Rule::string => names.push(self.name(&it)),
                Rule::colon => colon = true,
                Rule::assign => {
                    colon = true;
                    self.error(
                        self.span(&it),
                        "an input's type stands after `:`",
                        "write `input image: f32[..]`",
                    );
                }
                Rule::list => {
                    let entries = self.entries(it, Place::List);
                    dims = Some(entries.into_iter().map(|it| self.expr(it)).collect());
                }
                _ => {}
            }
        }
        if names.is_empty() {
            self.incomplete(Form::Input, "a name", span);
        } else if !colon && element.is_some() {
            self.incomplete(Form::Input, "`:` between its name and its type", span);
        } else if element.is_none() || dims.is_none() {
            self.incomplete(Form::Input, "an element type and a shape", span);
        }
        Some(StmtKind::Input { names, element: element?, dims: dims? })
    }

    fn follows_comma(&self, pair: &Pair<'_, Rule>) -> bool {
        self.repaired.text[..pair.as_span().start()].trim_end().ends_with(',')
    }

    fn output(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<StmtKind> {
        let (mut name, mut train, mut chain, mut bound) = (None, false, None, false);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name | Rule::string => name = Some(self.name(&it)),
                Rule::tag if it.clone().into_inner().any(|it| it.as_str() == "train") && !train => {
                    train = true
                }
                Rule::tag => self.error(
                    self.span(&it),
                    "an output knows the mark `@train` only, and once",
                    "remove it",
                ),
                Rule::bound => {
                    bound = true;
                    for it in it.into_inner() {
                        match it.as_rule() {
                            Rule::chain => chain = Some(self.chain(it)),
                            Rule::colon => {
                                self.error(
                                    self.span(&it),
                                    "an output is given with `=`",
                                    "write `output name = chain`",
                                );
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if name.is_none() {
            self.incomplete(Form::Output, "a name", span);
        } else if bound && chain.is_none() {
            self.incomplete(Form::Output, "a chain after `=`", span);
        }
        Some(StmtKind::Output { name: name?, train, chain })
    }

    fn shared(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<StmtKind> {
        let (mut name, mut layer, mut colon) = (None, None, false);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::name | Rule::string => name = Some(self.name(&it)),
                Rule::colon => colon = true,
                Rule::assign => {
                    colon = true;
                    self.error(
                        self.span(&it),
                        "a shared instance is labelled with `:`",
                        "write `shared name: block(..)`",
                    );
                }
                Rule::expr => {
                    let it = self.expr(it);
                    self.check_choice(&it);
                    layer = Some(it);
                }
                _ => {}
            }
        }
        if name.is_none() || layer.is_none() || !colon {
            self.incomplete(Form::Shared, "a name, `:` and a layer", span);
        }
        Some(StmtKind::Shared { name: name?, layer: layer? })
    }

    fn value(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<StmtKind> {
        let (mut name, mut chain) = (None, None);
        for it in pair.into_inner() {
            match it.as_rule() {
                Rule::chain => chain = Some(self.chain(it)),
                Rule::name | Rule::string => name = Some(self.name(&it)),
                _ => {}
            }
        }
        if chain.is_none() {
            self.incomplete(Form::Value, "a chain after `=`", span);
        }
        Some(StmtKind::Value { name: name?, chain: chain? })
    }
}
