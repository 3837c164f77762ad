//! What long work shows on the way: one line on standard error, on a terminal only, gone when the work ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that ends before this shows nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether and how progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Not at all: pipes, `-q`, messages for programs.
    Hidden,
    /// Without colour.
    Plain,
    /// With colour.
    Coloured,
}

/// A line that shows how much of some work is done; it goes when this is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    style: Style,
    begun: Instant,
    shown: AtomicBool,
}

impl Progress {
    /// Work of so many parts.
    pub(super) fn new(style: Style, what: &'static str, parts: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(parts), ProgressDrawTarget::hidden());
        bar.set_message(what);
        Progress { bar, style, begun: Instant::now(), shown: AtomicBool::new(false) }
    }

    /// Part of it is done.
    pub(super) fn step(&self) {
        let due = self.style != Style::Hidden && self.begun.elapsed() > PATIENCE;
        if due && !self.shown.swap(true, Ordering::Relaxed) {
            // Narrow enough for any terminal: a line that wraps is not wiped out whole.
            let bar = if self.style == Style::Coloured { "{bar:20.cyan}" } else { "{bar:20}" };
            let template = format!("{{msg}} {bar} {{percent:>3}} %");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                self.bar.set_style(style.progress_chars("█▌ "));
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
