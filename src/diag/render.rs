//! How a diagnostic is drawn: for people, as a line of JSON, as a GitHub annotation.
//!
//! Knows nothing of terminals: the caller decides on colour and where the text goes. Every span is
//! clamped to its text here, and nowhere else, so that no diagnostic can make a renderer panic.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use super::{Diagnostic, Severity, Source, Sources, Span, codes};

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With the source text, for people.
    Human {
        /// Whether to use ANSI colours.
        color: bool,
    },
    /// One JSON object a line.
    Json,
    /// GitHub's workflow commands, one a line.
    Github,
}

/// Writes diagnostics, at most `errors_max` errors of them, and says how many were left out.
/// Warnings and remarks count too, after the errors. JSON is never cut.
pub fn all(
    sources: &Sources,
    diagnostics: &[Diagnostic],
    format: Format,
    errors_max: usize,
) -> String {
    let mut text = String::new();
    let shown = match format {
        Format::Json => diagnostics.len(),
        _ => diagnostics.len().min(errors_max),
    };
    let mut order: Vec<&Diagnostic> = diagnostics.iter().collect();
    if shown < diagnostics.len() {
        order.sort_by_key(|it| it.severity);
        order[..shown].sort_by_key(|it| it.span);
    }
    for it in &order[..shown] {
        match format {
            Format::Human { color } => text.push_str(&render(sources, it, color)),
            Format::Json => text.push_str(&json(sources, it)),
            Format::Github => text.push_str(&github(sources, it)),
        }
        text.push_str(if matches!(format, Format::Human { .. }) { "\n" } else { "" });
    }
    if shown < diagnostics.len() {
        let left = Tally::of(order[shown..].iter().copied());
        let _ = writeln!(text, "and {left} more: `--limit errors={}` shows all", diagnostics.len());
    }
    text
}

/// How many errors, warnings and remarks there are; prints as `2 errors, 1 warning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([usize; 3]);

impl Tally {
    /// Counts diagnostics.
    pub fn of<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Tally {
        let mut tally = Tally::default();
        for it in diagnostics {
            tally.0[it.severity as usize] += 1;
        }
        tally
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Tally) -> Tally {
        Tally(std::array::from_fn(|it| self.0[it] + other.0[it]))
    }

    /// All of them.
    pub fn total(self) -> usize {
        self.0.iter().sum()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [Severity::Error, Severity::Warning, Severity::Remark];
        let counted = self.0.iter().zip(kinds).filter(|it| *it.0 > 0);
        let parts: Vec<String> = counted
            .map(|(n, kind)| format!("{n} {}{}", severity(kind), if *n == 1 { "" } else { "s" }))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

/// Draws a diagnostic with its source, ending in a newline.
pub fn render(sources: &Sources, diagnostic: &Diagnostic, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Remark => Level::NOTE.with_name("remark"),
    };
    let message = one_line(&diagnostic.message);
    let mut group = Group::with_title(level.primary_title(message.as_ref()).id(diagnostic.code));
    let source = sources.get(diagnostic.span.file);
    group = if source.text.is_empty() {
        let origin = Origin::path(one_line(&source.name));
        let has_lines = codes::is_about_text(diagnostic.code);
        group.element(if has_lines { origin.line(1).char_column(1) } else { origin })
    } else {
        group.element(excerpt(sources, diagnostic, diagnostic.span, true))
    };
    let mut others: Vec<_> = diagnostic.labels.iter().map(|it| it.span.file).collect();
    others.retain(|&it| it != diagnostic.span.file && !sources.get(it).text.is_empty());
    others.sort_unstable();
    others.dedup();
    for file in others {
        let span = Span { file, start: 0, end: 0 };
        group = group.element(excerpt(sources, diagnostic, span, false));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(many_lines(note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(many_lines(help)));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// The part of a file that a diagnostic points at.
fn excerpt<'a>(
    sources: &'a Sources,
    diagnostic: &'a Diagnostic,
    at: Span,
    main: bool,
) -> Snippet<'a, Annotation<'a>> {
    let source = sources.get(at.file);
    let mut marks: Vec<(Range<usize>, &str, AnnotationKind)> = Vec::new();
    if main {
        let range = first_line(source, at);
        marks.push((range, &diagnostic.label, AnnotationKind::Primary));
    }
    for label in diagnostic.labels.iter().filter(|it| it.span.file == at.file) {
        let range = first_line(source, label.span);
        marks.push((range, &label.text, AnnotationKind::Context));
    }
    let first = marks.iter().map(|it| it.0.start).min().unwrap_or(0);
    let last = marks.iter().map(|it| it.0.end).max().unwrap_or(0);
    let text = source.text.as_str();
    let from = text[..first].rfind('\n').map_or(0, |it| it + 1);
    let to = text[last..].find('\n').map_or(text.len(), |it| last + it);
    let line = 1 + text[..from].bytes().filter(|&it| it == b'\n').count();
    let annotations = marks.into_iter().map(|(range, label, kind)| {
        let annotation = kind.span(range.start - from..range.end - from);
        if label.is_empty() { annotation } else { annotation.label(one_line(label)) }
    });
    Snippet::source(&text[from..to])
        .path(one_line(&source.name))
        .line_start(line)
        .annotations(annotations)
}

/// The bytes of a span inside the text, on character boundaries.
fn clamp(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary((span.start as usize).min(text.len()));
    let end = text.ceil_char_boundary((span.end as usize).clamp(start, text.len()));
    start..end
}

/// A span cut at the end of its first line, so that a mistake in a long body draws one underline.
fn first_line(source: &Source, span: Span) -> Range<usize> {
    let range = clamp(&source.text, span);
    let line = &source.text[range.clone()];
    let end = line.find('\n').map_or(range.end, |it| range.start + it);
    range.start..end
}

/// Control characters as `\u{1b}`, so that no file and no name can write on the user's terminal.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, is_command)
}

/// The same, but lines stay lines.
pub fn many_lines(text: &str) -> Cow<'_, str> {
    escape(text, |it| is_command(it) && it != '\n')
}

/// Whether a terminal or an editor would obey a character instead of showing it.
pub fn is_command(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&bad) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 8), |mut out, it| {
        if bad(it) {
            out.extend(it.escape_default());
        } else {
            out.push(it);
        }
        out
    });
    Cow::Owned(escaped)
}

