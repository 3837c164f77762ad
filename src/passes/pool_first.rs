use super::{Why, wanted_elsewhere};
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::shape::Shape;

/// Averages before a 1x1 convolution instead of after it: the mean of sums is the sum of means, and the
/// convolution then has fewer places (a quarter behind a 2x2 pool, as between DenseNet's blocks).
///
/// ```text
/// a = conv(x, 32, 1)      ->      b = avgpool(x, 2)
/// b = avgpool(a, 2)               a = conv(b, 32, 1)
/// ```
///
/// Does not apply to pools with padding (a bias would be added where they count nothing), to pools that leave
/// the map as large as it is, behind activations, or to maxima, which are no sums.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for pool in graph.order() {
        let Some(Op::AvgPool(_)) = graph.layer(pool).map(|it| &it.op) else { continue };
        let conv = graph.node(pool).operands()[0];
        let Some(Op::Conv(_)) = graph.layer(conv).map(|it| &it.op) else { continue };
        match pooled(graph, why, conv, pool) {
            Ok(shape) => {
                graph.exchange(conv, pool, shape);
                why.did(pool, format!("runs before {}, which has less to do then", why.name(conv)));
            }
            Err(reason) => why.kept(pool, format!("runs after {}: {reason}", why.name(conv))),
        }
    }
}

/// The shape of the pool's output if it comes first, or the condition that failed.
fn pooled(graph: &Graph, why: &Why, conv: NodeId, pool: NodeId) -> Result<Shape, String> {
    let (first, second) = (graph.layer(conv), graph.layer(pool));
    let (first, second) = first.zip(second).expect("both are layers");
    let from = graph.operand_shapes(conv)[0];
    let (small, large) = (&graph.node(pool).shape, &graph.node(conv).shape);
    if !first.epilogue.is_empty() || !second.epilogue.is_empty() {
        return Err("something else runs between or behind them".to_owned());
    }
    let points = first.op.windows(from);
    if points.iter().any(|it| it.kernel != 1 || it.stride != 1 || it.before + it.after > 0) {
        return Err(format!("{} reads more than one pixel", why.name(conv)));
    }
    if second.op.windows(large).iter().any(|it| it.ceil || it.before + it.after > 0) {
        return Err(format!("{} pads", why.name(pool)));
    }
    if small.elements() >= large.elements() {
        return Err(format!("{} leaves {large} as large as it is", why.name(pool)));
    }
    if let Some(reason) = wanted_elsewhere(graph, why, conv, pool) {
        return Err(reason);
    }
    small.with(1, from.channels()).ok_or_else(|| "the pooled value would be too large".to_owned())
}
