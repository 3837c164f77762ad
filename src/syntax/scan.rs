//! What the grammar never sees: characters that have no meaning in a `.net` file, open strings, trivia.
//!
//! The scanner reports such mistakes and repairs them, so that the parser finds the others in the same run.
//! A repair is an [`Edit`]; [`Repaired`] holds the new text and leads each offset back to the old one.

use super::ast::{Trivia, TriviaKind};
use super::balance;
use crate::diag::{Diagnostic, Diagnostics, FileId, Span, render};

/// A replacement of the bytes `start..end` of the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: String,
}

/// A text after its edits.
#[derive(Debug)]
pub(super) struct Repaired {
    /// The new text.
    pub(super) text: String,
    /// Pieces of the new text: where each begins, the bytes of the old text it stands for, whether verbatim.
    pieces: Vec<(usize, usize, usize, bool)>,
}

impl Repaired {
    fn new(old: &str, mut edits: Vec<Edit>) -> Self {
        edits.sort();
        let mut it = Self { text: String::with_capacity(old.len() + 16), pieces: Vec::new() };
        let mut at = 0;
        for edit in edits.iter().filter(|it| it.start <= it.end) {
            if edit.start < at {
                continue; // inside another edit
            }
            it.piece(&old[at..edit.start], at, edit.start, true);
            it.piece(&edit.with, edit.start, edit.end, false);
            at = edit.end;
        }
        it.piece(&old[at..], at, old.len(), true);
        it
    }

    fn piece(&mut self, text: &str, start: usize, end: usize, verbatim: bool) {
        self.pieces.push((self.text.len(), start, end, verbatim));
        self.text.push_str(text);
    }

    /// Whether something was added or taken away in these bytes of the old text.
    pub(super) fn touches(&self, start: usize, end: usize) -> bool {
        let mut edits = self.pieces.iter().enumerate().filter(|it| !it.1.3);
        edits.any(|(i, &(begin, from, to, _))| {
            let new = self.pieces.get(i + 1).map_or(self.text.len(), |it| it.0) - begin;
            (from == to || new == 0) && from <= end && start <= to
        })
    }

    /// The offset in the old text of an offset in the new one.
    pub(super) fn original(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|it| it.0 <= at);
        let (begin, start, end, verbatim) = self.pieces[after.saturating_sub(1)];
        match at - begin {
            0 => start,
            inside if verbatim => (start + inside).min(end),
            _ => end,
        }
    }
}

/// A bracket of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bracket {
    pub(super) at: usize,
    pub(super) char: char,
    /// An index into the lines.
    pub(super) line: usize,
}

/// A line that has more than white space and comments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Columns before the first character.
    pub(super) indent: usize,
    /// Where the first character stands.
    pub(super) first: usize,
    /// One past the last character that is neither white space nor comment.
    pub(super) end: usize,
}

/// All that the scanner finds out.
pub(super) struct Scan {
    pub(super) trivia: Vec<Trivia>,
    pub(super) diagnostics: Diagnostics,
    /// The text for the parser; none if the brackets nest too deeply.
    pub(super) repaired: Option<Repaired>,
}

/// Scans and repairs a text.
pub(super) fn scan(file: FileId, text: &str) -> Scan {
    let mut scanner = Scanner {
        file,
        text,
        at: 0,
        line_start: 0,
        line_used: false,
        blank: None,
        lines: Vec::new(),
        brackets: Vec::new(),
        edits: Vec::new(),
        trivia: Vec::new(),
        diagnostics: Vec::new(),
        habits: Vec::new(),
    };
    scanner.run();
    scanner.finish()
}

