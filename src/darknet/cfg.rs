//! The text of a `.cfg` file: sections of options.
//!
//! White space means nothing, a comment begins with `#` or `;`, and of an option that is given twice the first
//! counts: that is how Darknet reads it.

use std::collections::HashSet;
use std::ops::Range;

use crate::diag::{Diagnostic, Diagnostics, FileId, Span, nearest};

/// The most sections of one file.
const SECTIONS_MAX: usize = 10_000;

/// Options that only training reads, in any section.
const TRAINING: &[&str] = &[
    "absolute",
    "angle",
    "bias_match",
    "class_scale",
    "coord_scale",
    "cost_scale",
    "exposure",
    "flip",
    "forced",
    "ignore_thresh",
    "jitter",
    "learning_rate",
    "max",
    "noobject_scale",
    "object_scale",
    "random",
    "ratio",
    "rescore",
    "reverse_grad",
    "saturation",
    "shift",
    "smooth",
    "thresh",
    "truth_thresh",
    "type",
    "stopbackward",
    "onlyforward",
    "noloss",
    "truth",
    "clip",
    "iou_normalizer",
    "cls_normalizer",
    "iou_loss",
    "iou_thresh",
    "max_delta",
    "label_smooth_eps",
    "nms_kind",
    "beta_nms",
    "focal_loss",
    "map",
];

/// Options that say which numbers of a layer the weights file lacks, with the value at which it lacks none. Layers
/// without weights may have them too.
pub(super) const LOADING: &[(&str, &str)] =
    &[("dontload", "0"), ("dontloadscales", "0"), ("numload", "0")];

/// One section: `[name]` and what follows.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The name without brackets.
    pub(super) name: String,
    /// The header.
    pub(super) span: Span,
    /// The line of the header, from 1.
    pub(super) line: usize,
    options: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    value: String,
    span: Span,
}

/// Reads a file, or says all that is wrong with its form.
pub(super) fn read(file: FileId, text: &str) -> Result<Vec<Section>, Diagnostics> {
    let mut sections: Vec<Section> = Vec::new();
    let mut faults = Diagnostics::new();
    let mut start = 0;
    for (i, line) in text.split('\n').enumerate() {
        let code = line.split(['#', ';']).next().unwrap_or_default();
        let span = span(file, text, start..start + code.trim_end().len());
        start += line.len() + 1;
        let word: String = code.chars().filter(|it| !it.is_whitespace()).collect();
        if word.is_empty() {
            continue;
        }
        if let Some(head) = word.strip_prefix('[') {
            let Some(name) = head.strip_suffix(']').filter(|it| !it.is_empty()) else {
                let message = format!("`{word}` is not a section");
                faults.push(
                    Diagnostic::error("broken-model", span, message)
                        .help("write `[convolutional]`"),
                );
                continue;
            };
            if sections.len() == SECTIONS_MAX {
                let message = format!("the file has more than {SECTIONS_MAX} sections");
                faults.push(Diagnostic::error("broken-model", span, message));
                break;
            }
            sections.push(Section {
                name: name.to_owned(),
                span,
                line: i + 1,
                options: Vec::new(),
            });
            continue;
        }
        match (word.split_once('='), sections.last_mut()) {
            (Some((key, value)), Some(section)) if !key.is_empty() && !value.is_empty() => {
                let (key, value) = (key.to_owned(), value.to_owned());
                section.options.push(Entry { key, value, span });
            }
            (Some(_), None) => {
                let fault = Diagnostic::error("broken-model", span, "an option before any section");
                faults.push(fault.help("the first section is `[net]`"));
            }
            _ => {
                let message = format!("`{word}` is neither a section nor an option");
                faults.push(
                    Diagnostic::error("broken-model", span, message)
                        .help("write `[convolutional]` or `filters=32`"),
                );
            }
        }
    }
    if sections.is_empty() && faults.is_empty() {
        let fault = Diagnostic::error(
            "broken-model",
            Span { file, ..Span::default() },
            "the file has no section",
        );
        faults.push(fault.help("a Darknet network begins with `[net]`"));
    }
    if faults.is_empty() { Ok(sections) } else { Err(faults) }
}

