//! What the passes did to each layer, and the condition that failed where a pattern nearly matched.

use std::collections::HashMap;

use crate::graph::{Graph, NodeId};

/// Notes of all passes, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Why {
    notes: Vec<Note>,
    names: HashMap<NodeId, String>,
    pass: &'static str,
}

/// What one pass did, or did not do, to one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The layer, as the graph before all passes prints it: its path, numbered where it occurs again.
    pub layer: String,
    /// The pass.
    pub pass: &'static str,
    /// Whether it did something.
    pub did: bool,
    /// The layer that took it in, if one did.
    pub into: Option<String>,
    /// What it did, or the condition that failed; layers stand in backticks.
    pub reason: String,
}

/// Whether a layer, by its path or its name in the printed graph, is what `asked` names or lies below it.
pub fn is_within(layer: &str, asked: &str) -> bool {
    let rest = layer.strip_prefix(asked);
    rest.is_some_and(|it| it.is_empty() || it.starts_with(['.', '@']))
}

impl Why {
    /// No notes yet; layers are named as this graph prints them. Passes add no nodes, so the names last.
    pub(super) fn new(graph: &Graph) -> Self {
        Self { notes: Vec::new(), names: graph.names(&graph.order()), pass: "" }
    }

    pub(super) fn begin(&mut self, pass: &'static str) {
        self.pass = pass;
    }

    /// Every note.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The notes about a layer, or about all below a path, and about what they took in; a layer goes by its path or by its
    /// name in the printed graph.
    pub fn of<'a>(&'a self, layer: &'a str) -> impl Iterator<Item = &'a Note> {
        let is = move |it: &str| is_within(it, layer);
        self.notes.iter().filter(move |it| is(&it.layer) || it.into.as_deref().is_some_and(is))
    }

    /// A layer's name in backticks.
    pub(super) fn name(&self, id: NodeId) -> String {
        format!("`{}`", self.names[&id])
    }

    /// The pass changed a layer.
    pub(super) fn did(&mut self, id: NodeId, reason: impl Into<String>) {
        self.note(id, true, None, reason.into());
    }

    /// The pass put a layer into another one; `what` ends before that one's name.
    pub(super) fn joined(&mut self, id: NodeId, into: NodeId, what: &str) {
        let reason = format!("{what} {}", self.name(into));
        self.note(id, true, Some(self.names[&into].clone()), reason);
    }

    /// A pattern nearly matched; the condition that failed.
    pub(super) fn kept(&mut self, id: NodeId, reason: impl Into<String>) {
        self.note(id, false, None, reason.into());
    }

    fn note(&mut self, id: NodeId, did: bool, into: Option<String>, reason: String) {
        let layer = self.names[&id].clone();
        self.notes.push(Note { layer, pass: self.pass, did, into, reason });
    }
}
