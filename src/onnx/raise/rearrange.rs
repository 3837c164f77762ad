//! Operators that move elements and change none.

use super::{Handler, Made, Raise, Step, Value};
use crate::onnx::budget::too_much;
use crate::onnx::constant::{count, is_real, strides};
use crate::onnx::net::args;
use crate::onnx::proto::element;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Identity" => identity,
        "Cast" => cast,
        "Shape" => shape,
        "Size" => size,
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Transpose" => transpose,
        "Concat" => concat,
        "Split" => split,
        "Slice" => slice,
        "Gather" => gather,
        "Expand" => expand,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        _ => return None,
    })
}

fn identity(_: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    Ok(vec![step.input(0)?.clone()])
}

fn cast(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let to = i32::try_from(step.int("to").unwrap_or(0)).unwrap_or(0);
    let from = raise.element(x);
    let made = raise.made(x)?;
    match (is_real(from), is_real(to)) {
        (_, true) => Ok(vec![Value::Made(Made { element: to, ..made })]),
        (false, false) if matches!(to, element::I32 | element::I64) => {
            Ok(vec![Value::Made(Made { element: to, ..made })])
        }
        (true, false) if matches!(to, element::I32 | element::I64) => {
            let whole = raise.truncated(Value::Made(made))?;
            Ok(vec![raise.taken_for(whole, to)])
        }
        (_, false) if to == element::BOOL => {
            let size = raise.map("abs", args(), &Value::Made(made))?;
            let sign = raise.map("sign", args(), &size)?;
            Ok(vec![raise.taken_for(sign, to)])
        }
        _ => Err(Fault::new(format!(
            "a cast from {} to {} is not supported",
            crate::onnx::element_name(from),
            crate::onnx::element_name(to)
        ))),
    }
}

fn shape(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let dims = raise.dims(step.input(0)?)?;
    let rank = dims.len() as i64;
    let at = |name: &str, fallback: i64| {
        let it = step.int(name).unwrap_or(fallback);
        (if it < 0 { it.saturating_add(rank) } else { it }).clamp(0, rank) as usize
    };
    let (start, end) = (at("start", 0), at("end", rank));
    let part = dims.get(start..end).unwrap_or_default();
    Ok(vec![Value::Known(Constant::list(part.iter().map(|&it| it as i64).collect()))])
}

fn size(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let count: usize = raise.dims(step.input(0)?)?.iter().product();
    Ok(vec![Value::Known(Constant::whole(Vec::new(), vec![count as i64]))])
}

/// The most axes that a constant may have on the way; a value of the net has fewer.
const AXES_MAX: usize = 64;

/// The extents that a list asks for: 0 keeps an axis, -1 is what is left.
pub(in crate::onnx) fn target(
    from: &[usize],
    asked: &[i64],
    zero_keeps: bool,
) -> Result<Vec<usize>, Fault> {
    let count: usize = from.iter().product();
    if asked.len() > AXES_MAX {
        return Err(Fault::new(format!("it asks for {} axes", asked.len())));
    }
    let wrong = || Fault::new(format!("{from:?} cannot be reshaped to {asked:?}"));
    let mut dims = Vec::new();
    for (axis, &it) in asked.iter().enumerate() {
        dims.push(match it {
            -1 => None,
            0 if zero_keeps => Some(*from.get(axis).ok_or_else(wrong)?),
            it => Some(usize::try_from(it).map_err(|_| wrong())?),
        });
    }
    let known = dims
        .iter()
        .flatten()
        .try_fold(1_usize, |product, &it| product.checked_mul(it))
        .ok_or_else(wrong)?;
    let free = dims.iter().filter(|it| it.is_none()).count();
    let left = match free {
        0 => 1,
        1 if known > 0 && count.is_multiple_of(known) => count / known,
        _ => return Err(wrong()),
    };
    if known.checked_mul(left) != Some(count) {
        return Err(wrong());
    }
    Ok(dims.into_iter().map(|it| it.unwrap_or(left)).collect())
}

fn reshape(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let asked = match step.opset {
        ..5 => step.ints("shape").unwrap_or_default().to_vec(),
        _ => raise.ints(step.input(1)?)?,
    };
    let dims = target(&raise.dims(x)?, &asked, !step.flag("allowzero"))?;
    Ok(vec![raise.reshape(x, &dims)?])
}

