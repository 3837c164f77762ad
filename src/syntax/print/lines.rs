//! Lines under construction: indentation, and the columns of notes and comments.

/// Lines are broken beyond this column where they can be; comments may go on.
pub(super) const WIDTH: usize = 100;

#[derive(Debug, Default)]
struct Line {
    indent: usize,
    /// What a body that begins in this line is indented against.
    base: usize,
    text: String,
    /// A shape note at the end.
    note: Option<String>,
    /// A comment at the end.
    comment: Option<String>,
    /// Whether the whole line is a comment.
    is_comment: bool,
}

impl Line {
    fn len(&self) -> usize {
        self.indent + self.text.chars().count()
    }

    /// How long it is with its note.
    fn whole(&self) -> usize {
        self.len() + self.note.as_ref().map_or(0, |it| 2 + it.chars().count())
    }

    /// Its note as a line of its own, if it does not fit and no comment would part from it.
    fn spill(&mut self) -> Option<Line> {
        if self.whole() <= WIDTH || self.comment.is_some() {
            return None;
        }
        let indent = if self.text.starts_with("->") { self.indent } else { self.base + 2 };
        Some(Line { indent, base: self.base, text: self.note.take()?, ..Line::default() })
    }

    fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    fn opens(&self) -> bool {
        !self.is_comment && self.text.ends_with(['{', '(', '['])
    }
}

/// The output so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    done: Vec<Line>,
    current: Option<Line>,
    /// The indentation of the next line.
    indent: usize,
    item: usize,
}

impl Lines {
    /// Goes on in the line under way, or begins one.
    pub(super) fn push(&mut self, text: &str) {
        let indent = self.indent;
        let line =
            self.current.get_or_insert_with(|| Line { indent, base: indent, ..Line::default() });
        if let Some(note) = line.note.take() {
            line.text.push(' ');
            line.text.push_str(&note);
        }
        line.text.push_str(text);
    }

    /// Puts a shape note at the end of the line.
    pub(super) fn note(&mut self, text: String) {
        self.push("");
        if let Some(line) = &mut self.current {
            line.note = Some(text);
        }
    }

    /// Ends the line under way, if there is one.
    pub(super) fn end(&mut self) {
        self.done.extend(self.current.take());
    }

    /// Whether the next text begins a line.
    pub(super) fn is_fresh(&self) -> bool {
        self.current.is_none()
    }

    /// Whether so much more fits on the line.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.current.as_ref().map_or(self.indent, Line::len) + len <= WIDTH
    }

    /// The indentation of the line under way.
    pub(super) fn base(&self) -> usize {
        self.current.as_ref().map_or(self.indent, |it| it.base)
    }

    /// Sets the indentation of the lines that follow and says what it was.
    pub(super) fn set_indent(&mut self, to: usize) -> usize {
        std::mem::replace(&mut self.indent, to)
    }

    /// A blank line, if there is none yet and nothing has just been opened.
    pub(super) fn blank(&mut self) {
        if self.done.last().is_some_and(|it| !it.is_blank() && !it.opens()) {
            self.done.push(Line::default());
        }
    }

    /// Takes a blank line back.
    pub(super) fn drop_blank(&mut self) {
        if self.done.last().is_some_and(Line::is_blank) {
            self.done.pop();
        }
    }

    /// A comment on its own line.
    pub(super) fn comment(&mut self, text: String) {
        self.end();
        self.done.push(Line { indent: self.indent, text, is_comment: true, ..Line::default() });
    }

    /// A comment at the end of the last line, or below it if it has one.
    pub(super) fn trailing(&mut self, text: String) {
        self.end();
        match self.done.last_mut() {
            Some(it) if !it.is_blank() && !it.is_comment && it.comment.is_none() => {
                it.comment = Some(text)
            }
            _ => self.comment(text),
        }
    }

    /// Begins an arm after the first: `| ` in the indentation of the line.
    pub(super) fn bar(&mut self, goes_on: bool) {
        self.end();
        let text = if goes_on { "| " } else { "|" };
        let indent = self.indent.saturating_sub(2);
        self.current =
            Some(Line { indent, base: self.indent, text: text.to_owned(), ..Line::default() });
        if !goes_on {
            self.end();
        }
    }

    /// Marks the beginning of an item.
    pub(super) fn begin_item(&mut self) {
        self.item = self.done.len();
    }

    /// Whether the item since the mark has several lines.
    pub(super) fn is_tall(&self) -> bool {
        self.done.len() > self.item + 1
    }

    /// The whole text; each line ends with a newline.
    pub(super) fn finish(mut self) -> String {
        self.end();
        while self.done.last().is_some_and(Line::is_blank) {
            self.done.pop();
        }
        self.align_notes();
        self.align_comments();
        let mut out = String::new();
        for it in &self.done {
            if !it.is_blank() {
                out.extend(std::iter::repeat_n(' ', it.indent));
                out.push_str(&it.text);
            }
            out.push('\n');
        }
        out
    }

    fn align_notes(&mut self) {
        for it in self.done.iter_mut().filter(|it| it.text.starts_with('}')) {
            if let Some(note) = it.note.take() {
                it.text.push_str(&format!(" {note}"));
            }
        }
        let mut done = Vec::with_capacity(self.done.len());
        for mut it in std::mem::take(&mut self.done) {
            let spilt = it.spill();
            done.push(it);
            done.extend(spilt);
        }
        self.done = done;
        let runs = self.done.chunk_by_mut(|a, b| a.note.is_some() && b.note.is_some());
        for run in runs {
            let widest = run.iter().map(Line::len).max().unwrap_or(0);
            let fits = run.iter().all(|it| widest + it.whole() - it.len() <= WIDTH);
            for it in run {
                if let Some(note) = it.note.take() {
                    let gap = if fits { widest - it.len() + 2 } else { 2 };
                    it.text.extend(std::iter::repeat_n(' ', gap));
                    it.text.push_str(&note);
                }
            }
        }
    }

    fn align_comments(&mut self) {
        let runs = self.done.chunk_by_mut(|a, b| a.comment.is_some() && b.comment.is_some());
        for run in runs {
            let widest = run.iter().map(Line::len).max().unwrap_or(0);
            for it in run {
                if let Some(comment) = it.comment.take() {
                    let gap = if widest < WIDTH { widest - it.len() + 2 } else { 2 };
                    it.text.extend(std::iter::repeat_n(' ', gap));
                    it.text.push_str(&comment);
                }
            }
        }
    }
}
