//! What every stage says to the user: plain data, built where the fault is found.
//!
//! Building one knows nothing of how it is drawn (`render`) or explained (`codes`).

pub mod codes;
pub mod render;

/// One file of source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name to show, as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Every file that a compilation has read; `use` adds to it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// A file among [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl Sources {
    /// Adds a file and names it.
    pub fn add(&mut self, source: Source) -> FileId {
        let id = FileId(
            u32::try_from(self.files.len()).expect("the import limit is far below 2^32 files"),
        );
        self.files.push(source);
        id
    }

    /// The file behind an id.
    pub fn get(&self, id: FileId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// All files with their ids, in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files.iter().enumerate().map(|(i, it)| (FileId(i as u32), it))
    }
}

/// A range of bytes in one file, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both; they must lie in one file.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// Legal, and probably not what was meant.
    Warning,
    /// Worth knowing.
    Remark,
}

/// A second place that matters, with what is to be said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is said there.
    pub text: String,
}

/// One mistake: a stable code, the two facts that disagree, and one action to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A row of [`codes::CODES`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Lower case, no full stop, names in backticks.
    pub message: String,
    /// The place of the mistake.
    pub span: Span,
    /// What is said under the place itself; may be empty.
    pub label: String,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// Facts that explain, such as a trace of shapes; each may have several lines.
    pub notes: Vec<String>,
    /// One action to take, or the list of what is allowed.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with nothing but its message.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning with nothing but its message.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Says something under the place itself.
    #[must_use]
    pub fn at(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at a second place.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact that explains.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Diagnostics in the order they were found.
pub type Diagnostics = Vec<Diagnostic>;

/// The known name most like an unknown one, capitals aside, if it is alike enough to be meant: most
/// letters agree, and at least half of them where names are short.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |it: &str| strsim::damerau_levenshtein(&name, &it.to_lowercase());
    let (distance, nearest) =
        known.into_iter().map(|it| (distance(it), it)).min_by_key(|it| it.0)?;
    let letters = name.chars().count();
    let longer = letters.max(nearest.chars().count());
    (distance <= (letters / 3).max(1) && 2 * distance <= longer).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_close() {
        assert_eq!(nearest("W", ["A", "b"]), None);
        assert_eq!(nearest("Half", ["same", "half"]), Some("half"));
        assert_eq!(nearest("samee", ["same", "same_lower"]), Some("same"));
        assert_eq!(nearest("widht", ["depth", "width"]), Some("width"));
        assert_eq!(nearest("to", ["at", "by"]), None);
    }
}
