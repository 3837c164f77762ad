use super::onnx::{Node, Operand};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Tolerance, Value, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Normalisation of each channel of each sample by its own mean and variance.
///
/// ```text
/// out[n, c, ..] = (in[n, c, ..] - mean(n, c)) / sqrt(var(n, c) + eps) * weight[c] + bias[c]
/// ```
///
/// The variance divides by the number of elements.
///
/// Constraints:
/// - (C1) the input has channels and at least one spatial axis.
///
/// Parameters: `weight`, `bias`, each `[C]`.
///
/// Source: Ulyanov et al. 2016; ONNX `InstanceNormalization`; PyTorch `InstanceNorm2d(affine=True)`.
///
/// ```net
/// net Example { input x: f32[N, 3, 32, 32]
///   conv(16, 3, pad=1) -> instancenorm -> relu
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceNorm {
    /// Added to the variance.
    pub eps: f32,
}

impl Operator for InstanceNorm {
    const NAME: &'static str = "instancenorm";

    const ARGS: &'static [Arg] =
        &[Arg::optional("eps", "a positive number", "1e-5", "added to the variance")];

    fn parse(args: &mut Args<'_>) -> Self {
        InstanceNorm { eps: args.not_negative("eps") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("eps", self.eps.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].spatial().is_empty() {
            let message = format!("`instancenorm` needs a map, here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("leave it out after `flatten`"));
        }
        Ok(inputs[0].clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = Shape::of(&[inputs[0].channels()]);
        let spec = |name, low, high| ParamSpec {
            name,
            shape: shape.clone(),
            role: Role::Learned,
            init: Init::Uniform(low, high),
        };
        vec![spec("weight", 0.5, 1.5), spec("bias", -0.1, 0.1)]
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let channels = input.shape.channels();
        let rows: usize = input.shape.spatial().iter().product();
        let mut exact = Exact::plain(input.shape.clone(), Vec::with_capacity(input.data.len()));
        for (plane, x) in input.data.chunks_exact(rows).enumerate() {
            let sum = |f: &dyn Fn(f64) -> f64| {
                x.iter().fold(0.0, |sum, &x| sum + f(f64::from(x))) / rows as f64
            };
            let mean = sum(&|x| x);
            let deviation = (sum(&|x| (x - mean) * (x - mean)) + f64::from(self.eps)).sqrt();
            let size = sum(&f64::abs);
            let [gamma, beta] = [0, 1].map(|it| f64::from(params[it].data[plane % channels]));
            for &x in x {
                let x = f64::from(x);
                exact.value.push((x - mean) / deviation * gamma + beta);
                let terms = (x.abs() + size) / deviation * gamma.abs() + beta.abs();
                // What rounding does to the mean moves the deviation too.
                exact.magnitude.push(terms * (1.0 + size / deviation));
            }
        }
        exact
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let (input, rank) = (inputs[0], output.rank());
        let line = Shape::of(&input.dims()[..2]);
        let count = input.spatial().iter().product::<usize>() as f32;
        let temp = |it| Expr::load(Buffer::Temp(it), [Affine::axis(0), Affine::axis(1)]);
        let param = |it| Expr::load(Buffer::Param(it), [Affine::axis(1)]);
        let inner = || Expr::load(Buffer::Input(0), (0..rank).map(Affine::axis));
        let mean = |body| {
            let sum = Expr::reduce(Reduction::Sum, input.spatial(), Vec::new(), body);
            sum.binary(Binary::Div, Expr::Const(count))
        };
        let off = || inner().binary(Binary::Sub, temp(0));
        let variance = mean(off().binary(Binary::Mul, off()));
        let deviation = variance.binary(Binary::Add, Expr::Const(self.eps)).unary(Unary::Sqrt);
        let value = off().binary(Binary::Div, temp(1)).binary(Binary::Mul, param(0));
        let stages = vec![
            Stage::each(Buffer::Temp(0), &line, mean(inner())),
            Stage::each(Buffer::Temp(1), &line, deviation),
            Stage::each(Buffer::Output, output, value.binary(Binary::Add, param(1))),
        ];
        Nest { temps: vec![line.clone(), line], stages }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let operands = [Operand::Input(0), Operand::Param(0), Operand::Param(1)];
        vec![Node::of("InstanceNormalization", operands).number("epsilon", self.eps)]
    }
}
