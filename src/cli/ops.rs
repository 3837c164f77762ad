//! `netc ops`: the operators.

use clap::Args;
use serde_json::json;

use super::args::PlainFormat;
use super::terminal::{Stop, Terminal};
use crate::ops::{Entry, Op};

/// The layers and their arguments
///
/// The first three arguments can be given by position. `netc explain LAYER` has the whole page.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc ops\n  netc ops --format json | jq '.ops[].name'")]
pub(super) struct Ops {
    /// How the list is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
}

impl Ops {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let mut entries: Vec<&Entry> = Op::TABLE.iter().collect();
        entries.sort_by_key(|it| it.name);
        match self.format {
            PlainFormat::Text => terminal.print(&text(&entries)),
            PlainFormat::Json => terminal.print_json(&json(&entries)),
        }
    }
}

/// A signature a line, its meaning below.
fn text(entries: &[&Entry]) -> String {
    entries.iter().map(|it| format!("{}\n    {}\n", it.signature(), summary(it))).collect()
}

/// The first sentence of the manual page.
fn summary(entry: &Entry) -> String {
    let manual = entry.manual();
    let paragraph: Vec<&str> = manual.lines().take_while(|it| !it.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.find(". ") {
        Some(end) => paragraph[..=end].to_owned(),
        None => paragraph,
    }
}

fn json(entries: &[&Entry]) -> serde_json::Value {
    let ops: Vec<_> = entries
        .iter()
        .map(|it| {
            let args: Vec<_> = it
                .args
                .iter()
                .map(|arg| {
                    json!({"name": arg.name, "kind": arg.kind, "default": arg.default,
                           "words": arg.words, "doc": arg.doc})
                })
                .collect();
            json!({"name": it.name, "signature": it.signature(), "summary": summary(it),
                   "operands": [it.arity.0, it.arity.1], "args": args})
        })
        .collect();
    json!({"schema": 1, "ops": ops})
}
