//! What every target does with complaints.

use netc::diag::{Diagnostics, Sources, render};

/// Every place must be in the text, and every form of the messages must render.
pub fn show(sources: &Sources, found: &Diagnostics) {
    for format in [render::Format::Human { color: true }, render::Format::Json] {
        let _ = render::all(sources, found, format, 20);
    }
    for it in found {
        for span in it.labels.iter().map(|it| it.span).chain([it.span]) {
            let text = &sources.get(span.file).text;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
        }
    }
}
