//! How far a compiled layer may be from the reference (`docs/numerics.md`).

use crate::graph::{Epilogue, Graph, NodeId};
use crate::ops::Tolerance;
use crate::tensor::{Exact, max};

/// A layer whose results are computed in tiles, not one by one, so that the terms of one touch its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Results of a tile along each of the last two axes.
    pub tile: usize,
    /// Results on each side of a tile whose windows meet its operands too.
    pub margin: usize,
    /// What takes the place of the operator's own factor `c`, of the largest magnitude in the tile and its margins.
    pub factor: f64,
}

/// How far each element of a compiled layer may be from its exact value as [`super::layer()`] gives it: what the
/// operator allows (or `spread`, where the layer is computed so), and the sum of what all steps allow where there is
/// an epilogue.
pub fn bounds(graph: &Graph, id: NodeId, exact: &Exact, spread: Option<Spread>) -> Vec<f64> {
    let layer = graph.layer(id).expect("an input is not computed");
    let own = spread.map_or(layer.op.tolerance(), |it| Tolerance::Sum(it.factor));
    let spread = spread.map(|it| over_tiles(exact, it));
    let magnitudes = spread.as_ref().unwrap_or(&exact.magnitude);
    let step = |it: &Epilogue| match it {
        Epilogue::Map(op) => factor(op.tolerance()),
        Epilogue::Add(_) => 2.0,
    };
    let tolerance = match (own, layer.epilogue.as_slice()) {
        (tolerance, []) => tolerance,
        (first, steps) => Tolerance::Sum(factor(first) + steps.iter().map(step).sum::<f64>()),
    };
    let elements = exact.value.iter().zip(magnitudes);
    elements.map(|(&value, &magnitude)| tolerance.bound(value, magnitude)).collect()
}

/// The largest magnitude in each element's tile of the last two axes, and around it.
fn over_tiles(exact: &Exact, Spread { tile, margin, .. }: Spread) -> Vec<f64> {
    let &[.., rows, columns] = exact.shape.dims() else { panic!("a map has two axes") };
    let mut spread = exact.magnitude.clone();
    let maps = spread.chunks_exact_mut(rows * columns);
    for (map, own) in maps.zip(exact.magnitude.chunks_exact(rows * columns)) {
        for (top, left) in (0..rows)
            .step_by(tile)
            .flat_map(|row| (0..columns).step_by(tile).map(move |column| (row, column)))
        {
            let within = |margin: usize| {
                let span = |from: usize, extent: usize| {
                    from.saturating_sub(margin)..(from + tile + margin).min(extent)
                };
                let columns_here = span(left, columns);
                span(top, rows)
                    .flat_map(move |row| columns_here.clone().map(move |it| row * columns + it))
            };
            let most = within(margin).fold(0.0, |most, at| max(most, own[at]));
            within(0).for_each(|at| map[at] = most);
        }
    }
    spread
}

/// A tolerance as a multiple of `u` times the magnitude; a unit in the last place is at most two of them.
fn factor(tolerance: Tolerance) -> f64 {
    match tolerance {
        Tolerance::Exact => 2.0,
        Tolerance::Ulps(ulps) => 2.0 * f64::from(ulps),
        Tolerance::Sum(factor) => factor,
    }
}
