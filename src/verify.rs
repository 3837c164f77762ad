//! Compiled code against the reference, layer by layer.
//!
//! Each compiled layer is given the values that compiled code made before it, so that nothing drifts, and
//! must keep the bound of [`interpret::bounds`] element by element.

use crate::graph::{Graph, NodeId};
use crate::interpret::{self, Params, Spread};
use crate::tensor::{Exact, Tensor};

/// How far one compiled layer is from the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The layer's path.
    pub path: String,
    /// Its operator.
    pub op: &'static str,
    /// The largest absolute difference.
    pub max_abs: f64,
    /// The largest difference relative to the size of the sum.
    pub max_rel: f64,
    /// The bound where the difference came closest to it.
    pub bound: f64,
    /// The difference there as a share of the bound.
    pub share: f64,
    /// Elements that are NaN in both, which tell nothing.
    pub nan: usize,
    /// Whether every element kept its bound.
    pub ok: bool,
}

/// Compares every layer's compiled value with the reference on the compiled values of its operands, one layer
/// for each step of the iterator. `spread` says which layers were computed in tiles, as
/// [`crate::plan::Plan::spread`] does.
pub fn layers<'a>(
    graph: &'a Graph,
    params: &'a Params<'_>,
    value: &'a dyn Fn(NodeId) -> Tensor,
    spread: &'a dyn Fn(NodeId) -> Option<Spread>,
) -> impl ExactSizeIterator<Item = Check> + 'a {
    let layers: Vec<NodeId> =
        graph.order().into_iter().filter(|&it| graph.layer(it).is_some()).collect();
    layers.into_iter().map(move |id| {
        let node = graph.node(id);
        let operands: Vec<Tensor> = node.operands().iter().map(|&it| value(it)).collect();
        let operands: Vec<&Tensor> = operands.iter().collect();
        let exact = interpret::layer(graph, params, id, &operands);
        let bounds = interpret::bounds(graph, id, &exact, spread(id));
        let op = node.layer().expect("inputs were left out").op.entry().name;
        compare(&node.path, op, &value(id), &exact, &bounds)
    })
}

fn compare(path: &str, op: &'static str, found: &Tensor, exact: &Exact, bounds: &[f64]) -> Check {
    let mut check = Check {
        path: path.to_owned(),
        op,
        max_abs: 0.0,
        max_rel: 0.0,
        bound: 0.0,
        share: 0.0,
        nan: 0,
        ok: true,
    };
    for (i, &found) in found.data.iter().enumerate() {
        let (found, exact, magnitude) = (f64::from(found), exact.value[i], exact.magnitude[i]);
        let difference = difference(found, exact);
        if difference.is_nan() || difference > bounds[i] {
            check.ok = false;
        }
        check.nan += usize::from(found.is_nan() && exact.is_nan());
        let share = difference / bounds[i];
        if share > check.share || check.bound == 0.0 {
            (check.share, check.bound) = (share, bounds[i]);
        }
        check.max_abs = crate::tensor::max(check.max_abs, difference);
        if magnitude > 0.0 {
            check.max_rel = crate::tensor::max(check.max_rel, difference / magnitude);
        }
    }
    check
}

/// The absolute difference; 0 for two NaN, for equal infinities and for an overflow to infinity that f32
/// cannot avoid; NaN if only one is NaN.
fn difference(found: f64, exact: f64) -> f64 {
    let rounded = f64::from(exact as f32);
    if found == rounded || found.is_nan() && rounded.is_nan() { 0.0 } else { (found - exact).abs() }
}
