//! Where a mistake inside a block shows: the applications that led there, as secondary labels.

use super::Expander;
use crate::diag::{Diagnostic, Span};

/// Which copy of a repetition is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// From 0.
    pub(super) at: usize,
    /// How many there are.
    pub(super) of: usize,
}

/// An application of a block or net that is being expanded.
pub(super) struct Application<'a> {
    /// What is applied.
    pub(super) name: &'a str,
    /// Its body.
    pub(super) body: Span,
    /// Where it is applied.
    pub(super) site: Span,
    /// Which copy it is, in a repetition.
    pub(super) copy: Option<Copy>,
}

/// What depends on the value and the arguments that a body is given.
const DEPENDENT: &[&str] = &[
    "shape",
    "shape-note",
    "argument-type",
    "argument-value",
    "missing-argument",
    "operands",
    "wrong-kind",
    "inexact-division",
    "division-by-zero",
    "overflow",
    "unknown-field",
    "pattern",
    "stride-unread",
];

/// So many applications inside one another are shown, the innermost ones.
const SHOWN: usize = 3;

impl Expander<'_> {
    /// Says in which application a diagnostic holds, if that matters.
    pub(super) fn in_application(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let Span { file, start, .. } = diagnostic.span;
        let is_inside = |it: &Application<'_>| {
            it.body.file == file && (it.body.start..it.body.end).contains(&start)
        };
        if !DEPENDENT.contains(&diagnostic.code) || !self.applications.last().is_some_and(is_inside)
        {
            return diagnostic;
        }
        for it in self.applications.iter().rev().take(SHOWN) {
            let mut text = format!("in this application of `{}`", it.name);
            if let Some(Copy { at, of }) = it.copy.filter(|it| it.of > 1) {
                text.push_str(&format!(", the {} of {of}", ordinal(at + 1)));
            }
            diagnostic = diagnostic.and(it.site, text);
        }
        diagnostic
    }

    /// Says what the command line sets, where that may be the cause.
    pub(super) fn with_settings(&self, diagnostic: Diagnostic) -> Diagnostic {
        let set = &self.options.set;
        let is_said = diagnostic.message.contains("--set");
        if set.is_empty() || is_said || !DEPENDENT.contains(&diagnostic.code) {
            return diagnostic;
        }
        let shown: Vec<String> =
            set.iter().take(SHOWN).map(|(name, value)| format!("`--set {name}={value}`")).collect();
        diagnostic.note(format!("the command line says {}", shown.join(", ")))
    }
}

fn ordinal(n: usize) -> String {
    let end = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}