/// A place as people count: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, at least 1.
    pub line: usize,
    /// The column, at least 1.
    pub column: usize,
}

/// Where a span begins.
pub fn place(sources: &Sources, span: Span) -> Place {
    at(sources, span.file, span.start)
}

fn at(sources: &Sources, file: super::FileId, byte: u32) -> Place {
    let text = &sources.get(file).text;
    let start = clamp(text, Span { file, start: byte, end: byte }).start;
    let line_start = text[..start].rfind('\n').map_or(0, |it| it + 1);
    Place {
        line: 1 + text[..start].bytes().filter(|&it| it == b'\n').count(),
        column: 1 + text[line_start..start].chars().count(),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Remark => "remark",
    }
}

/// One JSON object and a newline.
pub fn json(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let spot = |span: Span| {
        let source = sources.get(span.file);
        (source.name.as_str(), place(sources, span), clamp(&source.text, span))
    };
    let (file, Place { line, column }, range) = spot(diagnostic.span);
    let labels: Vec<_> = diagnostic
        .labels
        .iter()
        .map(|it| {
            let (file, Place { line, column }, range) = spot(it.span);
            json!({"file": file, "line": line, "column": column,
                   "start": range.start, "end": range.end, "message": it.text})
        })
        .collect();
    let mut text = json!({
        "code": diagnostic.code,
        "severity": severity(diagnostic.severity),
        "message": diagnostic.message,
        "file": file,
        "line": line,
        "column": column,
        "start": range.start,
        "end": range.end,
        "label": diagnostic.label,
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
    .to_string();
    text.push('\n');
    text
}

/// A workflow command (`::error file=..`) and a newline.
pub fn github(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let property = |it: &str| {
        let it = it.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        it.replace(':', "%3A").replace(',', "%2C")
    };
    let start = place(sources, diagnostic.span);
    let end = at(sources, diagnostic.span.file, diagnostic.span.end.max(diagnostic.span.start));
    let mut message = diagnostic.message.clone();
    for part in diagnostic.notes.iter().chain(&diagnostic.help) {
        let _ = write!(message, "\n{part}");
    }
    let command = match diagnostic.severity {
        Severity::Remark => "notice",
        other => severity(other),
    };
    let message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    format!(
        "::{command} file={},line={},endLine={},col={},title={}::{message}\n",
        property(&sources.get(diagnostic.span.file).name),
        start.line,
        end.line,
        start.column,
        property(diagnostic.code),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::FileId;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source { name: "a.net".into(), text: text.into() });
        sources
    }

    fn span(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    #[test]
    fn a_diagnostic_is_drawn_like_rustc() {
        let sources = sources("net A {\n  convv(3, 3)\n}\n");
        let diagnostic = Diagnostic::error("unknown-layer", span(10, 15), "no layer `convv`")
            .at("not known")
            .and(span(4, 5), "in this net")
            .note("one\ntwo")
            .help("did you mean `conv`?");
        let want = "\
error[unknown-layer]: no layer `convv`
 --> a.net:2:3
  |
1 | net A {
  |     - in this net
2 |   convv(3, 3)
  |   ^^^^^ not known
  |
  = note: one
          two
  = help: did you mean `conv`?
";
        assert_eq!(render(&sources, &diagnostic, false), want);
    }

    #[test]
    fn a_file_without_text_has_its_name_alone() {
        let sources = sources("");
        let diagnostic = Diagnostic::error("broken-weights", span(0, 0), "it is cut off").note("n");
        let want = "\
error[broken-weights]: it is cut off
--> a.net
 = note: n
";
        assert_eq!(render(&sources, &diagnostic, false), want);
    }

    #[test]
    fn no_span_and_no_text_makes_it_panic() {
        for text in ["", "é", "a\u{301}\r\n\tb\0", "\n\n\n", "\u{1b}[31m日本語"] {
            let sources = sources(text);
            for start in 0..8 {
                for end in 0..8 {
                    let diagnostic = Diagnostic::error("x", span(start, end), "m\u{1b}[0m\n")
                        .and(span(end, start), "other");
                    for color in [false, true] {
                        let text = render(&sources, &diagnostic, color);
                        assert!(color || !text.contains('\u{1b}'));
                    }
                    let line: serde_json::Value =
                        serde_json::from_str(&json(&sources, &diagnostic)).expect("JSON");
                    assert!(line["line"].as_u64() >= Some(1) && line["column"].as_u64() >= Some(1));
                    assert_eq!(github(&sources, &diagnostic).lines().count(), 1);
                }
            }
        }
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let sources = sources("abc");
        let many: Vec<_> = (0..5).map(|it| Diagnostic::error("x", span(it, it), "m")).collect();
        let text = all(&sources, &many, Format::Human { color: false }, 2);
        assert_eq!(text.matches("error[x]").count(), 2);
        assert!(text.ends_with("and 3 errors more: `--limit errors=5` shows all\n"));
        assert_eq!(all(&sources, &many, Format::Json, 2).lines().count(), 5);
    }
}
