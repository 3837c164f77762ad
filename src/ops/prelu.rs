use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Value, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Rectifier with a learned slope: `x` where `x` is positive, `weight[c] * x` where it is negative.
///
/// Constraints:
/// - (C1) the input has channels.
///
/// Parameters: `weight` `[C]`, a slope a channel; `[1]` with `shared=true`.
///
/// Source: He et al. 2015; ONNX `PRelu`; PyTorch `PReLU` (whose default is `shared=true`).
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 32, 32]
///   conv(16, 3, pad=1) -> prelu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelu {
    /// Whether all channels have one slope.
    pub shared: bool,
}

impl Operator for Prelu {
    const NAME: &'static str = "prelu";

    const ARGS: &'static [Arg] =
        &[Arg::optional("shared", "true or false", "false", "whether all channels have one slope")];

    fn parse(args: &mut Args<'_>) -> Self {
        Prelu { shared: args.flag("shared") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("shared", self.shared.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].rank() < 2 {
            let message = format!("`prelu` needs channels, here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("take `leaky`"));
        }
        Ok(inputs[0].clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let slopes = if self.shared { 1 } else { inputs[0].channels() };
        let (shape, init) = (Shape::of(&[slopes]), Init::Uniform(0.0, 0.5));
        vec![ParamSpec { name: "weight", shape, role: Role::Learned, init }]
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let rows: usize = input.shape.spatial().iter().product();
        let slopes = &params[0].data;
        let value = input.data.iter().enumerate().map(|(i, &x)| {
            let channel = i / rows % input.shape.channels();
            let slope = f64::from(slopes[if self.shared { 0 } else { channel }]);
            let x = f64::from(x);
            if x < 0.0 { slope * x } else { x }
        });
        Exact::plain(input.shape.clone(), value.collect())
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        let x = Expr::load(Buffer::Input(0), (0..output.rank()).map(Affine::axis));
        let channel = if self.shared { Affine::constant(0) } else { Affine::axis(1) };
        let slope = Expr::load(Buffer::Param(0), [channel]);
        let below = slope.binary(Binary::Mul, x.clone());
        Nest::each(output, x.binary(Binary::Positive, below))
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let slopes = if self.shared { 1 } else { inputs[0].channels() };
        let slope = Operand::Shaped(0, onnx::per_channel(slopes, inputs[0]));
        vec![Node::of("PRelu", [Operand::Input(0), slope])]
    }
}