/// Mistakes that people make all over a file: reported once, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Semicolon,
    Slashes,
    SingleQuotes,
    CurlyQuotes,
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    at: usize,
    line_start: usize,
    /// Whether the line has had anything but white space.
    line_used: bool,
    /// The first of the blank lines just passed.
    blank: Option<usize>,
    lines: Vec<Line>,
    brackets: Vec<Bracket>,
    edits: Vec<Edit>,
    trivia: Vec<Trivia>,
    diagnostics: Diagnostics,
    habits: Vec<(Habit, Span, usize)>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    fn edit(&mut self, start: usize, end: usize, with: &str) {
        self.edits.push(Edit { start, end, with: with.to_owned() });
    }

    fn complain(&mut self, start: usize, end: usize, message: &str, help: &str) {
        let diagnostic = Diagnostic::error("syntax", self.span(start, end), message).help(help);
        self.diagnostics.push(diagnostic);
    }

    fn habit(&mut self, habit: Habit, start: usize, end: usize) {
        match self.habits.iter_mut().find(|it| it.0 == habit) {
            Some(known) => known.2 += 1,
            None => self.habits.push((habit, self.span(start, end), 1)),
        }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.edit(0, 3, "");
            self.at = 3;
            self.line_start = 3;
        }
        while let Some(char) = self.rest().chars().next() {
            match char {
                '\n' | '\r' => self.line_end(),
                ' ' | '\t' => self.at += 1,
                '#' => self.comment(1),
                '"' => self.string(),
                '\'' => self.foreign_string(Habit::SingleQuotes, &['\'']),
                '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' => self
                    .foreign_string(
                        Habit::CurlyQuotes,
                        &['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '"'],
                    ),
                ';' => self.semicolon(),
                '/' if self.rest().starts_with("//") => {
                    self.habit(Habit::Slashes, self.at, self.at + 2);
                    self.edit(self.at, self.at + 2, "#");
                    self.comment(2);
                }
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '(' | ')' | '[' | ']' | '{' | '}' => self.bracket(char),
                ' '..='~' => self.token(1),
                _ => self.foreign(char),
            }
        }
        self.line_end();
    }

    /// Takes `len` bytes as something that counts.
    fn token(&mut self, len: usize) {
        if !self.line_used {
            let before = &self.text[self.line_start..self.at];
            let indent = before.chars().fold(0, |column, it| match it {
                '\t' => (column / 4 + 1) * 4,
                _ => column + 1,
            });
            self.lines.push(Line { indent, first: self.at, end: self.at });
            self.line_used = true;
            self.end_blank();
        }
        self.at += len;
        if let Some(line) = self.lines.last_mut() {
            line.end = self.at;
        }
    }

    fn end_blank(&mut self) {
        if let Some(start) = self.blank.take() {
            let span = self.span(start, self.line_start);
            self.trivia.push(Trivia { kind: TriviaKind::Blank, span });
        }
    }

    fn line_end(&mut self) {
        if !self.line_used && self.trivia.last().is_none_or(|it| it.span.end != self.at as u32) {
            self.blank.get_or_insert(self.line_start);
        }
        let len = if self.rest().starts_with("\r\n") { 2 } else { 1 };
        self.at = (self.at + len).min(self.text.len());
        self.line_start = self.at;
        self.line_used = false;
    }

    fn comment(&mut self, mark: usize) {
        let len = self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        let text = self.rest()[..len].trim_end();
        let text = format!("#{}", &text[mark..]);
        if !self.line_used {
            self.end_blank();
        }
        let span = self.span(self.at, self.at + len);
        let kind =
            if self.line_used { TriviaKind::Trailing(text) } else { TriviaKind::Comment(text) };
        self.trivia.push(Trivia { kind, span });
        self.at += len;
    }

    fn block_comment(&mut self) {
        let len = self.rest().find("*/").map_or(2, |it| it + 2);
        self.complain(self.at, self.at + 2, "`/*` begins no comment", "write `#` on each line");
        self.edit(self.at, self.at + len, " ");
        self.at += len;
    }

    fn bracket(&mut self, char: char) {
        let at = self.at;
        self.token(1);
        self.brackets.push(Bracket { at, char, line: self.lines.len() - 1 });
    }

    fn string(&mut self) {
        let rest = self.rest();
        let mut escaped = false;
        let mut end = None;
        for (i, char) in rest.char_indices().skip(1) {
            match char {
                '\n' | '\r' => break,
                '"' if !escaped => {
                    end = Some(i + 1);
                    break;
                }
                _ => escaped = char == '\\' && !escaped,
            }
        }
        if let Some(len) = end {
            self.check_string(self.at, len);
            return self.token(len);
        }
        let known = |it: char| it.is_ascii_alphanumeric() || "_./*-".contains(it);
        let len = 1 + rest[1..].find(|it| !known(it)).unwrap_or(rest.len() - 1);
        let (start, end) = (self.at, self.at + len);
        self.complain(start, start + 1, "this string does not end on its line", "add a `\"`");
        self.edit(end, end, "\"");
        self.token(len);
    }

    /// Reports characters in a string that a terminal would obey.
    fn check_string(&mut self, start: usize, len: usize) {
        let text = &self.text[start..start + len];
        if let Some((at, char)) = text.char_indices().find(|it| is_command(it.1)) {
            let code = u32::from(char);
            let message = format!("U+{code:04X} is not shown but obeyed");
            let at = start + at;
            self.complain(at, at + char.len_utf8(), &message, &format!("write `\\u{{{code:x}}}`"));
        }
    }

    fn foreign_string(&mut self, habit: Habit, closing: &[char]) {
        let open = self.rest().chars().next().map_or(1, char::len_utf8);
        let line = self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        let inside = &self.rest()[open..line];
        let close = inside.char_indices().find(|it| closing.contains(&it.1));
        let (start, after) = (self.at, self.at + open);
        self.habit(habit, start, after);
        match close {
            Some((i, char)) if !inside[..i].contains(['"', '\\']) => {
                self.edit(start, after, "\"");
                self.edit(after + i, after + i + char.len_utf8(), "\"");
                self.token(open + i + char.len_utf8());
            }
            _ => {
                self.edit(start, after, "");
                self.token(open);
            }
        }
    }

    fn semicolon(&mut self) {
        let line = self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        let last =
            matches!(self.rest()[1..line].trim_start().chars().next(), None | Some('#' | '}'));
        self.habit(Habit::Semicolon, self.at, self.at + 1);
        self.edit(self.at, self.at + 1, if last { " " } else { "\n" });
        self.token(1);
    }

    /// A character that no rule of the grammar knows.
    fn foreign(&mut self, char: char) {
        let (start, len) = (self.at, char.len_utf8());
        if let Some(plain) = plain(char) {
            let message = format!("`{char}` is not a sign of the language");
            self.complain(start, start + len, &message, &format!("write `{plain}`"));
            self.edit(start, start + len, plain);
            return self.token(len);
        }
        if char.is_whitespace() || matches!(char, '\u{200b}'..='\u{200f}' | '\u{feff}') {
            let message = format!("U+{:04X} is an invisible character", u32::from(char));
            self.complain(start, start + len, &message, "put a plain space there, or nothing");
            self.edit(start, start + len, " ");
            self.at += len;
            return;
        }
        if !char.is_alphanumeric() {
            let (message, help) = match char.is_control() {
                true => (format!("U+{:04X} is a control character", u32::from(char)), "remove it"),
                false => {
                    (format!("`{char}` has no meaning here"), "remove it, or put it into quotes")
                }
            };
            self.complain(start, start + len, &message, help);
            self.edit(start, start + len, " ");
            return self.token(len);
        }
        let rest = self.rest();
        let len = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
        let ascii: String =
            rest[..len].chars().map(|it| if it.is_ascii() { it } else { 'x' }).collect();
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let first = self.text[..start].trim_end_matches(is_name).len();
        let name = shorten(&self.text[first..start + len]);
        let message = format!("the name `{name}` has letters other than a to z");
        let help = format!(
            "names are ASCII letters, digits and `_`; a label, input, output or value may stand in quotes: `\"{name}\"`"
        );
        self.complain(first, start + len, &message, &help);
        self.edit(start, start + len, &ascii);
        self.token(len);
    }

    fn finish(mut self) -> Scan {
        for (habit, span, count) in std::mem::take(&mut self.habits) {
            let (message, help) = match habit {
                Habit::Semicolon => ("`;` ends nothing", "a statement ends with its line"),
                Habit::Slashes => ("`//` begins no comment", "comments begin with `#`"),
                Habit::SingleQuotes => ("`'` begins no string", "strings stand in `\"`"),
                Habit::CurlyQuotes => {
                    ("typographic quotes begin no string", "strings stand in `\"`")
                }
            };
            let mut diagnostic = Diagnostic::error("syntax", span, message).help(help);
            if count > 1 {
                diagnostic = diagnostic.note(format!("{count} times in this file"));
            }
            self.diagnostics.push(diagnostic);
        }
        let balanced = balance::balance(self.file, self.text, &self.lines, &self.brackets);
        self.diagnostics.extend(balanced.diagnostics);
        let repaired = balanced.edits.map(|edits| {
            self.edits.extend(edits);
            Repaired::new(self.text, self.edits)
        });
        Scan { trivia: self.trivia, diagnostics: self.diagnostics, repaired }
    }
}

/// Whether a character that is no white space would be obeyed instead of shown.
pub(super) fn is_command(char: char) -> bool {
    char != '\t' && render::is_command(char)
}

/// What was meant by a character from a text processor.
fn plain(char: char) -> Option<&'static str> {
    Some(match char {
        '\u{2192}' | '\u{27f6}' => "->",
        '\u{21d2}' | '\u{27f9}' => "=>",
        '\u{2190}' => "<-",
        '\u{00d7}' | '\u{00b7}' | '\u{22c5}' | '\u{2217}' => "*",
        '\u{00f7}' => "/",
        '\u{2212}' | '\u{2010}'..='\u{2015}' => "-",
        '\u{2264}' => "<=",
        '\u{2265}' => ">=",
        '\u{2260}' => "!=",
        '\u{2026}' => "..",
        _ => return None,
    })
}

/// A piece of the user's text, short enough for a message.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}..", &text[..cut]),
        None => text.to_owned(),
    }
}
