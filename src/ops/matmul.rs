use super::onnx::{Node, Operand};
use super::{Args, Operator, Tolerance, Violation, sized};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Product of two values as matrices over their last two axes; the axes before them go in step, and extents of
/// 1 among those broadcast.
///
/// ```text
/// out[.., y, x] = sum(j) a[.., y, j] * b[.., j, x]
/// ```
///
/// Constraints:
/// - (C1) both operands have the same rank, at least 2;
/// - (C2) the last extent of the first is the last but one of the second;
/// - (C3) on each axis before, their extents are equal or 1;
/// - (C4) the output keeps the limits of a tensor.
///
/// Source: ONNX `MatMul`; PyTorch `matmul`.
///
/// ```net
/// net Example { input x: f32[N, 4, 8, 16]
///   y = x -> permute([0, 1, 3, 2])
///   matmul(x, y)  => [4, 8, 8]
///   output z }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatMul;

impl Operator for MatMul {
    const NAME: &'static str = "matmul";

    const ARITY: (usize, usize) = (2, 2);

    fn parse(_: &mut Args<'_>) -> Self {
        MatMul
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let (a, b) = (inputs[0], inputs[1]);
        let rank = a.rank();
        if rank < 2 || b.rank() != rank {
            let message =
                format!("`matmul` takes two values of one rank, here they are {a} and {b}");
            return Err(Violation::new("C1", message).help("`reshape` one of them"));
        }
        let (columns, rows) = (a.dims()[rank - 1], b.dims()[rank - 2]);
        if columns != rows {
            let message =
                format!("`matmul` sums over {columns} columns of {a}, but {b} has {rows} rows");
            return Err(Violation::new("C2", message).help("`permute` swaps the axes of a matrix"));
        }
        let mut dims = a.dims().to_vec();
        dims[rank - 1] = b.dims()[rank - 1];
        for (axis, (have, &other)) in dims.iter_mut().zip(b.dims()).enumerate().take(rank - 2) {
            if *have != other && *have != 1 && other != 1 {
                let what = super::axis::counts(rank, axis);
                let message = format!("`matmul` of {a} and {b}: {what} {have} and {other}");
                return Err(Violation::new("C3", message).help("only extents of 1 broadcast"));
            }
            if *have == 1 {
                *have = other;
            }
        }
        sized("C4", "the output", &dims)
    }

    fn macs(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        let terms = inputs[0].dims().last().copied().unwrap_or(1);
        output.elements() as u64 * terms as u64
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let (a, b) = (inputs[0], inputs[1]);
        let output = self.infer(&[&a.shape, &b.shape]).expect("the operands were accepted");
        let rank = output.rank();
        let terms = a.shape.dims()[rank - 1];
        let (left, right) = (steps(&a.shape, rank - 2), steps(&b.shape, rank - 2));
        let (width, columns) = (b.shape.dims()[rank - 1], terms);
        let mut exact = Exact::plain(output.clone(), Vec::with_capacity(output.elements()));
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let start =
                |steps: &[usize]| steps.iter().zip(point).map(|(s, i)| s * i).sum::<usize>();
            let a = &a.data[start(&left) + point[rank - 2] * columns..][..terms];
            let b = &b.data[start(&right) + point[rank - 1]..];
            let (mut sum, mut size) = (0.0, 0.0);
            for (&x, &y) in a.iter().zip(b.iter().step_by(width)) {
                let term = f64::from(x) * f64::from(y);
                sum += term;
                size += term.abs();
            }
            exact.value.push(sum);
            exact.magnitude.push(size);
        });
        exact.summed(terms)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let rank = output.rank();
        let before = |input: &Shape| -> Vec<Affine> {
            let place =
                |it| if input.dims()[it] == 1 { Affine::constant(0) } else { Affine::axis(it) };
            (0..rank - 2).map(place).collect()
        };
        let inner = Affine::axis(rank);
        let a = [before(inputs[0]), vec![Affine::axis(rank - 2), inner.clone()]].concat();
        let b = [before(inputs[1]), vec![inner, Affine::axis(rank - 1)]].concat();
        let term =
            Expr::load(Buffer::Input(0), a).binary(Binary::Mul, Expr::load(Buffer::Input(1), b));
        let extents = [inputs[0].dims()[rank - 1]];
        Nest::each(output, Expr::reduce(Reduction::Sum, &extents, Vec::new(), term))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::of("MatMul", Operand::inputs(inputs))]
    }
}

/// The strides of the first axes, 0 where an extent of 1 broadcasts.
fn steps(shape: &Shape, axes: usize) -> Vec<usize> {
    let strides = shape.strides();
    (0..axes).map(|it| if shape.dims()[it] == 1 { 0 } else { strides[it] }).collect()
}
