//! What a pass did to a printed graph.

use similar::{ChangeTag, TextDiff};

/// The lines that differ between two printed graphs, `- ` before and `+ ` after; empty if none does.
pub fn diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let changes = diff.iter_all_changes().filter_map(|it| match it.tag() {
        ChangeTag::Delete => Some(format!("- {}", it.value())),
        ChangeTag::Insert => Some(format!("+ {}", it.value())),
        ChangeTag::Equal => None,
    });
    changes.collect()
}
