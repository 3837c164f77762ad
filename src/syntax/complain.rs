//! What to say about text that does not fit: what was expected there, in words, and what to do.

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
    if let Some((message, help)) = habit(place, found, token) {
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
    let help = foreign_word(word)?;
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

/// A word that other languages have, with what is said here.
fn foreign_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "let" | "var" | "val" => "a value is written `name = chain`, without a word before it",
        "def" | "fn" | "func" | "function" | "class" | "module" => {
            "a block is written `block name(..) { .. }`"
        }
        "model" | "network" => "a net is written `net Name(..) { .. }`",
        "import" | "include" | "from" => "another file is brought in by `use \"file.net\"`",
        "repeat" | "loop" | "while" => {
            "repetition is written `3 * layer(..)` or `for _ in 0..3 { .. }`"
        }
        "return" => "what a block ends with is its result; a net has `output name`",
        "elif" | "elsif" | "elseif" => "it is written `else if condition { .. }`",
        "param" | "parameter" => "parameters stand in the head: `net Name(classes = 1000) { .. }`",
        _ => return None,
    })
}

const TOP: &[&str] = &["net", "block", "const", "use", "defaults", "bind"];
const WORDS: &[&str] = &[
    "input", "output", "shared", "for", "in", "if", "else", "seq", "it", "and", "or", "not",
    "true", "false",
];

/// Mistakes that deserve an answer of their own: the message and the help.
fn habit(place: Place, found: &str, token: &str) -> Option<(String, String)> {
    let rest = found[token.len()..].trim_start();
    let say = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
    if matches!(place, Place::Statement | Place::File)
        && let Some(help) = foreign_word(token)
    {
        return Some((format!("`{token}` is not a word of the language"), help.to_owned()));
    }
    match (place, token) {
        (Place::File, "input" | "output" | "shared" | "for" | "if" | "seq" | "it") => Some((
            format!("`{token}` stands inside a net or block"),
            "begin with `net Name { .. }`".into(),
        )),
        (Place::File, _) if token.starts_with(|it: char| it.is_ascii_alphabetic()) => Some((
            format!(
                "expected `net`, `block`, `const`, `use`, `defaults` or `bind`, found `{}`",
                shorten(token)
            ),
            "layers and values stand inside a net or block".into(),
        )),
        (Place::Statement, _)
            if rest.starts_with(':') && (TOP.contains(&token) || WORDS.contains(&token)) =>
        {
            Some((
                format!("`{token}` is a word of the language and no plain label"),
                format!("put it into quotes: `\"{token}\": ..`"),
            ))
        }
        (Place::Statement, _) if TOP.contains(&token) => Some((
            format!("`{token}` stands beside nets and blocks, not inside them"),
            "move it out of the braces; if a `}` is missing before it, add that".into(),
        )),
        (Place::Statement, "else") => {
            say("`else` without an `if` before it", "it follows the `}` of its `if`")
        }
        (Place::Statement, "->") if rest.is_empty() => {
            say("`->` leads nowhere", "a step must follow")
        }
        (Place::Statement, "->") => {
            say("`->` has nothing before it", "begin with a layer or a value")
        }
        (Place::Statement, "=>") => {
            say("a shape note has nothing before it", "it follows the step it describes")
        }
        (Place::Statement, "{") => {
            say("`{` has nothing before it", "braces follow `seq`, `add`, `for ..` or `if ..`")
        }
        (Place::Statement, _) if rest.starts_with(':') && token != ":" => Some((
            format!("the label `{}` has no layer", shorten(token)),
            "write `label: layer`".into(),
        )),
        (Place::Step, "->") if rest.is_empty() => say("`->` leads nowhere", "a step must follow"),
        (Place::Step, "->") => Some((
            format!(
                "expected a layer or a value after `->`, found `{}`",
                shorten(self::token(rest))
            ),
            "write `->` between two steps".into(),
        )),
        (Place::Step | Place::End, "=") => {
            say("only a name can be given a value", "write `name = chain`")
        }
        (Place::Step, "=>") => {
            say("a step has one shape note", "write `=> [64, 56, 56]` after the step")
        }
        (Place::Step, "(") => say("only a name can be called", "write `name(..)`"),
        (Place::Step, "[") => {
            say("there is no indexing", "take a list apart with `for x in list { .. }`")
        }
        (Place::Step, ":") => say(
            "a label is one name",
            "put it into quotes if it is no plain name: `\"a.b\": layer`",
        ),
        (Place::Step | Place::End, "@") => {
            say("`@train` stands after the output's name", "write `output name @train = chain`")
        }
        (Place::Step | Place::Arguments, "?") => {
            say("`? :` is incomplete", "it is written `condition ? yes : no`")
        }
        (Place::Arguments, "->") => {
            say("a chain as an argument stands in parentheses", "write `add((a -> conv(8, 3)), b)`")
        }
        (Place::Form(Form::For), ",") => {
            say("several names of a loop stand in parentheses", "write `for (a, b) in list { .. }`")
        }
        (Place::Form(Form::For | Form::If | Form::Else | Form::Net | Form::Block), ":") => {
            say("a body stands in braces", "write `{ .. }` in the place of `:`")
        }
        (Place::Form(Form::Use), _) => {
            say("the path of a file stands in quotes", "write `use \"file.net\"`")
        }
        (Place::Form(Form::If), "=") => say("`=` gives a value, it does not compare", "write `==`"),
        (Place::Form(Form::Net | Form::Block), "->") => {
            say("a net or block declares no result", "what its body ends with is the result")
        }
        (_, "++" | "+=" | ":=" | "**" | "^" | "&" | "~" | "$" | "\\" | "`") => Some((
            format!("`{token}` has no meaning in the language"),
            "the operators are + - * / % == != < <= > >= and or not ? :".into(),
        )),
        _ => None,
    }
}
