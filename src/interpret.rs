//! The reference: what every value of a graph is, layer by layer, in f64.
//!
//! A layer's operands are f32 and its result is rounded once, at the end, epilogue included. Compiled code is
//! judged a layer at a time on the operands that it really had, so that errors do not add up.

use std::collections::HashMap;

use crate::graph::{Epilogue, Graph, NodeId, ParamId};
use crate::nest::interpret::{binary, unary};
use crate::nest::{Binary, Expr, Unary};
use crate::ops::Tolerance;
use crate::tensor::{Exact, Tensor, max};

/// Where a parameter's values come from: `|id| weights.tensor(&graph, id)`.
pub type Params<'a> = dyn Fn(ParamId) -> Tensor + 'a;

/// What a layer makes of its operands, in the order of the node's, its epilogue included. Panics on an input.
///
/// The magnitudes follow the epilogue: a pointwise operator scales them by its slope and adds its own.
pub fn layer(graph: &Graph, params: &Params<'_>, id: NodeId, operands: &[&Tensor]) -> Exact {
    let layer = graph.layer(id).expect("an input is not computed");
    let tensors: Vec<Tensor> = layer.params.iter().map(|&it| params(it)).collect();
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    let mut exact = layer.op.eval(&operands[..operands.len() - layer.added()], &tensors);
    for step in &layer.epilogue {
        apply(step, operands, &mut exact);
    }
    exact
}

/// Every value of a net, for inputs in the order of the graph's and of the shapes of their nodes.
pub fn run(graph: &Graph, params: &Params<'_>, inputs: &[Tensor]) -> HashMap<NodeId, Tensor> {
    let mut values: HashMap<NodeId, Tensor> =
        graph.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
    for id in graph.order() {
        if graph.layer(id).is_some() {
            let operands: Vec<&Tensor> =
                graph.node(id).operands().iter().map(|it| &values[it]).collect();
            let value = layer(graph, params, id, &operands).round();
            values.insert(id, value);
        }
    }
    values
}

/// The results of a net, in order, for inputs in the order of the graph's.
pub fn outputs(graph: &Graph, params: &Params<'_>, inputs: &[Tensor]) -> Vec<Tensor> {
    let values = run(graph, params, inputs);
    graph.outputs().iter().map(|it| values[&it.node].clone()).collect()
}

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

/// How far each element of a compiled layer may be from its exact value as [`layer()`] gives it: what the
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

fn apply(step: &Epilogue, operands: &[&Tensor], exact: &mut Exact) {
    let elements = exact.value.iter_mut().zip(&mut exact.magnitude);
    match step {
        Epilogue::Add(at) => {
            for ((value, size), &x) in elements.zip(&operands[*at].data) {
                *value += f64::from(x);
                *size += f64::from(x).abs();
            }
        }
        Epilogue::Map(op) => {
            let expr = op.pointwise().expect("only pointwise operators are mapped");
            for (value, size) in elements {
                let it = Bounded { value: *value, size: *size };
                Bounded { value: *value, size: *size } = it.through(&expr);
            }
        }
    }
}

/// A value and the magnitude that bounds its error: the error is at most `c * u * size`.
#[derive(Clone, Copy)]
struct Bounded {
    value: f64,
    size: f64,
}

/// The least error that a subnormal intermediate may make, as a magnitude: 2^-126 = 8 * 2^-24 * 2^-105.
const SUBNORMAL: f64 = 1.0 / (1_u128 << 105) as f64;

/// A value this far from 0, as a multiple of its magnitude, has the right sign: no factor `c` reaches 2^8.
const KINK: f64 = 1.0 / (1 << 16) as f64;

/// A jump as a magnitude that allows for it, since the factor `c` of a layer that is not exact, with a step after it, is
/// 4 or more.
const JUMP: f64 = (1 << 22) as f64;

impl Bounded {
    /// `expr` of this: each step adds what its own rounding may do and scales what came before by its slope.
    fn through(self, expr: &Expr) -> Bounded {
        match expr {
            Expr::It => self,
            Expr::Const(it) => Bounded { value: f64::from(*it), size: 0.0 },
            Expr::Unary(f, a) => self.through(a).unary(*f),
            Expr::Binary(f, a, b) => self.through(a).binary(*f, self.through(b)),
            Expr::Load(..) | Expr::Table(..) | Expr::Reduce { .. } | Expr::Choose(..) => {
                panic!("a pointwise operator reads nothing but its element")
            }
        }
    }

    fn unary(self, f: Unary) -> Bounded {
        let (a, value) = (self.value, unary(f, self.value));
        let slope = match f {
            Unary::Neg | Unary::Abs => return Bounded { value, size: self.size },
            Unary::Exp => value,
            Unary::Log => 1.0 / a,
            Unary::Sqrt => 0.5 / value,
            Unary::Recip => value * value,
            Unary::Tanh => 1.0 - value * value,
            Unary::Sigmoid => value * (1.0 - value),
            Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-a * a),
            Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sign => {
                // Near a jump an error may take the other side.
                let near = self.size * KINK;
                let jump = unary(f, a + near) - unary(f, a - near);
                let jump = if jump.is_nan() { 0.0 } else { jump };
                return Bounded { value, size: value.abs() + jump * JUMP };
            }
        };
        let own = value.abs() + SUBNORMAL;
        Bounded { value, size: if self.size == 0.0 { own } else { slope.abs() * self.size + own } }
    }

    fn binary(self, f: Binary, other: Bounded) -> Bounded {
        let (a, b) = (self, other);
        let value = binary(f, a.value, b.value);
        let size = match f {
            Binary::Add | Binary::Sub => a.size + b.size + value.abs(),
            Binary::Mul => b.value.abs() * a.size + a.value.abs() * b.size + value.abs(),
            Binary::Div => (a.size + value.abs() * b.size) / b.value.abs() + value.abs(),
            Binary::Pow => (b.value * value / a.value).abs() * a.size + value.abs(),
            // Near the kink an error may take the other branch.
            Binary::Positive if a.value.abs() > a.size * KINK => {
                if a.value < 0.0 {
                    b.size
                } else {
                    a.size
                }
            }
            Binary::Max | Binary::Min | Binary::Positive => max(a.size, b.size),
        };
        Bounded { value, size }
    }
}