/// A range of bytes, or nothing at the end of the file where it would leave the text.
fn span(file: FileId, text: &str, range: Range<usize>) -> Span {
    let at = |it: usize| u32::try_from(it.min(text.len())).unwrap_or(u32::MAX);
    Span { file, start: at(range.start), end: at(range.end) }
}

/// The options of one section while they are read: every mistake is collected, with its line.
pub(super) struct Reader<'a> {
    pub(super) section: &'a Section,
    known: Vec<&'static str>,
    pub(super) faults: Diagnostics,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a Section) -> Self {
        Reader { section, known: Vec::new(), faults: Diagnostics::new() }
    }

    fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.known.push(key);
        self.section.options.iter().find(|it| it.key == key)
    }

    /// Whether an option is given.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    /// Says something about an option, or about the section where it is left out.
    pub(super) fn fault(&mut self, key: &'static str, message: String) {
        let span = self.entry(key).map_or(self.section.span, |it| it.span);
        self.faults.push(Diagnostic::error("broken-model", span, message));
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        default: T,
        want: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(entry) = self.entry(key) else { return default };
        match read(&entry.value) {
            Some(value) => value,
            None => {
                self.fault(key, format!("`{key}` is {want}, found `{}`", entry.value));
                default
            }
        }
    }

    /// A whole number of at least `least`, below 2^31.
    pub(super) fn count(&mut self, key: &'static str, default: usize, least: usize) -> usize {
        let want = format!("a whole number of at least {least}");
        self.value(key, default, &want, |it| {
            usize::try_from(whole(it)?).ok().filter(|it| *it >= least)
        })
    }

    /// A finite number.
    pub(super) fn number(&mut self, key: &'static str, default: f32) -> f32 {
        self.value(key, default, "a number", finite)
    }

    /// Whether a number is given that is not 0.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key, default, "0 or 1", |it| Some(whole(it)? != 0))
    }

    /// A word.
    pub(super) fn word(&mut self, key: &'static str, default: &'static str) -> &'a str {
        self.entry(key).map_or(default, |it| it.value.as_str())
    }

    /// Whole numbers with commas between; none if not given.
    pub(super) fn ints(&mut self, key: &'static str) -> Vec<i64> {
        self.value(key, Vec::new(), "a list of whole numbers", |it| list(it, whole))
    }

    /// Numbers with commas between; none if not given.
    pub(super) fn numbers(&mut self, key: &'static str) -> Vec<f32> {
        self.value(key, Vec::new(), "a list of numbers", |it| list(it, finite))
    }

    /// Refuses an option unless it has the value at which it changes nothing.
    pub(super) fn refuse(&mut self, options: &[(&'static str, &str)]) {
        for &(key, neutral) in options {
            let Some(entry) = self.entry(key) else { continue };
            let same = entry.value == neutral
                || finite(&entry.value).is_some_and(|it| Some(it) == finite(neutral));
            if !same {
                let message = format!(
                    "`{key}={}` changes the result in a way that netc does not have",
                    entry.value
                );
                self.fault(key, message);
            }
        }
    }

    /// The mistakes, or warnings about options that nothing reads.
    pub(super) fn finish(self) -> Result<Diagnostics, Diagnostics> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let mut warnings = Diagnostics::new();
        let ignored = |key: &str| TRAINING.contains(&key) || LOADING.iter().any(|it| it.0 == key);
        let mut seen = HashSet::new();
        for it in &self.section.options {
            let name = &self.section.name;
            let key = it.key.as_str();
            if !seen.insert(key) {
                let message = format!("`{key}` is given twice; the first counts");
                warnings.push(Diagnostic::warning("duplicate-argument", it.span, message));
            } else if !self.known.contains(&key) && !ignored(key) {
                let message = format!("`[{name}]` has no option `{key}`; it is ignored");
                let warning = Diagnostic::warning("unknown-argument", it.span, message);
                warnings.push(match nearest(key, self.known.iter().copied()) {
                    Some(near) => warning.help(format!("did you mean `{near}`?")),
                    None => warning,
                });
            }
        }
        Ok(warnings)
    }
}

fn whole(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from)
}

fn finite(text: &str) -> Option<f32> {
    text.parse::<f32>().ok().filter(|it| it.is_finite())
}

fn list<T>(text: &str, read: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.trim_end_matches(',').split(',').map(read).collect()
}
