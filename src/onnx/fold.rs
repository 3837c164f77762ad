//! Operators on constants: what shape arithmetic and stored weights need, on whole numbers exactly.

use std::sync::Arc;

use super::Fault;
use super::budget::{Budget, too_much};
use super::constant::{self, Constant, Data, is_real};
use super::proto::element;
use super::raise::{Step, broadcast, range as quantised};

/// Whether an operator on constants may be evaluated here.
pub(super) fn knows(operator: &str) -> bool {
    matches!(
        operator,
        "Constant"
            | "ConstantOfShape"
            | "Concat"
            | "Cast"
            | "Range"
            | "Where"
            | "Equal"
            | "Less"
            | "LessOrEqual"
            | "Greater"
            | "GreaterOrEqual"
            | "And"
            | "Or"
            | "Not"
            | "Add"
            | "Sub"
            | "Mul"
            | "Div"
            | "Mod"
            | "Min"
            | "Max"
            | "Neg"
            | "Abs"
            | "Floor"
            | "Ceil"
            | "Round"
            | "Expand"
            | "Tile"
            | "ReduceProd"
            | "ReduceSum"
            | "ReduceMax"
            | "ReduceMin"
            | "DequantizeLinear"
            | "QuantizeLinear"
    )
}

/// The operator's value on constants; `None` if it is to be raised all the same. The budget bounds its elements.
pub(super) fn fold(
    step: &Step<'_>,
    inputs: &[Option<Constant>],
    budget: &Budget,
) -> Result<Option<Vec<Constant>>, Fault> {
    let input = |at: usize| {
        inputs
            .get(at)
            .and_then(Option::as_ref)
            .ok_or_else(|| Fault::new(format!("operand {at} is left out")))
    };
    let whole = || inputs.iter().flatten().all(|it| it.ints().is_some());
    let operator = step.node.op_type.as_str();
    if of_whole(operator) && !whole() {
        return Ok(None);
    }
    let left = budget.left_beside();
    let to_real = operator == "Cast" && is_real(step.int("to").unwrap_or(0) as i32);
    if !to_real && inputs.iter().flatten().any(|it| it.len() > left) {
        return Err(too_much());
    }
    let folded = match operator {
        "Constant" => from_attributes(step)?,
        "ConstantOfShape" => of_shape(step, input(0)?, budget.left())?,
        "Concat" => concat(step, inputs, left)?,
        "Cast" => cast(input(0)?, step.int("to").unwrap_or(0))?,
        "Range" => range(input(0)?, input(1)?, input(2)?, left)?,
        "Where" => choose(input(0)?, input(1)?, input(2)?, left)?,
        "Expand" => expand(input(0)?, input(1)?, left)?,
        "Tile" => tile(input(0)?, input(1)?, left)?,
        "Floor" => map(input(0)?, f32::floor),
        "Ceil" => map(input(0)?, f32::ceil),
        "Round" => map(input(0)?, f32::round_ties_even),
        "Not" => whole_map(input(0)?, |it| i64::from(it == 0))?,
        "Neg" => whole_map(input(0)?, i64::wrapping_neg)?,
        "Abs" => whole_map(input(0)?, i64::wrapping_abs)?,
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" => match reduce(step, inputs)? {
            Some(folded) => folded,
            None => return Ok(None),
        },
        "DequantizeLinear" => dequantise(step, inputs)?,
        "QuantizeLinear" => quantise(step, inputs)?,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => {
            compare(step, input(0)?, input(1)?, left)?
        }
        "Mod" if step.flag("fmod") => pair(input(0)?, input(1)?, i64::checked_rem, left)?,
        operator => match arithmetic(operator) {
            Some(f) => {
                let first = input(0)?.clone();
                inputs.iter().skip(1).flatten().try_fold(first, |a, b| pair(&a, b, f, left))?
            }
            None => return Ok(None),
        },
    };
    Ok(Some(vec![folded]))
}

/// Whether an operator is evaluated here on whole numbers alone.
fn of_whole(operator: &str) -> bool {
    let others = ["Neg", "Abs", "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"];
    others.contains(&operator) || arithmetic(operator).is_some()
}

