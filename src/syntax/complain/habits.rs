//! Mistakes that deserve an answer of their own: habits from other languages, and slips.

use super::{Form, Place, shorten, token as first};

/// A word that other languages have, with what is said here.
pub(super) fn foreign_word(word: &str) -> Option<&'static str> {
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

/// A message and a help.
type Answer = (String, String);

fn say(message: impl Into<String>, help: impl Into<String>) -> Option<Answer> {
    Some((message.into(), help.into()))
}

/// The answer to text that stands in the wrong place, if there is a better one than what was expected there.
pub(super) fn habit(place: Place, found: &str, token: &str) -> Option<Answer> {
    let rest = found[token.len()..].trim_start();
    let answer = match place {
        Place::File => in_file(token),
        Place::Statement => statement(token, rest),
        Place::Step | Place::End => after_step(token, rest),
        Place::Arguments => argument(token),
        Place::Form(form) => in_form(form, token),
        _ => None,
    };
    answer.or_else(|| match token {
        "++" | "+=" | ":=" | "**" | "^" | "&" | "~" | "$" | "\\" | "`" => say(
            format!("`{token}` has no meaning in the language"),
            "the operators are + - * / % == != < <= > >= and or not ? :",
        ),
        _ => None,
    })
}

fn in_file(token: &str) -> Option<Answer> {
    if let Some(help) = foreign_word(token) {
        return say(format!("`{token}` is not a word of the language"), help);
    }
    if WORDS.contains(&token) {
        return say(
            format!("`{token}` stands inside a net or block"),
            "begin with `net Name { .. }`",
        );
    }
    if !token.starts_with(|it: char| it.is_ascii_alphabetic()) {
        return None;
    }
    let wanted = "`net`, `block`, `const`, `use`, `defaults` or `bind`";
    say(
        format!("expected {wanted}, found `{}`", shorten(token)),
        "layers and values stand inside a net or block",
    )
}

fn statement(token: &str, rest: &str) -> Option<Answer> {
    if let Some(help) = foreign_word(token) {
        return say(format!("`{token}` is not a word of the language"), help);
    }
    let keyword = TOP.contains(&token) || WORDS.contains(&token);
    match token {
        _ if keyword && rest.starts_with(':') => say(
            format!("`{token}` is a word of the language and no plain label"),
            format!("put it into quotes: `\"{token}\": ..`"),
        ),
        _ if TOP.contains(&token) => say(
            format!("`{token}` stands beside nets and blocks, not inside them"),
            "move it out of the braces; if a `}` is missing before it, add that",
        ),
        "else" => say("`else` without an `if` before it", "it follows the `}` of its `if`"),
        "->" if rest.is_empty() => say("`->` leads nowhere", "a step must follow"),
        "->" => say("`->` has nothing before it", "begin with a layer or a value"),
        "=>" => say("a shape note has nothing before it", "it follows the step it describes"),
        "{" => say("`{` has nothing before it", "braces follow `seq`, `add`, `for ..` or `if ..`"),
        ":" => None,
        _ if rest.starts_with(':') => {
            say(format!("the label `{}` has no layer", shorten(token)), "write `label: layer`")
        }
        _ => None,
    }
}

fn after_step(token: &str, rest: &str) -> Option<Answer> {
    match token {
        "->" if rest.is_empty() => say("`->` leads nowhere", "a step must follow"),
        "->" => say(
            format!("expected a layer or a value after `->`, found `{}`", shorten(first(rest))),
            "write `->` between two steps",
        ),
        "=" => say("only a name can be given a value", "write `name = chain`"),
        "=>" => say("a step has one shape note", "write `=> [64, 56, 56]` after the step"),
        "(" => say("only a name can be called", "write `name(..)`"),
        "[" => say("there is no indexing", "take a list apart with `for x in list { .. }`"),
        ":" => say(
            "a label is one name",
            "put it into quotes if it is not a plain name: `\"a.b\": layer`",
        ),
        "elif" | "elsif" | "elseif" => {
            say(format!("`{token}` is not a word of the language"), foreign_word(token)?)
        }
        "@" => say("`@train` stands after the output's name", "write `output name @train = chain`"),
        "?" => say("`? :` is incomplete", "it is written `condition ? yes : no`"),
        _ => None,
    }
}

fn argument(token: &str) -> Option<Answer> {
    match token {
        "->" => {
            say("a chain as an argument stands in parentheses", "write `add((a -> conv(8, 3)), b)`")
        }
        "?" => say("`? :` is incomplete", "it is written `condition ? yes : no`"),
        _ => None,
    }
}

fn in_form(form: Form, token: &str) -> Option<Answer> {
    match (form, token) {
        (Form::For, ",") => {
            say("several names of a loop stand in parentheses", "write `for (a, b) in list { .. }`")
        }
        (Form::For | Form::If | Form::Else | Form::Net | Form::Block, ":") => {
            say("a body stands in braces", "write `{ .. }` in the place of `:`")
        }
        (Form::Use, _) => say("the path of a file stands in quotes", "write `use \"file.net\"`"),
        (Form::If, "=") => say("`=` gives a value, it does not compare", "write `==`"),
        (Form::Net | Form::Block, "->") => {
            say("a net or block declares no result", "what its body ends with is the result")
        }
        _ => None,
    }
}
