//! What operators share that combine values element by element.

use super::Violation;
use crate::nest::{Affine, Binary, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The shape of the result: on each axis the operands agree, or have extent 1.
pub(super) fn infer(
    layer: &str,
    inputs: &[&Shape],
    [rank, extents, size]: [&'static str; 3],
) -> Result<Shape, Violation> {
    let mut dims = inputs[0].dims().to_vec();
    for (i, input) in inputs.iter().enumerate().skip(1) {
        if input.rank() != dims.len() {
            return Err(unlike_ranks(layer, inputs[0], input, rank));
        }
        for (axis, (have, &other)) in dims.iter_mut().zip(input.dims()).enumerate() {
            if *have != other && *have != 1 && other != 1 {
                return Err(unlike(layer, (inputs, i), axis, extents));
            }
            if *have == 1 {
                *have = other;
            }
        }
    }
    super::sized(size, "the output", &dims)
}

fn unlike_ranks(layer: &str, a: &Shape, b: &Shape, constraint: &'static str) -> Violation {
    let message = format!("`{layer}` takes values of one rank, here they are {a} and {b}");
    let violation = Violation::new(constraint, message);
    match a.rank().min(b.rank()) {
        2 => violation.help(
            "`gap(keep=true)` or `reshape([C, 1, 1])` gives a vector that broadcasts over a map",
        ),
        _ => violation.help("`reshape` adds axes of extent 1, which broadcast"),
    }
}

fn unlike(
    layer: &str,
    (inputs, i): (&[&Shape], usize),
    axis: usize,
    constraint: &'static str,
) -> Violation {
    let (first, other) = (inputs[0], inputs[i]);
    let (first, other) =
        if first.dims()[axis] == 1 { (inputs[i - 1], other) } else { (first, other) };
    let what = super::axis::counts(first.rank(), axis);
    let message = format!(
        "`{layer}` takes values of one shape, here they are {first} and {other}: {what} {} and {}",
        first.dims()[axis],
        other.dims()[axis]
    );
    let violation = Violation::new(constraint, message);
    let (large, small) =
        if first.spatial() >= other.spatial() { (first, other) } else { (other, first) };
    match projection(large, small) {
        Some(stride) => violation.help(format!(
            "a projection makes {small} of {large}: `conv({}, 1, {stride})`",
            small.channels()
        )),
        None => violation.help("only extents of 1 broadcast"),
    }
}

/// The stride with which a 1x1 convolution makes one shape of another.
fn projection(from: &Shape, to: &Shape) -> Option<usize> {
    let stride = from.spatial().first()?.div_ceil(*to.spatial().first()?);
    let makes = |(&from, &to): (&usize, &usize)| from.div_ceil(stride) == to;
    from.spatial().iter().zip(to.spatial()).all(makes).then_some(stride)
}

/// Folds the operands from the left; the magnitude folds by its own rule.
pub(super) fn eval(
    inputs: &[&Tensor],
    output: &Shape,
    f: impl Fn(f64, f64) -> f64,
    size: impl Fn((f64, f64), (f64, f64)) -> f64,
) -> Exact {
    let mut exact = read(inputs[0], output);
    for input in &inputs[1..] {
        let other = read(input, output);
        for i in 0..exact.value.len() {
            let (a, b) = (exact.value[i], other.value[i]);
            exact.magnitude[i] = size((a, exact.magnitude[i]), (b, other.magnitude[i]));
            exact.value[i] = f(a, b);
        }
    }
    exact
}

/// An operand stretched to the shape of the output.
fn read(input: &Tensor, output: &Shape) -> Exact {
    let strides = input.shape.strides();
    let dims = input.shape.dims();
    let mut value = Vec::with_capacity(output.elements());
    crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
        let place = |axis: usize| if dims[axis] == 1 { 0 } else { point[axis] * strides[axis] };
        value.push(f64::from(input.data[(0..point.len()).map(place).sum::<usize>()]));
    });
    Exact::plain(output.clone(), value)
}

/// Folds the operands from the left.
pub(super) fn lower(f: Binary, inputs: &[&Shape], output: &Shape) -> Nest {
    let operand = |(i, input): (usize, &&Shape)| {
        let place = |it: usize| match input.dims()[it] {
            1 => Affine::constant(0),
            _ => Affine::axis(it),
        };
        Expr::load(Buffer::Input(i), (0..output.rank()).map(place))
    };
    let fold = inputs.iter().enumerate().map(operand).reduce(|a, b| a.binary(f, b));
    Nest::each(output, fold.expect("an operator has an operand"))
}
