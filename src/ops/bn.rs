use super::onnx::{Node, Operand};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Tolerance, Value, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Batch normalisation with running statistics, channel by channel.
///
/// ```text
/// out[n, c, ..] = (in[n, c, ..] - running_mean[c]) / sqrt(running_var[c] + eps) * weight[c] + bias[c]
/// ```
///
/// Constraints:
/// - (C1) the input has channels.
///
/// Parameters: `weight`, `bias` (learned), `running_mean`, `running_var` (statistics), each `[C]`.
///
/// Source: Ioffe and Szegedy 2015; ONNX `BatchNormalization`; PyTorch `BatchNorm2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 32, 32]
///   conv(16, 3, pad=1, bias=false) -> bn -> relu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Bn {
    /// Added to the variance.
    pub eps: f32,
}

impl Operator for Bn {
    const NAME: &'static str = "bn";

    const ARGS: &'static [Arg] =
        &[Arg::optional("eps", "a positive number", "1e-5", "added to the variance")];

    fn parse(args: &mut Args<'_>) -> Self {
        Bn { eps: args.not_negative("eps") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("eps", self.eps.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].rank() < 2 {
            let message = format!("`bn` needs channels, here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("leave out `bn`"));
        }
        Ok(inputs[0].clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = Shape::of(&[inputs[0].channels()]);
        let spec = |name, role, low, high| ParamSpec {
            name,
            shape: shape.clone(),
            role,
            init: Init::Uniform(low, high),
        };
        vec![
            spec("weight", Role::Learned, 0.5, 1.5),
            spec("bias", Role::Learned, -0.1, 0.1),
            spec("running_mean", Role::Statistic, -0.1, 0.1),
            spec("running_var", Role::Statistic, 0.5, 1.5),
        ]
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let channels = input.shape.channels();
        let rows: usize = input.shape.spatial().iter().product();
        let mut exact = Exact::plain(input.shape.clone(), Vec::with_capacity(input.data.len()));
        for (plane, x) in input.data.chunks_exact(rows).enumerate() {
            let [gamma, beta, mean, var] =
                [0, 1, 2, 3].map(|it| f64::from(params[it].data[plane % channels]));
            let scale = gamma * (1.0 / (var + f64::from(self.eps)).sqrt());
            for &x in x {
                let x = f64::from(x);
                exact.value.push((x - mean) * scale + beta);
                exact.magnitude.push((x.abs() + mean.abs()) * scale.abs() + beta.abs());
            }
        }
        exact
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        let param = |i| Expr::load(Buffer::Param(i), [Affine::axis(1)]);
        let x = Expr::load(Buffer::Input(0), (0..output.rank()).map(Affine::axis));
        let deviation = param(3).binary(Binary::Add, Expr::Const(self.eps)).unary(Unary::Sqrt);
        let scale = param(0).binary(Binary::Mul, deviation.unary(Unary::Recip));
        let value = x.binary(Binary::Sub, param(2)).binary(Binary::Mul, scale);
        Nest::each(output, value.binary(Binary::Add, param(1)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let operands = [Operand::Input(0)].into_iter().chain((0..4).map(Operand::Param));
        vec![Node::of("BatchNormalization", operands).number("epsilon", self.eps)]
    }
}
