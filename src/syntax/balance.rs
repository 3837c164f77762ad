//! Brackets: matched, or repaired so that the parser meets only pairs.
//!
//! Brackets that match are left alone however the file is indented. Only if some do not, indentation and line
//! ends are believed to say where one is missing.

use super::scan::{Bracket, Edit, Line};
use crate::diag::{Diagnostic, Diagnostics, FileId, Span};

/// How deeply brackets may nest: what walks the tree recurses.
pub(super) const NESTING: usize = 64;

/// After so many repairs the layout was no guide, and only the first is reported.
const GUESSES: usize = 6;

/// What was found.
pub(super) struct Balanced {
    pub(super) diagnostics: Diagnostics,
    /// What makes them match; none if they nest too deeply.
    pub(super) edits: Option<Vec<Edit>>,
}

/// Matches the brackets of a text.
pub(super) fn balance(file: FileId, text: &str, lines: &[Line], brackets: &[Bracket]) -> Balanced {
    match plain(brackets) {
        Plain::Matched => Balanced { diagnostics: Vec::new(), edits: Some(Vec::new()) },
        Plain::Deep(at) => too_deep(file, at),
        Plain::Unmatched => {
            let mut layout = Layout {
                file,
                text,
                lines,
                open: Vec::new(),
                surplus: count(brackets, '}') > count(brackets, '{'),
                diagnostics: Vec::new(),
                edits: Vec::new(),
            };
            if let Err(deep) = layout.run(brackets) {
                return too_deep(file, deep);
            }
            if layout.diagnostics.len() > GUESSES {
                layout.diagnostics.truncate(1);
            }
            Balanced { diagnostics: layout.diagnostics, edits: Some(layout.edits) }
        }
    }
}

fn too_deep(file: FileId, at: usize) -> Balanced {
    let span = Span { file, start: at as u32, end: at as u32 + 1 };
    let message = format!("brackets nest more than {NESTING} deep here");
    let diagnostic =
        Diagnostic::error("nesting", span, message).help("make the inner part a block of its own");
    Balanced { diagnostics: vec![diagnostic], edits: None }
}

fn count(brackets: &[Bracket], char: char) -> usize {
    brackets.iter().filter(|it| it.char == char).count()
}

/// The bracket that closes an opening one; none for a closing one.
fn closing(open: char) -> Option<char> {
    match open {
        '(' => Some(')'),
        '[' => Some(']'),
        '{' => Some('}'),
        _ => None,
    }
}

enum Plain {
    Matched,
    Unmatched,
    Deep(usize),
}

fn plain(brackets: &[Bracket]) -> Plain {
    let mut open = Vec::new();
    for it in brackets {
        match closing(it.char) {
            Some(_) if open.len() == NESTING => return Plain::Deep(it.at),
            Some(close) => open.push(close),
            None if open.pop() == Some(it.char) => {}
            None => return Plain::Unmatched,
        }
    }
    if open.is_empty() { Plain::Matched } else { Plain::Unmatched }
}

struct Layout<'a> {
    file: FileId,
    text: &'a str,
    lines: &'a [Line],
    open: Vec<Bracket>,
    /// Whether the file has more `}` than `{`.
    surplus: bool,
    diagnostics: Diagnostics,
    edits: Vec<Edit>,
}