fn from_attributes(step: &Step<'_>) -> Result<Constant, Fault> {
    let [attribute] = step.node.attribute.as_slice() else {
        return Err(Fault::new("a constant has one attribute"));
    };
    match attribute.name.as_str() {
        "value" => {
            let tensor =
                attribute.t.as_ref().ok_or_else(|| Fault::new("its value is not a tensor"))?;
            match tensor.data_location {
                0 => step.model.decode(tensor),
                _ => Err(Fault::new("its value lies outside the file")),
            }
        }
        "value_float" => Ok(Constant::real(Vec::new(), vec![attribute.f])),
        "value_floats" => {
            Ok(Constant::real(vec![attribute.floats.len()], attribute.floats.clone()))
        }
        "value_int" => Ok(Constant::whole(Vec::new(), vec![attribute.i])),
        "value_ints" => Ok(Constant::list(attribute.ints.clone())),
        other => Err(Fault::new(format!("a constant given as `{other}` is not supported"))),
    }
}

/// Whole numbers as extents, if they have at most `left` elements together.
fn extents(list: &Constant, left: usize) -> Result<Vec<usize>, Fault> {
    let wrong = || {
        Fault::new("its extents are not whole numbers of at least 0, or make far too many elements")
    };
    let dims: Option<Vec<usize>> =
        list.ints().and_then(|it| it.iter().map(|&it| usize::try_from(it).ok()).collect());
    let dims = dims.filter(|it| it.len() <= crate::shape::Shape::RANK_MAX).ok_or_else(wrong)?;
    constant::count(&dims).filter(|it| *it <= left).ok_or_else(wrong)?;
    Ok(dims)
}

fn of_shape(step: &Step<'_>, shape: &Constant, left: usize) -> Result<Constant, Fault> {
    let value = match step.attribute("value").and_then(|it| it.t.as_ref()) {
        Some(tensor) => step.model.decode(tensor)?,
        None => Constant::real(vec![1], vec![0.0]),
    };
    let dims = extents(shape, left / constant::cost(value.element, 1))?;
    let count = dims.iter().product();
    let data = match &value.data {
        _ if value.len() != 1 => return Err(Fault::new("its value is not a single number")),
        Data::Real(data) => Data::real(vec![data.get()[0]; count]),
        Data::Whole(data) => Data::Whole(Arc::new(vec![data[0]; count])),
    };
    Ok(Constant { dims, element: value.element, data })
}

