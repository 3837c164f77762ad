//! Nets as text, one file alone.

use netc::diag::{Source, Sources, render};
use netc::elaborate::{self, Elaborated, Options};

/// Builds a net of a text, or gives the rendered complaints.
pub(crate) fn elaborate(name: &str, text: &str, net: Option<String>) -> Result<Elaborated, String> {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: name.to_owned(), text: text.to_owned() });
    let mut read = |_: &str| Err("stands alone".to_owned());
    let options = Options { net, ..Options::default() };
    elaborate::elaborate(&mut sources, root, &mut read, &options)
        .map_err(|it| render::all(&sources, &it, render::Format::Human { color: false }, 20))
}
