//! A report as text and as Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::{Order, Report};
use crate::diag::render;

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 layer`, `1,234 layers`
pub fn counted(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", thousands(number))
}

/// `241.0 KiB`; exact below 1 KiB.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    let mut unit = "bytes";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" { format!("{number} {unit}") } else { format!("{value:.1} {unit}") }
}

/// A name with its control characters escaped, so that a file cannot write on the user's terminal.
pub fn shown(name: &str) -> String {
    render::one_line(name).into_owned()
}

/// `[6, 28, 28]`.
fn extents(dims: &[usize]) -> String {
    format!("{dims:?}")
}

impl Report {
    /// A table for people, with totals.
    pub fn text(&self, order: Order) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let columns = self.columns();
        let has_buffers = self.totals.buffers > 0;
        table.set_header(columns.iter().map(|(name, right)| cell(name, *right)));
        for cells in self.cells(order, has_buffers) {
            table.add_row(cells.iter().zip(&columns).map(|(text, (_, right))| cell(text, *right)));
        }
        let mut sums = vec![String::new(); 4];
        sums[0] = counted(self.rows.len() as u64, "layer");
        sums.push(thousands(self.totals.params));
        if has_buffers {
            sums.push(thousands(self.totals.buffers));
        }
        sums.push(thousands(self.totals.macs));
        table.add_row(sums.iter().zip(&columns).map(|(text, (_, right))| cell(text, *right)));
        let lines: Vec<String> = table.lines().map(|it| it.trim_end().to_owned()).collect();
        let width = lines.iter().map(|it| unicode_width::UnicodeWidthStr::width(it.as_str())).max();
        let rule = format!(" {}", "─".repeat(width.unwrap_or(1).saturating_sub(1)));
        let (sums, rows) = lines.split_last().expect("the table has its header and its sums");
        let mut text = self.heading(order);
        text.push_str(&format!("\n{}\n{rule}\n", rows[0]));
        for row in &rows[1..] {
            text.push_str(&format!("{row}\n"));
        }
        text.push_str(&format!("{rule}\n{sums}\n\n{}", self.footing(order)));
        text
    }

    /// The same as a Markdown table.
    pub fn markdown(&self, order: Order) -> String {
        let columns = self.columns();
        let has_buffers = self.totals.buffers > 0;
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let names: Vec<String> = columns.iter().map(|it| it.0.to_owned()).collect();
        let rules: Vec<String> =
            columns.iter().map(|it| if it.1 { "---:" } else { "---" }.to_owned()).collect();
        let mut text = format!("## {}\n\n{}{}", self.net, line(&names), line(&rules));
        for cells in self.cells(order, has_buffers) {
            let cells: Vec<String> = cells.iter().map(|it| it.replace('|', "\\|")).collect();
            text.push_str(&line(&cells));
        }
        let mut sums = vec!["**total**".to_owned(), String::new(), String::new(), String::new()];
        sums.push(thousands(self.totals.params));
        if has_buffers {
            sums.push(thousands(self.totals.buffers));
        }
        sums.extend([thousands(self.totals.macs), String::new()]);
        text.push_str(&line(&sums));
        text
    }

    /// The columns, and whether they are aligned to the right.
    fn columns(&self) -> Vec<(&'static str, bool)> {
        let mut columns =
            vec![("layer", false), ("op", false), ("shape", false), ("elements", true)];
        columns.push(("params", true));
        if self.totals.buffers > 0 {
            columns.push(("buffers", true));
        }
        columns.extend([("MACs", true), ("field", true)]);
        columns
    }

    fn cells(&self, order: Order, has_buffers: bool) -> impl Iterator<Item = Vec<String>> {
        self.rows.iter().map(move |it| {
            let field: Vec<String> = it.receptive_field.iter().map(u64::to_string).collect();
            let mut cells = vec![
                shown(&it.path),
                it.op.to_owned(),
                extents(&order.sample(&it.shape)),
                thousands(it.elements),
                thousands(it.params),
            ];
            if has_buffers {
                cells.push(thousands(it.buffers));
            }
            cells.extend([thousands(it.macs), field.join("x")]);
            cells
        })
    }

    /// The net and its inputs.
    fn heading(&self, order: Order) -> String {
        let inputs = self
            .inputs
            .iter()
            .map(|(name, shape)| format!(" {} {}", shown(name), extents(&order.all(shape))));
        format!(" {} {}\n", self.net, inputs.collect::<String>())
    }

    /// The results, the weights and the memory.
    fn footing(&self, order: Order) -> String {
        let outputs = self
            .outputs
            .iter()
            .map(|(name, shape)| format!(" {} {}\n", shown(name), extents(&order.all(shape))));
        let mut text: String = outputs.collect();
        text.push_str(&format!(" weights {}", bytes(self.totals.weight_bytes)));
        if let Some(arena) = self.totals.arena_bytes {
            text.push_str(&format!(", arena {}", bytes(arena)));
        }
        text.push('\n');
        text
    }
}

fn cell(text: &str, right: bool) -> Cell {
    let alignment = if right { CellAlignment::Right } else { CellAlignment::Left };
    Cell::new(text).set_alignment(alignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (138_357_544, "138,357,544")];
        for (number, want) in cases {
            assert_eq!(thousands(number), want);
        }
        assert_eq!([bytes(0), bytes(1023), bytes(1536)], ["0 bytes", "1023 bytes", "1.5 KiB"]);
    }

    #[test]
    fn names_cannot_write_on_the_terminal() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}é"), "a\\u{1b}[31m\\u{202e}é");
    }
}
