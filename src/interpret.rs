//! The slow executor, believed: every layer by its operator's reference, rounded to f32 between layers.

use std::collections::HashMap;

use crate::graph::{Epilogue, Graph, NodeId, ParamId};
use crate::nest::Expr;
use crate::nest::interpret::{binary, unary};
use crate::ops::{Op, Tolerance};
use crate::tensor::{Exact, Tensor};

/// Where a parameter's values come from: `|id| weights.tensor(&graph, id)`.
pub type Params<'a> = dyn Fn(ParamId) -> Tensor + 'a;

/// What a layer's output is, its epilogue included, for operands in the order of the node's.
///
/// The magnitudes count what the epilogue adds; a pointwise operator leaves them as they are, for none here
/// has a slope above 1.2.
pub fn layer(graph: &Graph, params: &Params<'_>, id: NodeId, operands: &[&Tensor]) -> Exact {
    let layer = graph.layer(id).expect("an input is not computed");
    let added = layer.epilogue.iter().filter_map(Epilogue::operand).count();
    let tensors: Vec<Tensor> = layer.params.iter().map(|&it| params(it)).collect();
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    let mut exact = layer.op.eval(&operands[..operands.len() - added], &tensors);
    for step in &layer.epilogue {
        match step {
            Epilogue::Map(op) => {
                let expr = op.pointwise().expect("an epilogue maps pointwise operators");
                exact.value.iter_mut().for_each(|it| *it = pointwise(&expr, *it));
            }
            Epilogue::Add(at) => {
                for (i, &x) in operands[*at].data.iter().enumerate() {
                    exact.value[i] += f64::from(x);
                    exact.magnitude[i] += f64::from(x).abs();
                }
            }
        }
    }
    exact
}

/// The value of a pointwise expression.
fn pointwise(expr: &Expr, it: f64) -> f64 {
    match expr {
        Expr::It => it,
        Expr::Const(number) => f64::from(*number),
        Expr::Unary(f, a) => unary(*f, pointwise(a, it)),
        Expr::Binary(f, a, b) => binary(*f, pointwise(a, it), pointwise(b, it)),
        Expr::Load(..) | Expr::Table(..) | Expr::Reduce { .. } | Expr::Choose(..) => {
            panic!("a pointwise operator reads only its own element")
        }
    }
}

/// Every value of a net, for inputs in the order of the graph's.
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

/// How far each element of a compiled layer may be from its exact value: what the operator allows, and one
/// rounding more for each step of the epilogue.
pub fn bounds(graph: &Graph, id: NodeId, exact: &Exact) -> Vec<f64> {
    let layer = graph.layer(id).expect("an input is not computed");
    let steps = layer.epilogue.iter().map(|it| match it {
        Epilogue::Map(op) => tolerance(op),
        Epilogue::Add(_) => (1.0, 0.0),
    });
    let (sum, ulps) = steps.fold(tolerance(&layer.op), |a, b| (a.0 + b.0, a.1 + b.1));
    let elements = exact.value.iter().zip(&exact.magnitude);
    elements
        .map(|(value, magnitude)| sum * UNIT * magnitude + ulps * ulp(*value) + SMALLEST)
        .collect()
}

/// Half a unit in the last place of 1.
const UNIT: f64 = 1.0 / (1_u32 << 24) as f64;

/// The smallest normal f32: a subnormal may become zero.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// Allowed multiples of the magnitude's half unit, and of the result's own unit.
fn tolerance(op: &Op) -> (f64, f64) {
    match op.tolerance() {
        Tolerance::Exact => (0.0, 0.0),
        Tolerance::Ulps(ulps) => (0.0, f64::from(ulps)),
        Tolerance::Sum(c) => (c, 0.0),
    }
}

/// The distance between neighbouring f32 at a value.
fn ulp(value: f64) -> f64 {
    let exponent =
        if value.is_finite() && value != 0.0 { libm::ilogb(value).clamp(-126, 127) } else { -126 };
    libm::exp2(f64::from(exponent - 23))
}
