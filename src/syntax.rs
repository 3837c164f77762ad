//! Text to tree and back: the grammar of `.net` files.
//!
//! Knows no operator, no shape and no file system. A text goes through three steps: the scanner reports what
//! no rule knows (open strings and brackets, foreign characters) and repairs it, the grammar in
//! `grammar/net.pest` takes the rest apart, and the conversion builds the tree and reports what did not fit.

pub mod ast;
mod balance;
mod complain;
mod convert;
mod dump;
mod print;
mod scan;

use crate::diag::{Diagnostic, Diagnostics, FileId, Span};
use ast::Ast;

/// The largest file, in bytes.
pub const SOURCE_BYTES: usize = 1 << 20;

/// The most mistakes that are told of one file: a file of noise has one in every other character.
const MISTAKES_MAX: usize = 1000;

/// The text of a file; where it is not UTF-8 (code `not-utf8`) the text is an approximation to point into.
pub fn decode(file: FileId, bytes: Vec<u8>) -> (String, Diagnostics) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (text, Vec::new()),
        Err(error) => error.into_bytes(),
    };
    let good = bytes.utf8_chunks().next().map_or(0, |it| it.valid().len());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let span = Span { file, start: good as u32, end: good as u32 };
    let help = match bytes.get(..2) {
        Some([0xff, 0xfe] | [0xfe, 0xff]) => "it looks like UTF-16; save it as UTF-8",
        _ => "save it as UTF-8",
    };
    let diagnostic = Diagnostic::error("not-utf8", span, "this file is not UTF-8 text");
    (text, vec![diagnostic.help(help)])
}

/// Parses a text, at most [`SOURCE_BYTES`] long.
///
/// Reports every mistake that it finds (codes `syntax`, `nesting`, `name-length`, `source-size`). A tree
/// that comes with an error is incomplete: it is for tools, not for elaboration.
///
/// Sets pest's process-wide call limit for the time of the parse; parses of several threads queue up.
pub fn parse(file: FileId, text: &str) -> (Ast, Diagnostics) {
    let span = Span { file, start: 0, end: 0 };
    if text.len() > SOURCE_BYTES {
        let message = format!("this file has {} bytes; {SOURCE_BYTES} are allowed", text.len());
        let diagnostic = Diagnostic::error("source-size", span, message);
        return (
            Ast { span, ..Ast::default() },
            vec![diagnostic.help("split it and bring the parts in by `use`")],
        );
    }
    let scan = scan::scan(file, text);
    let mut diagnostics = scan.diagnostics;
    let Some(repaired) = scan.repaired else {
        diagnostics.truncate(MISTAKES_MAX);
        return (Ast { span, trivia: scan.trivia, items: Vec::new() }, diagnostics);
    };
    let ast = convert::convert(file, text, scan.trivia, &repaired, &mut diagnostics);
    diagnostics.sort_by_key(|it| it.span);
    diagnostics.truncate(MISTAKES_MAX);
    (ast, diagnostics)
}

/// The canonical layout of a text, or what is wrong with it.
///
/// Keeps the tree, every comment and single blank lines; formatting what it gives changes nothing.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    let mut text = text.to_owned();
    // A line that had to be broken may change what is written on one line, so layout settles in a few rounds.
    for _ in 0..4 {
        let (ast, diagnostics) = parse(FileId::default(), &text);
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let printed = print::print(&ast, Some(&text));
        if printed == text {
            break;
        }
        text = printed;
    }
    Ok(text)
}

/// A tree in the canonical layout; its spans may be anything, and its trivia are left out.
pub fn print(ast: &Ast) -> String {
    print::print(&Ast { trivia: Vec::new(), ..ast.clone() }, None)
}

/// Whether a name needs no quotes.
pub fn is_plain_name(text: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "net", "block", "const", "use", "defaults", "bind", "input", "output", "shared", "for",
        "in", "if", "else", "seq", "it", "and", "or", "not", "true", "false",
    ];
    is_word(text) && text != "_" && !KEYWORDS.contains(&text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// The text inside a string's quotes with its escapes resolved, or the escape that is none.
fn unescape(raw: &str) -> Result<String, String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.chars().next().unwrap_or(' ');
        let mut len = code.len_utf8().min(rest.len());
        text.push(match code {
            '"' | '\\' => code,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let close = rest.find('}').filter(|&it| it <= 8 && rest[1..].starts_with('{'));
                let hex = close.map_or("", |it| &rest[2..it]);
                len = close.map_or(len, |it| it + 1);
                let char = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
                char.ok_or_else(|| format!("\\{}", &rest[..len]))?
            }
            _ => return Err(format!("\\{}", &rest[..len])),
        });
        rest = &rest[len..];
    }
    text.push_str(rest);
    Ok(text)
}

/// A string as it is written, quotes included.
fn escape(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if scan::is_command(char) => {
                quoted.push_str(&format!("\\u{{{:x}}}", u32::from(char)))
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
