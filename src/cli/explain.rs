//! `netc explain`: the page of a diagnostic or of a layer.

use std::fmt::Write as _;

use clap::Args;

use super::terminal::{Stop, Terminal};
use crate::diag::{codes, nearest};
use crate::ops::{Entry, Op, synonyms};

/// What a diagnostic means, or what a layer does, with an example
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc explain conv\n  netc explain unknown-layer")]
pub(super) struct Explain {
    /// A code, as it stands in brackets in a diagnostic, or a layer
    #[arg(value_name = "CODE|LAYER")]
    subject: String,
}

impl Explain {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        if let Some(entry) = Op::find(&self.subject) {
            return terminal.print(&page(entry));
        }
        if let Some(code) = codes::find(&self.subject) {
            return terminal.print(&code.page());
        }
        if let Some(entry) = synonyms::layer(&self.subject) {
            let known = format!("`{}` is called `{}` here.\n\n", self.subject, entry.name);
            return terminal.print(&(known + &page(entry)));
        }
        let known = codes::all().map(|it| it.name).chain(Op::TABLE.iter().map(|it| it.name));
        let hint = match nearest(&self.subject, known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => {
                "`netc ops` lists the layers; codes stand in brackets in diagnostics".to_owned()
            }
        };
        let fault =
            format!("`{}` is neither a layer nor the code of a diagnostic; {hint}", self.subject);
        Err(Stop::Command(fault))
    }
}

/// The manual page of an operator.
fn page(entry: &Entry) -> String {
    let mut page = format!("{}\n\n{}\n", entry.signature(), entry.manual());
    if !entry.args.is_empty() {
        page.push_str("\nArguments:\n");
    }
    let width = entry.args.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for arg in entry.args {
        let _ = write!(page, "  {:width$}  {}", arg.name, arg.doc);
        let _ = write!(page, " ({}", arg.kind);
        if !arg.words.is_empty() {
            let _ = write!(page, ", or {}", arg.words.join(", "));
        }
        match arg.default {
            None => page.push_str("; must be given)\n"),
            Some("") => page.push_str(")\n"),
            Some(default) => {
                let _ = writeln!(page, "; {default} unless given)");
            }
        }
    }
    page
}
