//! What to say about text that does not fit: what was expected there, in words, and what to do.

mod habits;

use super::scan::shorten;
use crate::diag::{Diagnostic, Span};

/// Where the text stands that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the top of a file.
    File,
    /// Where a statement begins.
    Statement,
    /// After a complete step of a chain.
    Step,
    /// After an item or a statement that is complete.
    End,
    /// Among the arguments of a call.
    Arguments,
    /// Among the parameters of a net or block.
    Parameters,
    /// In a list.
    List,
    /// In parentheses.
    Group,
    /// In a shape note.
    Note,
    /// In a pattern of a loop.
    Pattern,
    /// In `defaults`.
    Defaults,
    /// In `bind`.
    Bind,
    /// Anywhere in a construct with one fixed form; the number leads to [`FORMS`].
    Form(Form),
}

/// A construct that is written in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Net,
    Block,
    Const,
    Use,
    Defaults,
    Bind,
    Input,
    Output,
    Shared,
    Value,
    For,
    If,
    Else,
    Seq,
    Choice,
}

impl Form {
    /// What it is, and how it is written.
    fn written(self) -> (&'static str, &'static str) {
        match self {
            Self::Net => ("a net", "net Name(classes = 1000) { .. }"),
            Self::Block => ("a block", "block name(c, stride = 1) { .. }"),
            Self::Const => ("a constant", "const name = 3"),
            Self::Use => ("a use", "use \"file.net\""),
            Self::Defaults => ("defaults", "defaults { conv(pad=half, bias=false) }"),
            Self::Bind => ("bind", "bind { \"ours.*\" <- \"theirs.*\" }"),
            Self::Input => ("an input", "input image: f32[N, 3, 224, 224]"),
            Self::Output => ("an output", "output name, or output name = a -> b"),
            Self::Shared => ("a shared instance", "shared name: block(..)"),
            Self::Value => ("a value", "name = a -> b"),
            Self::For => ("a loop", "for x in list { .. }"),
            Self::If => ("a condition", "if a == b { .. }"),
            Self::Else => ("the other case", "else { .. }"),
            Self::Seq => ("a sequence", "seq { .. }"),
            Self::Choice => ("a choice", "condition ? yes : no"),
        }
    }
}

/// Says what is wrong with `found`, which stands at `span` and does not fit there.
pub(super) fn unexpected(place: Place, found: &str, span: Span) -> Diagnostic {
    let token = token(found);
    let at = Span { end: span.start + token.len() as u32, ..span };
    if let Some((message, help)) = habits::habit(place, found, token) {
        return Diagnostic::error("syntax", at, message).help(help);
    }
    if let Place::Form(form) = place {
        let (what, how) = form.written();
        let message = format!("`{}` does not fit into {what}", shorten(token));
        return Diagnostic::error("syntax", at, message).help(format!("it is written `{how}`"));
    }
    let (wanted, help) = match place {
        Place::File => ("`net`, `block`, `const`, `use`, `defaults` or `bind`", ""),
        Place::Statement => ("a statement", ""),
        Place::Step => {
            ("`->` or the end of the line", "write `->` between two steps, or give each its line")
        }
        Place::End => ("the end of the line", ""),
        Place::Arguments => ("`,` or `)`", "arguments are written `name(1, 2, key=3)`"),
        Place::Parameters => ("`name` or `name = default`", ""),
        Place::List => ("`,` or `]`", ""),
        Place::Group => ("`)`", ""),
        Place::Note => {
            ("a size or `_`", "a shape note is written `=> [64, 56, 56]`, without the batch")
        }
        Place::Pattern => ("a name", "a pattern is written `x`, `_` or `(a, b)`"),
        Place::Defaults => ("a layer with arguments", "it is written `conv(pad=half, bias=false)`"),
        Place::Bind => ("`\"ours\" <- \"theirs\"`", "both patterns stand in quotes"),
        Place::Form(_) => unreachable!("handled above"),
    };
    let message = format!("expected {wanted}, found `{}`", shorten(token));
    let diagnostic = Diagnostic::error("syntax", at, message);
    if help.is_empty() { diagnostic } else { diagnostic.help(help) }
}

/// Says that something with a fixed form ends too early.
pub(super) fn incomplete(form: Form, missing: &str, span: Span) -> Diagnostic {
    let (what, how) = form.written();
    let message = format!("{what} needs {missing}");
    Diagnostic::error("syntax", span, message).help(format!("it is written `{how}`"))
}

/// Says that a statement begins as in another language, if its first word does.
pub(super) fn foreign(word: &str, span: Span) -> Option<Diagnostic> {
    let help = habits::foreign_word(word)?;
    let span = Span { end: span.start + word.len() as u32, ..span };
    let message = format!("`{word}` is not a word of the language");
    Some(Diagnostic::error("syntax", span, message).help(help))
}

/// Says that a word of the language was taken for a label.
pub(super) fn keyword_label(word: &str, span: Span) -> Diagnostic {
    let message = format!("`{word}` is a word of the language and no plain label");
    Diagnostic::error("syntax", span, message).help(format!("put it into quotes: `\"{word}\": ..`"))
}

/// The first word, number, string or sign of a text.
fn token(text: &str) -> &str {
    let first = text.chars().next().unwrap_or(' ');
    let len = if first.is_ascii_alphanumeric() || first == '_' {
        text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(text.len())
    } else if first == '"' {
        text[1..].find('"').map_or(text.len(), |it| it + 2)
    } else {
        let pairs =
            ["->", "=>", "<-", "==", "!=", "<=", ">=", "..", "**", "&&", "||", "++", "+=", ":="];
        pairs.iter().find(|it| text.starts_with(**it)).map_or(first.len_utf8(), |it| it.len())
    };
    &text[..len]
}