fn concat(step: &Step<'_>, inputs: &[Option<Constant>], left: usize) -> Result<Constant, Fault> {
    let parts: Vec<&Constant> = inputs.iter().flatten().collect();
    let first = *parts.first().ok_or_else(|| Fault::new("it joins nothing"))?;
    let axis = Step::axis(step.int("axis").unwrap_or(1), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for part in &parts {
        let alike = part.dims.len() == dims.len()
            && (0..dims.len()).all(|it| it == axis || part.dims[it] == dims[it])
            && is_real(part.element) == is_real(first.element);
        if !alike {
            return Err(Fault::new(format!(
                "{:?} and {:?} do not join along axis {axis}",
                first.dims, part.dims
            )));
        }
        dims[axis] += part.dims[axis];
    }
    constant::count(&dims).filter(|it| *it <= left).ok_or_else(too_much)?;
    if dims.contains(&0) {
        return Ok(Constant::none(dims, first.element));
    }
    let before: usize = dims[..axis].iter().product();
    let line = |part: &Constant| part.dims[axis..].iter().product::<usize>();
    fn join<T: Copy>(before: usize, parts: &[(&[T], usize)]) -> Vec<T> {
        let rows = (0..before).flat_map(|i| {
            parts.iter().flat_map(move |(data, n)| data[i * n..][..*n].iter().copied())
        });
        rows.collect()
    }
    let data = if is_real(first.element) {
        let floats: Vec<Vec<f32>> = parts.iter().map(|it| it.floats()).collect();
        let parts: Vec<_> =
            floats.iter().zip(&parts).map(|(data, it)| (data.as_slice(), line(it))).collect();
        Data::real(join(before, &parts))
    } else {
        let parts: Vec<_> =
            parts.iter().map(|it| (it.ints().unwrap_or_default(), line(it))).collect();
        Data::Whole(Arc::new(join(before, &parts)))
    };
    Ok(Constant { dims, element: first.element, data })
}

fn cast(x: &Constant, to: i64) -> Result<Constant, Fault> {
    let to = i32::try_from(to).unwrap_or(0);
    let data = match (&x.data, is_real(to)) {
        (Data::Real(data), true) => Data::Real(data.clone()),
        (Data::Whole(_), true) => Data::real(x.floats()),
        (Data::Real(data), false) if to == element::BOOL => {
            Data::Whole(Arc::new(data.get().iter().map(|it| i64::from(*it != 0.0)).collect()))
        }
        (Data::Real(data), false) => {
            Data::Whole(Arc::new(data.get().iter().map(|it| *it as i64).collect()))
        }
        (Data::Whole(data), false) if to == element::BOOL => {
            Data::Whole(Arc::new(data.iter().map(|it| i64::from(*it != 0)).collect()))
        }
        (Data::Whole(data), false) => Data::Whole(data.clone()),
    };
    if constant::element_name(to).starts_with("type") || to == element::STRING {
        return Err(Fault::new(format!(
            "a cast to {} is not supported",
            constant::element_name(to)
        )));
    }
    Ok(Constant { dims: x.dims.clone(), element: to, data })
}

fn range(
    start: &Constant,
    limit: &Constant,
    step: &Constant,
    left: usize,
) -> Result<Constant, Fault> {
    let wrong = || Fault::new("its bounds are not numbers, or far too many lie between them");
    if let (Some(&[start]), Some(&[limit]), Some(&[step])) =
        (start.ints(), limit.ints(), step.ints())
    {
        let span = if step > 0 { limit.checked_sub(start) } else { start.checked_sub(limit) };
        let span = span.filter(|_| step != 0).ok_or_else(wrong)?;
        let count = (span.max(0) as u64).div_ceil(step.unsigned_abs());
        let count = usize::try_from(count).ok().filter(|it| *it <= left).ok_or_else(wrong)?;
        return Ok(Constant::list((0..count).map(|it| start + it as i64 * step).collect()));
    }
    let (start, limit, step) = start
        .scalar()
        .zip(limit.scalar())
        .zip(step.scalar())
        .map(|((a, b), c)| (a, b, c))
        .ok_or_else(wrong)?;
    let count = ((f64::from(limit) - f64::from(start)) / f64::from(step)).ceil();
    if count.is_nan() || count > left as f64 {
        return Err(wrong());
    }
    let count = if count > 0.0 { count as usize } else { 0 };
    Ok(Constant::real(vec![count], (0..count).map(|it| start + it as f32 * step).collect()))
}

/// Two constants stretched to common extents.
fn stretched(a: &Constant, b: &Constant, left: usize) -> Result<(Constant, Constant), Fault> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let stretch = |it: &Constant| {
        it.stretched(&dims).ok_or_else(|| Fault::new("its operands do not stretch"))
    };
    constant::count(&dims).filter(|it| *it <= left).ok_or_else(too_much)?;
    Ok((stretch(a)?, stretch(b)?))
}

fn choose(
    condition: &Constant,
    a: &Constant,
    b: &Constant,
    left: usize,
) -> Result<Constant, Fault> {
    let (a, b) = stretched(a, b, left)?;
    let (condition, a) = stretched(condition, &a, left)?;
    let (_, b) = stretched(&a, &b, left)?;
    let which = condition.ints().ok_or_else(|| Fault::new("its condition is not a truth value"))?;
    let data = match (&a.data, &b.data) {
        (Data::Whole(a), Data::Whole(b)) => {
            let pairs = which.iter().zip(a.iter().zip(b.iter()));
            Data::Whole(Arc::new(pairs.map(|(w, (a, b))| if *w != 0 { *a } else { *b }).collect()))
        }
        (Data::Real(a), Data::Real(b)) => {
            let (a, b) = (a.get(), b.get());
            let pairs = which.iter().zip(a.iter().zip(b.iter()));
            Data::real(pairs.map(|(w, (a, b))| if *w != 0 { *a } else { *b }).collect())
        }
        _ => return Err(Fault::new("its operands have different element types")),
    };
    Ok(Constant { dims: a.dims, element: a.element, data })
}