fn flatten(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let axis = step.int("axis").unwrap_or(1);
    let axis = if axis == dims.len() as i64 { dims.len() } else { Step::axis(axis, dims.len())? };
    let matrix = [dims[..axis].iter().product(), dims[axis..].iter().product()];
    Ok(vec![raise.reshape(x, &matrix)?])
}

/// The axes of an operand or, before version 13, of an attribute.
fn listed_axes(raise: &Raise<'_>, step: &Step<'_>) -> Result<Option<Vec<i64>>, Fault> {
    match step.opset >= 13 {
        true if step.has(1) => raise.ints(step.input(1)?).map(Some),
        true => Ok(None),
        false => Ok(step.ints("axes").map(<[i64]>::to_vec)),
    }
}

fn squeeze(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let gone = match listed_axes(raise, step)? {
        Some(axes) => Step::axes(&axes, dims.len())?,
        None => (0..dims.len()).filter(|&it| dims[it] == 1).collect(),
    };
    if let Some(axis) = gone.iter().find(|&&it| dims[it] != 1) {
        return Err(Fault::new(format!("axis {axis} of {dims:?} is not 1")));
    }
    let left: Vec<usize> =
        (0..dims.len()).filter(|it| !gone.contains(it)).map(|it| dims[it]).collect();
    Ok(vec![raise.reshape(x, &left)?])
}

fn unsqueeze(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let mut dims = raise.dims(x)?;
    let axes = listed_axes(raise, step)?.ok_or_else(|| Fault::new("`axes` is missing"))?;
    if dims.len() + axes.len() > AXES_MAX {
        return Err(Fault::new(format!("it adds {} axes", axes.len())));
    }
    for axis in Step::axes(&axes, dims.len() + axes.len())? {
        dims.insert(axis, 1);
    }
    Ok(vec![raise.reshape(x, &dims)?])
}

impl Raise<'_> {
    /// The same value under other extents with as many elements.
    pub(super) fn reshape(&mut self, value: &Value, dims: &[usize]) -> Result<Value, Fault> {
        let from = self.dims(value)?;
        if from == dims {
            return Ok(value.clone());
        }
        if count(&from).is_none_or(|it| count(dims) != Some(it)) {
            return Err(Fault::new(format!("{from:?} has not as many elements as {dims:?}")));
        }
        if let Some(constant) = self.known(value)? {
            return Ok(Value::Known(constant.reshaped(dims.to_vec())));
        }
        let bare = self.unshaped(value);
        let known = match self.reorganised(&bare, dims)? {
            None => self.seen_by_lrn(&bare, dims)?,
            made => made,
        };
        if let Some(made) = known {
            return Ok(made);
        }
        let made = self.made(&bare)?;
        let from = made.dims.clone();
        if from == dims {
            return Ok(Value::Made(made));
        }
        let (old, new) = (super::constant::shape(&from)?, super::constant::shape(dims)?);
        if old == new {
            return Ok(Value::Made(Made { dims: dims.to_vec(), ..made }));
        }
        let args = args();
        let result = if old.batch() == new.batch() && new.rank() == 2 {
            self.call("flatten", args, &[Value::Made(made)], Vec::new())
        } else {
            let mut args = args.ints("shape", new.sample().iter().map(|&it| it as i64));
            if old.batch() != new.batch() {
                args = args.int("batch", new.batch());
            }
            self.call("reshape", args, &[Value::Made(made)], Vec::new())
        };
        result.map(|it| self.seen_as(it, dims))
    }

    /// The axes in another order, if there are so many.
    pub(super) fn permute(&mut self, x: &Value, order: &[usize]) -> Result<Value, Fault> {
        let dims = self.dims(x)?;
        if order.len() != dims.len() {
            let count = order.len();
            return Err(Fault::new(format!("its operand is {dims:?}, which has not {count} axes")));
        }
        if let Some(constant) = self.known(x)? {
            return self.keep(constant.permuted(order));
        }
        let shown: Vec<usize> = order.iter().map(|&it| dims[it]).collect();
        // Only axes of extent 1 move past others: the elements keep their order.
        let long = |order: &mut dyn Iterator<Item = usize>| {
            order.filter(|&it| dims[it] != 1).collect::<Vec<_>>()
        };
        if long(&mut order.iter().copied()) == long(&mut (0..dims.len())) {
            return self.reshape(x, &shown);
        }
        let args = args().ints("order", order.iter().map(|&it| it as i64));
        self.call("permute", args, std::slice::from_ref(x), Vec::new())
    }

    /// The positions on an axis from one to before another, every `step`-th.
    pub(super) fn cut(
        &mut self,
        x: &Value,
        axis: usize,
        from: usize,
        to: usize,
        step: usize,
    ) -> Result<Value, Fault> {
        let dims = self.dims(x)?;
        if (from, to, step) == (0, dims[axis], 1) {
            return Ok(x.clone());
        }
        if from >= to
            && let Some(constant) = self.known(x)?
        {
            let mut shown = dims;
            shown[axis] = 0;
            return Ok(Value::Known(Constant::none(shown, constant.element)));
        }
        if from >= to {
            return Err(Fault::new(format!("it would leave nothing of axis {axis} of {dims:?}")));
        }
        if let Some(constant) = self.known(x)? {
            let run = Run { first: from, count: (to - from).div_ceil(step), by: step as i64 };
            return self.keep(run.part(&constant, axis));
        }
        let mut args = args().int("axis", axis).int("from", from);
        if to != dims[axis] {
            args = args.int("to", to);
        }
        if step != 1 {
            args = args.int("step", step);
        }
        self.call("slice", args, std::slice::from_ref(x), Vec::new())
    }
}

