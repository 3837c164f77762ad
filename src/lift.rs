//! A graph as `.net` text that a person would keep.
//!
//! ```text
//! Graph --series--> lines of chains and branches --blocks--> what is there several times, once
//!       --labels--> the model's own names --params--> what differs between applications --write--> text
//! ```
//!
//! The text is elaborated again and the result compared with the graph, layer by layer: a text is given out
//! only if it means the same net. Knows nothing of the format that the net came from.

mod blocks;
mod check;
mod concats;
mod defaults;
mod labels;
mod names;
mod net;
mod params;
mod repeat;
mod series;
mod step;
mod titles;
mod tree;
mod write;

use std::collections::HashMap;

use crate::diag::{Diagnostics, Source, Sources};
use crate::elaborate::{self, Elaborated};
use crate::graph::{Graph, ParamId};
use crate::syntax;

/// A net as text, and what it is called there.
#[derive(Debug)]
pub struct Lifted {
    /// The `.net` text, in the canonical layout.
    pub text: String,
    /// What the text means.
    pub graph: Graph,
    /// For each parameter of `graph` that a weights file holds, the one of the original.
    pub params: HashMap<ParamId, ParamId>,
    /// Why what is there several times did not become blocks, if it did not.
    pub fault: Option<String>,
}

/// A net cannot be written as text: what its text breaks, a limit of the language or what it cannot say.
#[derive(Debug, thiserror::Error)]
#[error("the net cannot be written as text: {0}")]
pub struct Error(String);

/// Writes a graph as text. `about` are lines for the comment at its head.
///
/// Elaborated with its defaults the text gives a graph that is the same up to the names of layers and their
/// order. Weights that the graph holds itself are written into the text; others are known by their paths in it.
pub fn lift(graph: &Graph, about: &[String]) -> Result<Lifted, Error> {
    let nested = concats::nested(graph);
    let graph = &nested;
    let mut fault = None;
    for form in [net::Form::Structured, net::Form::Flat] {
        let ast = net::tree(graph, form);
        let head: String = about.iter().map(|it| comment(it)).collect();
        let gap = if head.is_empty() { "" } else { "\n" };
        let text = format!("{head}{gap}{}", syntax::print(&ast));
        match read_back(graph, text) {
            Ok(lifted) => {
                return Ok(Lifted { fault, ..lifted });
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    Err(Error(fault.unwrap_or_default()))
}

/// A line of the comment at the head.
fn comment(line: &str) -> String {
    let line: String = line.chars().filter(|it| !it.is_control()).collect();
    format!("# {}\n", line.trim())
}

/// What a text means, if that is the graph.
fn read_back(graph: &Graph, text: String) -> Result<Lifted, String> {
    let say = |found: &Diagnostics| {
        let first = found.first().map_or("", |it| it.message.as_str());
        first.to_owned()
    };
    let text = syntax::format(&text).map_err(|it| say(&it))?;
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "lifted.net".to_owned(), text: text.clone() });
    let mut no_files = |_: &str| Err("a lifted net uses no file".to_owned());
    let options = elaborate::Options::default();
    let Elaborated { graph: found, .. } =
        elaborate::elaborate(&mut sources, root, &mut no_files, &options).map_err(|it| say(&it))?;
    let params = check::same(graph, &found)?;
    Ok(Lifted { text, graph: found, params, fault: None })
}