fn compare(step: &Step<'_>, a: &Constant, b: &Constant, left: usize) -> Result<Constant, Fault> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (a, b) = stretched(a, b, left)?;
    let holds = |order: Option<std::cmp::Ordering>| {
        i64::from(match step.node.op_type.as_str() {
            "Equal" => order == Some(Equal),
            "Less" => order == Some(Less),
            "LessOrEqual" => matches!(order, Some(Less | Equal)),
            "Greater" => order == Some(Greater),
            _ => matches!(order, Some(Greater | Equal)),
        })
    };
    let values: Vec<i64> = match (&a.data, &b.data) {
        (Data::Whole(a), Data::Whole(b)) => {
            a.iter().zip(b.iter()).map(|(a, b)| holds(a.partial_cmp(b))).collect()
        }
        _ => a.floats().iter().zip(b.floats()).map(|(a, b)| holds(a.partial_cmp(&b))).collect(),
    };
    Ok(Constant::whole(a.dims, values).of_element(element::BOOL))
}

type Pair = fn(i64, i64) -> Option<i64>;

fn arithmetic(operator: &str) -> Option<Pair> {
    Some(match operator {
        "Add" => i64::checked_add,
        "Sub" => i64::checked_sub,
        "Mul" => i64::checked_mul,
        "Div" => i64::checked_div,
        "Mod" => |a, b| a.checked_rem(b)?.checked_add(b)?.checked_rem(b),
        "Min" => |a, b| Some(a.min(b)),
        "Max" => |a, b| Some(a.max(b)),
        "And" => |a, b| Some(i64::from(a != 0 && b != 0)),
        "Or" => |a, b| Some(i64::from(a != 0 || b != 0)),
        _ => return None,
    })
}

fn pair(a: &Constant, b: &Constant, f: Pair, left: usize) -> Result<Constant, Fault> {
    let (a, b) = stretched(a, b, left)?;
    let pairs = a.ints().unwrap_or_default().iter().zip(b.ints().unwrap_or_default());
    let values: Option<Vec<i64>> = pairs.map(|(&a, &b)| f(a, b)).collect();
    let values = values.ok_or_else(|| Fault::new("a number divides by 0 or overflows"))?;
    Ok(Constant::whole(a.dims, values).of_element(a.element))
}

fn map(x: &Constant, f: impl Fn(f32) -> f32) -> Constant {
    match &x.data {
        Data::Real(data) => {
            Constant { data: Data::real(data.get().iter().map(|&it| f(it)).collect()), ..x.clone() }
        }
        Data::Whole(_) => x.clone(),
    }
}

fn whole_map(x: &Constant, f: impl Fn(i64) -> i64) -> Result<Constant, Fault> {
    let data = x.ints().ok_or_else(|| Fault::new("its operand is not a whole number"))?;
    Ok(Constant {
        data: Data::Whole(Arc::new(data.iter().map(|&it| f(it)).collect())),
        ..x.clone()
    })
}

fn expand(x: &Constant, asked: &Constant, left: usize) -> Result<Constant, Fault> {
    let dims = broadcast(&x.dims, &extents(asked, left)?)?;
    constant::count(&dims).filter(|it| *it <= left).ok_or_else(too_much)?;
    x.stretched(&dims).ok_or_else(|| Fault::new("its operand does not stretch"))
}

fn tile(x: &Constant, repeats: &Constant, left: usize) -> Result<Constant, Fault> {
    let repeats = extents(repeats, left)?;
    if repeats.len() != x.dims.len() {
        return Err(Fault::new("it repeats another number of axes"));
    }
    // Every axis as two: the repetition, then the extent.
    let mut shown = Vec::new();
    let (mut cut, mut wide) = (Vec::new(), Vec::new());
    for (&extent, &times) in x.dims.iter().zip(&repeats) {
        shown.push(extent.checked_mul(times).ok_or_else(too_much)?);
        cut.extend([1, extent]);
        wide.extend([times, extent]);
    }
    constant::count(&shown).filter(|it| *it <= left).ok_or_else(too_much)?;
    let tiled = x
        .clone()
        .reshaped(cut)
        .stretched(&wide)
        .ok_or_else(|| Fault::new("its operand does not stretch"))?;
    Ok(tiled.reshaped(shown))
}