fn transpose(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let rank = raise.dims(x)?.len();
    let order = match step.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(order) if order.len() == rank => {
            Step::axes(order, rank)?;
            order.iter().map(|&it| Step::axis(it, rank)).collect::<Result<Vec<_>, _>>()?
        }
        Some(order) => {
            return Err(Fault::new(format!(
                "`perm` has {} axes for a value of rank {rank}",
                order.len()
            )));
        }
    };
    Ok(vec![raise.permute(x, &order)?])
}

fn concat(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let rank = raise.dims(step.input(0)?)?.len();
    let axis = Step::axis(step.int("axis").unwrap_or(1), rank)?;
    let mut operands = Vec::new();
    for input in &step.inputs {
        // Constants of no elements add nothing.
        if !raise.dims(input)?.contains(&0) {
            operands.push(input.clone());
        }
    }
    match operands.len() {
        0 => Err(Fault::new("it joins nothing")),
        1 => Ok(operands),
        _ => Ok(vec![raise.call("concat", args().int("axis", axis), &operands, Vec::new())?]),
    }
}

fn split(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let axis = Step::axis(step.int("axis").unwrap_or(0), dims.len())?;
    let outputs = step.node.output.len();
    let listed = match step.opset >= 13 {
        true if step.has(1) => Some(raise.ints(step.input(1)?)?),
        true => None,
        false => step.ints("split").map(<[i64]>::to_vec),
    };
    let sizes = match listed {
        Some(sizes) => {
            let sizes: Option<Vec<usize>> =
                sizes.iter().map(|&it| usize::try_from(it).ok()).collect();
            sizes.ok_or_else(|| Fault::new("a part has a negative size"))?
        }
        None => {
            let parts =
                step.int("num_outputs").map_or(Some(outputs), |it| usize::try_from(it).ok());
            let parts = parts.filter(|it| *it == outputs && *it > 0).ok_or_else(|| {
                Fault::new(format!("`num_outputs` does not say that it has {outputs} outputs"))
            })?;
            let size = dims[axis].div_ceil(parts);
            (0..parts).map(|it| size.min(dims[axis].saturating_sub(it * size))).collect()
        }
    };
    let total = sizes.iter().try_fold(0_usize, |sum, &it| sum.checked_add(it));
    if total != Some(dims[axis]) || sizes.len() != outputs {
        return Err(Fault::new(format!(
            "{sizes:?} are no {outputs} parts of axis {axis} of {dims:?}"
        )));
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for (i, size) in sizes.into_iter().enumerate() {
        parts.push(match step.wants(i) {
            true => raise.cut(x, axis, start, start + size, 1)?,
            false => Value::Absent,
        });
        start += size;
    }
    Ok(parts)
}

fn slice(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let mut x = step.input(0)?.clone();
    let rank = raise.dims(&x)?.len();
    let list = |at: usize, name: &str| match step.opset {
        ..10 => Ok(step.ints(name).map(<[i64]>::to_vec)),
        _ if step.has(at) => raise.ints(step.input(at)?).map(Some),
        _ => Ok(None),
    };
    let (starts, ends) =
        (list(1, "starts")?.unwrap_or_default(), list(2, "ends")?.unwrap_or_default());
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Fault::new("its lists have different lengths"));
    }
    for (i, &axis) in axes.iter().enumerate() {
        let axis = Step::axis(axis, rank)?;
        x = slice_axis(raise, &x, axis, [starts[i], ends[i], steps[i]])?;
    }
    Ok(vec![x])
}

