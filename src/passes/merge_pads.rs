use super::Why;
use crate::graph::{Graph, Layer, NodeId};
use crate::nest::Expr;
use crate::ops::{Conv, Op, Operator};
use crate::shape::{Padding, PerAxis};

/// Lets a convolution do the padding before it.
///
/// ```text
/// a = pad(x, 1)       ->
/// b = conv(a, 3)              b = conv(x, 3, pad=1)
/// ```
///
/// Does not apply to padding with other numbers than zero or of channels, or before pools: a maximum ignores
/// its own padding, but not zeros. Padding that others read too stays for them.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        let pads = |it: &Layer| matches!(it.op, Op::Pad(_)) && it.epilogue.is_empty();
        if !graph.layer(id).is_some_and(pads) {
            continue;
        }
        for user in graph.users(id) {
            match merged(graph, why, id, user) {
                Err(reason) => why.kept(id, format!("runs on its own: {reason}")),
                Ok(conv) => {
                    let mut operands = graph.node(user).operands().to_vec();
                    operands[0] = graph.node(id).operands()[0];
                    graph.set_operands(user, operands);
                    graph.layer_mut(user).op = conv.into();
                    why.joined(id, user, "done by");
                }
            }
        }
    }
}

/// The convolution with the rows of the padding added to its own, or the condition that failed.
fn merged(graph: &Graph, why: &Why, id: NodeId, user: NodeId) -> Result<Conv, String> {
    let layer = graph.layer(user).expect("only layers read");
    let Op::Conv(conv) = &layer.op else {
        return Err(format!("{} ({}) is not a convolution", why.name(user), layer.op.entry().name));
    };
    let from = graph.operand_shapes(id)[0];
    let padded = &graph.node(id).shape;
    let Some(Op::Pad(pad)) = graph.layer(id).map(|it| &it.op) else { unreachable!("it pads") };
    if pad.channels != (0, 0) {
        return Err("it pads channels".to_owned());
    }
    let nest = pad.lower(&[from], padded);
    let zero = |it: &Expr| matches!(it, Expr::Choose(_, _, other) if **other == Expr::Const(0.0));
    if !nest.stages.iter().all(|it| zero(&it.value)) {
        return Err("it does not pad with zeros".to_owned());
    }
    let rows = |axis: usize| pad.rows.get(axis).unwrap_or((0, 0));
    let windows = conv.windows(padded);
    let both = windows
        .iter()
        .enumerate()
        .map(|(axis, it)| (it.before + rows(axis).0, it.after + rows(axis).1));
    let mut conv = conv.clone();
    conv.frame.pad = Padding::Explicit(PerAxis::Each(both.collect()));
    let same = conv.infer(&[from]).is_ok_and(|it| it == graph.node(user).shape);
    if !same {
        return Err(format!("{} cannot pad so many rows", why.name(user)));
    }
    Ok(conv)
}