/// Reductions of lists and of whole tensors; others are raised.
fn reduce(step: &Step<'_>, inputs: &[Option<Constant>]) -> Result<Option<Constant>, Fault> {
    let Some(Some(x)) = inputs.first() else { return Ok(None) };
    let axes = match inputs.get(1) {
        Some(Some(axes)) => axes.ints().map(<[i64]>::to_vec),
        _ => step.ints("axes").map(<[i64]>::to_vec),
    };
    let axes = Step::axes(&axes.unwrap_or_default(), x.dims.len())?;
    if !axes.is_empty() && axes.len() != x.dims.len() || x.is_empty() {
        return Ok(None);
    }
    let mut data = x.ints().unwrap_or_default().iter().copied();
    let value = match step.node.op_type.as_str() {
        "ReduceProd" => data.try_fold(1, i64::checked_mul),
        "ReduceSum" => data.try_fold(0, i64::checked_add),
        "ReduceMax" => data.max(),
        _ => data.min(),
    };
    let value = value.ok_or_else(|| Fault::new("a number overflows"))?;
    let keep = step.int("keepdims").unwrap_or(1) != 0;
    let dims = if keep { vec![1; x.dims.len()] } else { Vec::new() };
    Ok(Some(Constant::whole(dims, vec![value]).of_element(x.element)))
}

/// The scale and the zero point for every element of a constant.
fn scales(
    step: &Step<'_>,
    inputs: &[Option<Constant>],
) -> Result<(Constant, Constant, Vec<f32>), Fault> {
    let [Some(x), Some(scale), rest @ ..] = inputs else {
        return Err(Fault::new("an operand is left out"));
    };
    if step.int("block_size").unwrap_or(0) != 0 {
        return Err(Fault::new("scales of blocks are not supported"));
    }
    let axis = step.int("axis").unwrap_or(1);
    let along = |it: &Constant| -> Result<Constant, Fault> {
        if it.len() == 1 {
            let dims = vec![1; x.dims.len()];
            return Ok(it.clone().reshaped(dims));
        }
        let axis = Step::axis(axis, x.dims.len())?;
        let mut dims = vec![1; x.dims.len()];
        dims[axis] = it.len();
        Ok(it.clone().reshaped(dims))
    };
    let stretch = |it: &Constant| {
        along(it)?
            .stretched(&x.dims)
            .ok_or_else(|| Fault::new("its scale fits no axis of its operand"))
    };
    let zero = match rest.first() {
        Some(Some(zero)) => stretch(zero)?.floats(),
        _ => vec![0.0; x.len()],
    };
    Ok((x.clone(), stretch(scale)?, zero))
}

fn dequantise(step: &Step<'_>, inputs: &[Option<Constant>]) -> Result<Constant, Fault> {
    let (x, scale, zero) = scales(step, inputs)?;
    let values =
        x.floats().iter().zip(scale.floats()).zip(zero).map(|((x, s), z)| (x - z) * s).collect();
    Ok(Constant::real(x.dims, values))
}

fn quantise(step: &Step<'_>, inputs: &[Option<Constant>]) -> Result<Constant, Fault> {
    let (x, scale, zero) = scales(step, inputs)?;
    let to = inputs.get(2).and_then(Option::as_ref).map_or(element::U8, |it| it.element);
    let (low, high) = quantised(to)?;
    let round = |((x, s), z): ((&f32, f32), f32)| {
        ((x / s).round_ties_even() as i64).saturating_add(z as i64).clamp(low, high)
    };
    let values = x.floats().iter().zip(scale.floats()).zip(zero).map(round).collect();
    Ok(Constant::whole(x.dims, values).of_element(to))
}