fn slice_axis(
    raise: &mut Raise<'_>,
    x: &Value,
    axis: usize,
    [from, to, by]: [i64; 3],
) -> Result<Value, Fault> {
    let extent = raise.dims(x)?[axis];
    let run = Run::of(extent, [from, to, by])?;
    if by > 0 {
        let step = usize::try_from(run.by).unwrap_or(usize::MAX);
        let last = match run.count.checked_sub(1) {
            Some(steps) => run.first + steps * step + 1,
            None => run.first,
        };
        // Up to the end where the last step would leave the axis.
        let last =
            if last.saturating_add(step) > extent && to >= extent as i64 { extent } else { last };
        return raise.cut(x, axis, run.first, last, step);
    }
    match raise.known(x)? {
        Some(constant) if run.count > 0 => raise.keep(run.part(&constant, axis)),
        _ => {
            raise.check_positions(run.count)?;
            let positions: Vec<usize> = run.positions().collect();
            raise.take(x, axis, &positions)
        }
    }
}

/// Positions on an axis at equal distances.
struct Run {
    first: usize,
    count: usize,
    by: i64,
}

impl Run {
    /// The positions that a slice takes of an axis; the distance is 1 if there are not two.
    fn of(extent: usize, [from, to, by]: [i64; 3]) -> Result<Run, Fault> {
        let extent = extent as i64;
        let resolve = |it: i64| if it < 0 { it.saturating_add(extent) } else { it };
        let (first, span) = match by {
            0 => return Err(Fault::new("its step is 0")),
            1.. => {
                let first = resolve(from).clamp(0, extent);
                (first, resolve(to).clamp(0, extent) - first)
            }
            ..0 => {
                let first = resolve(from).clamp(-1, extent - 1);
                let to = if to < -extent { -1 } else { resolve(to).clamp(-1, extent - 1) };
                (first, first - to)
            }
        };
        let count = (span.max(0) as u64).div_ceil(by.unsigned_abs()) as usize;
        Ok(Run {
            first: first.max(0) as usize,
            count,
            by: if count > 1 { by } else { by.signum() },
        })
    }

    fn positions(&self) -> impl Iterator<Item = usize> {
        (0..self.count as i64).map(|it| (self.first as i64 + it * self.by) as usize)
    }

    /// A constant at these positions of an axis.
    fn part(&self, constant: &Constant, axis: usize) -> Constant {
        let strides = strides(&constant.dims);
        let mut dims = constant.dims.clone();
        dims[axis] = self.count;
        let mut steps: Vec<i64> = strides.iter().map(|&it| it as i64).collect();
        steps[axis] *= self.by;
        constant.strided(dims, self.first * strides[axis], &steps)
    }
}

/// The most positions that are listed as an argument.
const POSITIONS_MAX: usize = 1 << 20;

