//! Warnings that a file answers: `# allow: stride-unread`, on the line or alone on the line above.

use crate::diag::{Diagnostic, Severity, Sources, Span};

/// Whether a warning or remark is answered where it points. Errors have no answer.
pub(super) fn is_answered(sources: &Sources, diagnostic: &Diagnostic) -> bool {
    if diagnostic.severity == Severity::Error {
        return false;
    }
    let Span { file, start, .. } = diagnostic.span;
    let text = sources.get(file).text.as_str();
    let at = text.floor_char_boundary((start as usize).min(text.len()));
    let first = text[..at].rfind('\n').map_or(0, |it| it + 1);
    let line = text[first..].lines().next().unwrap_or("");
    let above = text[..first].lines().next_back().unwrap_or("").trim_start();
    answers(line, diagnostic.code) || above.starts_with('#') && answers(above, diagnostic.code)
}

/// Whether a line has a comment that answers a code.
fn answers(line: &str, code: &str) -> bool {
    let Some((_, list)) = line.rsplit_once('#').map(|it| (it.0, it.1.trim())) else { return false };
    let list = list.strip_prefix("allow:");
    list.is_some_and(|it| it.split(',').any(|it| it.trim() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_answers_the_codes_that_it_lists() {
        let line = "  conv(32, 7, 2)  # published so  # allow: stride-unread, unused-value";
        assert!(answers(line, "stride-unread") && answers(line, "unused-value"));
        assert!(!answers(line, "stride") && !answers("conv(3, 3)", "stride-unread"));
        assert!(!answers("# we allow: stride-unread", "stride-unread"));
    }
}
