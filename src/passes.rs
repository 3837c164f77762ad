//! Rewrites of the graph: each keeps the function, the inputs and the names of the results.
//!
//! ```text
//! conv -> bn -> add(skip) -> relu        becomes        conv |> add(skip) |> relu
//! ```
//!
//! [`PASSES`] is the list, in order. A pass is a function that matches; its file shows the graph before and
//! after and says when it does not apply. What a layer absorbs becomes its epilogue, and the layer keeps its
//! own path, so reports name it by the layer that does the work. Knows no machines, layouts or kernels.

mod common_subexpressions;
mod diff;
mod drop_identities;
mod fold_batch_norm;
mod fuse_activations;
mod fuse_residual_adds;
mod merge_moves;
mod merge_pads;
mod move_last;
mod pool_first;
mod remove_dead;
mod take_channels;
mod why;

use crate::graph::{Graph, Layer, NodeId};
use crate::nest::{Expr, Nest};
use crate::ops::Op;

pub use diff::diff;
pub use why::{Note, Why, is_within};

/// A rewrite.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// What `netc dump` and `netc why` call it.
    pub name: &'static str,
    /// Rewrites the graph, and says what it did and what kept it from doing more.
    pub run: fn(&mut Graph, &mut Why),
}

/// Every pass, in the order in which they run, once each.
///
/// Moves of data are put together first, since they part layers that belong together. Normalisations are folded while
/// nothing stands in their way, so before activations are fused. Activations
/// come before residual additions: an addition takes its own epilogue along.
pub const PASSES: &[Pass] = &[
    Pass { name: "drop-identities", run: drop_identities::run },
    Pass { name: "common-subexpressions", run: common_subexpressions::run },
    Pass { name: "move-last", run: move_last::run },
    Pass { name: "merge-moves", run: merge_moves::run },
    Pass { name: "take-channels", run: take_channels::run },
    Pass { name: "merge-pads", run: merge_pads::run },
    Pass { name: "remove-dead", run: remove_dead::run },
    Pass { name: "fold-batch-norm", run: fold_batch_norm::run },
    Pass { name: "pool-first", run: pool_first::run },
    Pass { name: "fuse-activations", run: fuse_activations::run },
    Pass { name: "fuse-residual-adds", run: fuse_residual_adds::run },
];

/// Runs every pass and verifies the graph after each; `observe` sees a pass's name and its result.
///
/// The function, the inputs, and the names and the order of the results stay. A result may come to share its
/// node with another one, or with an input, where both are the same value.
pub fn optimise(graph: Graph, observe: &mut dyn FnMut(&str, &Graph)) -> Graph {
    explain(graph, observe).0
}

/// [`optimise`], with what was done to each layer and what was not and why.
pub fn explain(mut graph: Graph, observe: &mut dyn FnMut(&str, &Graph)) -> (Graph, Why) {
    graph.verify();
    let mut why = Why::new(&graph);
    for pass in PASSES {
        why.begin(pass.name);
        (pass.run)(&mut graph, &mut why);
        graph.verify();
        observe(pass.name, &graph);
    }
    (graph, why)
}

/// How many operands the operator itself takes; its epilogue's follow.
fn taken(graph: &Graph, id: NodeId) -> usize {
    let added = graph.layer(id).map_or(0, Layer::added);
    graph.node(id).operands().len() - added
}

/// Whether the layer is one whose kernel sums products: all others wait for memory.
fn contracts(op: &Op) -> bool {
    matches!(op, Op::Conv(_) | Op::Deconv(_) | Op::Fc(_))
}

/// What a layer computes before its epilogue; `None` if that is not loops.
fn nest(graph: &Graph, id: NodeId) -> Option<Nest> {
    let shapes = graph.operand_shapes(id);
    graph.layer(id)?.op.lower(&shapes[..taken(graph, id)], &graph.node(id).shape)
}

/// Whether a layer only moves data: the plan makes that free by sharing memory, which an epilogue would forbid.
fn only_moves(nest: &Nest) -> bool {
    nest.stages.iter().all(|it| matches!(it.value, Expr::Load(..)))
}

/// Why `user` may not take the place of `from`, if it may not: the value is wanted elsewhere.
fn wanted_elsewhere(graph: &Graph, why: &Why, from: NodeId, user: NodeId) -> Option<String> {
    if graph.layer(from).is_none() {
        return Some(format!("{} is an input of the net", why.name(from)));
    }
    if let Some(output) = graph.outputs().iter().find(|it| it.node == from) {
        return Some(format!("{} is the result `{}`", why.name(from), output.name));
    }
    let other = graph.other_user(from, user)?;
    Some(format!("{} is read by {} too", why.name(from), why.name(other)))
}

/// The most steps of an epilogue: a tile holds all of them, whatever the net says.
const EPILOGUE_MAX: usize = 16;

/// Why a layer may not take so many more steps into its epilogue, if it may not.
fn overfull(graph: &Graph, why: &Why, id: NodeId, steps: usize) -> Option<String> {
    let own = graph.layer(id).map_or(0, |it| it.epilogue.len());
    let full = own + steps > EPILOGUE_MAX;
    full.then(|| format!("{} would get more than {EPILOGUE_MAX} steps behind it", why.name(id)))
}

/// Lets everybody read `to` instead of `from`, and removes `from`.
fn bypass(graph: &mut Graph, from: NodeId, to: NodeId) {
    graph.replace(from, to);
    graph.remove(from);
}