impl Raise<'_> {
    fn check_positions(&self, count: usize) -> Result<(), Fault> {
        match count {
            0..=POSITIONS_MAX => Ok(()),
            _ => Err(Fault::new(format!(
                "it lists {count} positions, of which netc takes {POSITIONS_MAX}"
            ))),
        }
    }

    /// The elements at these positions of an axis.
    pub(super) fn take(
        &mut self,
        x: &Value,
        axis: usize,
        positions: &[usize],
    ) -> Result<Value, Fault> {
        let dims = self.dims(x)?;
        if positions.is_empty() {
            return Err(Fault::new(format!("it would leave nothing of axis {axis} of {dims:?}")));
        }
        if let Some(constant) = self.known(x)? {
            let strides = strides(&dims);
            let mut shown = dims.clone();
            shown[axis] = positions.len();
            let elements = count(&shown).ok_or_else(too_much)?;
            self.room(elements)?;
            if elements == 0 {
                return Ok(Value::Known(Constant::none(shown, constant.element)));
            }
            let [before, after]: [usize; 2] = [dims[..axis].iter().product(), strides[axis]];
            let at: Vec<usize> = (0..before)
                .flat_map(|i| {
                    positions.iter().flat_map(move |&at| (0..after).map(move |k| (i, at, k)))
                })
                .map(|(i, at, k)| (i * dims[axis] + at) * after + k)
                .collect();
            return self.keep(constant.picked(shown, &at));
        }
        self.check_positions(positions.len())?;
        let consecutive = positions.windows(2).all(|it| it[1] == it[0] + 1);
        if consecutive {
            return self.cut(x, axis, positions[0], positions[positions.len() - 1] + 1, 1);
        }
        let args = args().int("axis", axis).ints("at", positions.iter().map(|&it| it as i64));
        self.call("take", args, std::slice::from_ref(x), Vec::new())
    }
}

fn gather(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let axis = Step::axis(step.int("axis").unwrap_or(0), dims.len())?;
    let indices = raise.constant(step.input(1)?)?;
    let list = indices.ints().ok_or_else(|| Fault::new("its indices must be whole numbers"))?;
    let positions =
        list.iter().map(|&it| Step::axis(it, dims[axis])).collect::<Result<Vec<_>, _>>()?;
    let shown = [&dims[..axis], &indices.dims, &dims[axis + 1..]].concat();
    let taken = raise.take(x, axis, &positions)?;
    Ok(vec![raise.reshape(&taken, &shown)?])
}

fn expand(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let asked = raise.ints(step.input(1)?)?;
    let asked: Option<Vec<usize>> = asked.iter().map(|&it| usize::try_from(it).ok()).collect();
    let asked = asked.ok_or_else(|| Fault::new("an extent is negative"))?;
    let dims = raise.dims(x)?;
    let shown = super::product::broadcast(&dims, &asked)?;
    let made = raise.reshape(x, &super::product::with_rank(&dims, shown.len()))?;
    if raise.dims(&made)? == shown {
        return Ok(vec![made]);
    }
    let shape = super::constant::shape(&shown)?;
    let args = args()
        .ints("shape", shape.sample().iter().map(|&it| it as i64))
        .int("batch", shape.batch());
    Ok(vec![raise.call("expand", args, &[made], Vec::new())?])
}

fn map_dims(raise: &Raise<'_>, step: &Step<'_>) -> Result<([usize; 4], usize), Fault> {
    let dims = raise.dims(step.input(0)?)?;
    let block = step
        .int("blocksize")
        .and_then(|it| usize::try_from(it).ok())
        .filter(|it| (1..1 << 16).contains(it));
    let map = <[usize; 4]>::try_from(dims.as_slice()).ok();
    map.zip(block)
        .ok_or_else(|| Fault::new(format!("its operand is {dims:?} with `blocksize` {block:?}")))
}

fn depth_to_space(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let ([n, c, h, w], s) = map_dims(raise, step)?;
    if !c.is_multiple_of(s * s) {
        return Err(Fault::new(format!("{c} channels are not a multiple of {}", s * s)));
    }
    let depth = c / (s * s);
    let (cut, order) = match step.text("mode") {
        "" | "DCR" => ([n, s, s, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, s, s, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(Fault::new(format!("`mode` is {other:?}"))),
    };
    let x = raise.reshape(step.input(0)?, &cut)?;
    let x = raise.permute(&x, &order)?;
    Ok(vec![raise.reshape(&x, &[n, depth, h * s, w * s])?])
}

fn space_to_depth(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let ([n, c, h, w], s) = map_dims(raise, step)?;
    if !h.is_multiple_of(s) || !w.is_multiple_of(s) {
        return Err(Fault::new(format!("{h}x{w} is not a multiple of {s}")));
    }
    let x = raise.reshape(step.input(0)?, &[n, c, h / s, s, w / s, s])?;
    let order = match step.text("mode") {
        "" | "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(Fault::new(format!("`mode` is {other:?}"))),
    };
    let x = raise.permute(&x, &order)?;
    Ok(vec![raise.reshape(&x, &[n, c * s * s, h / s, w / s])?])
}
