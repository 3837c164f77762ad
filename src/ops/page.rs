//! The manual: a page for each operator, all from its own file.

use super::{Entry, OPERANDS_MAX, Op};

impl Entry {
    /// The page in Markdown: heading, signature, what it takes, arguments, the doc comment.
    pub fn page(&self) -> String {
        let mut page = format!("## {}\n\n```text\n{}\n```\n\n", self.name, self.signature());
        match self.arity {
            (1, 1) => {}
            (least, most) if least == most => page += &format!("Takes {least} values.\n\n"),
            (least, OPERANDS_MAX) => page += &format!("Takes {least} or more values.\n\n"),
            (least, most) => page += &format!("Takes {least} to {most} values.\n\n"),
        }
        if !self.args.is_empty() {
            page += "| argument | takes | default | meaning |\n|---|---|---|---|\n";
        }
        for arg in self.args {
            let default = match arg.default {
                None => "needed".to_owned(),
                Some("") => String::new(),
                Some(default) => format!("`{default}`"),
            };
            let words: Vec<String> = arg.words.iter().map(|it| format!("`{it}`")).collect();
            let takes = if words.is_empty() {
                arg.kind.to_owned()
            } else {
                format!("{}: {}", arg.kind, words.join(", "))
            };
            page += &format!("| `{}` | {takes} | {default} | {} |\n", arg.name, arg.doc);
        }
        if !self.args.is_empty() {
            page += "\n";
        }
        page + &self.manual() + "\n"
    }
}

/// `docs/operators.md`: every page, in the order of the table.
pub fn reference() -> String {
    let names: Vec<String> =
        Op::TABLE.iter().map(|it| format!("[`{}`](#{})", it.name, it.name)).collect();
    let head = "# Layers\n\n\
        Printed from `src/ops/`; `netc explain NAME` shows one page. The first three arguments may be given by \
        position. Shapes leave the batch out unless they begin with `N`; axis 0 is the batch, axis 1 the \
        channels. `docs/numerics.md` says what happens to NaN, zeros and the last bits.\n\n";
    let pages: Vec<String> = Op::TABLE.iter().map(Entry::page).collect();
    format!("{head}{}\n\n{}", names.join(", "), pages.join("\n"))
}