impl Layout<'_> {
    fn run(&mut self, brackets: &[Bracket]) -> Result<(), usize> {
        let mut rest = brackets.iter().peekable();
        for line in 0..self.lines.len() {
            self.line_start(line);
            while let Some(bracket) = rest.next_if(|it| it.line == line) {
                self.bracket(*bracket)?;
            }
        }
        let end = self.lines.last().map_or(0, |it| it.end);
        while let Some(it) = self.open.pop() {
            self.unclosed(it, end, None);
        }
        Ok(())
    }

    fn span(&self, at: usize) -> Span {
        let char = self.text[at..].chars().next().map_or(0, char::len_utf8);
        Span { file: self.file, start: at as u32, end: (at + char) as u32 }
    }

    /// Closes what cannot go on in a line that begins like this one.
    fn line_start(&mut self, line: usize) {
        let Line { indent, first, .. } = self.lines[line];
        let Some(before) = line.checked_sub(1).map(|it| self.lines[it]) else { return };
        let rest = &self.text[first..];
        let goes_on = goes_on(&self.text[before.first..before.end])
            || rest.starts_with([')', ']', ',', '|'])
            || ["->", "=>", "else"].iter().any(|it| rest.starts_with(it));
        let closes = rest.starts_with('}');
        while let Some(top) = self.open.last().copied() {
            let column = self.lines[top.line].indent;
            let outer =
                self.open.iter().any(|it| it.char == '{' && self.lines[it.line].indent <= indent);
            let over = match top.char {
                '{' if closes => column > indent && outer && !self.surplus,
                '{' => !goes_on && column >= indent,
                _ => !goes_on,
            };
            if !over {
                break;
            }
            self.open.pop();
            self.unclosed(top, before.end, Some(first));
        }
    }

    fn unclosed(&mut self, open: Bracket, end: usize, next: Option<usize>) {
        let close = closing(open.char).expect("only opening brackets are pushed");
        self.edits.push(Edit { start: end, end, with: close.to_string() });
        let message = format!("this `{}` is never closed", open.char);
        let mut diagnostic = Diagnostic::error("syntax", self.span(open.at), message);
        if let Some(next) = next.filter(|_| open.char == '{') {
            diagnostic =
                diagnostic.and(self.span(next), format!("`{close}` is missing before this"));
        }
        self.diagnostics.push(diagnostic.help(format!("add `{close}`")));
    }

    fn bracket(&mut self, it: Bracket) -> Result<(), usize> {
        if closing(it.char).is_some() {
            if self.open.len() == NESTING {
                return Err(it.at);
            }
            self.open.push(it);
            return Ok(());
        }
        let pairs = |open: &Bracket| closing(open.char) == Some(it.char);
        // A `)` closes nothing that lies outside the braces around it; a `}` closes whatever lies inside its own.
        let reach = match it.char {
            '}' => 0,
            _ => self.open.iter().rposition(|it| it.char == '{').map_or(0, |it| it + 1),
        };
        match self.open[reach..].iter().rposition(pairs) {
            Some(found) if !self.is_surplus(it, reach + found) => {
                for open in self.open.split_off(reach + found + 1).into_iter().rev() {
                    self.unclosed(open, it.at, None);
                }
                self.open.pop();
            }
            _ => self.odd(it),
        }
        Ok(())
    }

    /// Whether a `}` at the start of a line stands deeper than the `{` it would close, in a file with too many.
    fn is_surplus(&self, it: Bracket, open: usize) -> bool {
        let line = self.lines[it.line];
        let opened = self.lines[self.open[open].line];
        self.surplus && it.char == '}' && line.first == it.at && opened.indent < line.indent
    }

    /// A closing bracket without its partner.
    fn odd(&mut self, it: Bracket) {
        let (start, end) = (it.at, it.at + 1);
        let top = self.open.last().copied().filter(|top| top.char != '{' && it.char != '}');
        let (with, message) = match top.and_then(|top| closing(top.char)) {
            Some(close) => {
                (close.to_string(), format!("`{}` stands where `{close}` is due", it.char))
            }
            None => (String::new(), format!("this `{}` closes nothing", it.char)),
        };
        let mut diagnostic = Diagnostic::error("syntax", self.span(it.at), message);
        if let Some(top) = top {
            self.open.pop();
            diagnostic = diagnostic.and(self.span(top.at), "opened here");
        } else {
            diagnostic = diagnostic.help("remove it");
        }
        self.diagnostics.push(diagnostic);
        self.edits.push(Edit { start, end, with });
    }
}

/// Whether a line that ends like this one goes on in the next.
fn goes_on(line: &str) -> bool {
    let symbol =
        ["->", "=", "=>", ",", "|", "(", "[", "{", "+", "-", "*", "/", "%", "?", ":", "<", ">"];
    let word = [" and", " or", " not"];
    symbol.iter().chain(&word).any(|it| line.ends_with(it))
}
