use super::bias::Bias;
use super::onnx::{Node, Operand};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Tolerance, Value, Violation, sized};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Fully connected layer: each feature is a weighted sum of all elements of a vector.
///
/// ```text
/// out[n, k] = bias[k] + sum(c) in[n, c] * weight[k, c]
/// ```
///
/// Constraints:
/// - (C1) the input is a vector `[C]`; `flatten`, `gap` and `gmp` make one of a map;
/// - (C2) output and weights keep the limits of a tensor;
/// - (C3) a bias written in the file has one number a feature.
///
/// Parameters: `weight` `[features, C]` (OI), `bias` `[features]`.
///
/// MACs: batch * features * C.
///
/// Source: ONNX `Gemm`; PyTorch `Linear`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 5, 5]
///   flatten -> fc(120)  => [120]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fc {
    /// Output features.
    pub features: usize,
    /// The bias.
    pub bias: Bias,
}

impl Operator for Fc {
    const NAME: &'static str = "fc";

    const ARGS: &'static [Arg] = &[
        Arg::required("features", "a count", "elements of the output"),
        Arg::optional("bias", "true, false or a list", "true", "whether each feature has a bias"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Fc { features: args.count("features"), bias: Bias::parse(args) }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let features = ("features", self.features.into());
        [features].into_iter().chain(self.bias.written(false)).collect()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        if input.rank() != 2 {
            let message = format!("`fc` needs a vector, here the value is {input}");
            let flat: usize = input.sample().iter().product();
            let violation = Violation::new("C1", message);
            return Err(match input.spatial() {
                [] => violation,
                _ => violation
                    .help(format!("insert `flatten` ({flat}) or `gap` ({})", input.channels())),
            });
        }
        self.bias.check("C3", self.features)?;
        sized("C2", "the weights", &[self.features, input.channels()])?;
        sized("C2", "the output", &[input.batch(), self.features])
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let fan_in = inputs[0].channels();
        let shape = Shape::of(&[self.features, fan_in]);
        let init = Init::He { fan_in };
        let weight = ParamSpec { name: "weight", shape, role: Role::Learned, init };
        [weight].into_iter().chain(self.bias.spec(self.features, fan_in)).collect()
    }

    fn macs(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        output.elements() as u64 * inputs[0].channels() as u64
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let shape = self.infer(&[&input.shape]).expect("the input was accepted");
        let width = input.shape.channels();
        let mut exact = Exact::plain(shape.clone(), vec![0.0; shape.elements()]);
        for n in 0..shape.batch() {
            let x = &input.data[n * width..][..width];
            for k in 0..self.features {
                let weights = &params[0].data[k * width..][..width];
                let (mut sum, mut size) = (0.0, 0.0);
                for (&x, &w) in x.iter().zip(weights) {
                    let term = f64::from(x) * f64::from(w);
                    sum += term;
                    size += term.abs();
                }
                let bias = params.get(1).map_or(0.0, |it| f64::from(it.data[k]));
                let at = n * self.features + k;
                exact.value[at] = if self.bias.is_present() { sum + bias } else { sum };
                exact.magnitude[at] = size + bias.abs();
            }
        }
        exact.summed(width)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let x = Expr::load(Buffer::Input(0), [0, 2].map(Affine::axis));
        let weight = Expr::load(Buffer::Param(0), [1, 2].map(Affine::axis));
        let term = x.binary(Binary::Mul, weight);
        let sum = Expr::reduce(Reduction::Sum, &[inputs[0].channels()], Vec::new(), term);
        if self.bias.is_present() {
            let bias = Expr::load(Buffer::Param(1), [Affine::axis(1)]);
            return Nest::each(output, sum.binary(Binary::Add, bias));
        }
        Nest::each(output, sum)
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let params = (0..1 + usize::from(self.bias.is_present())).map(Operand::Param);
        vec![Node::of("Gemm", [Operand::Input(0)].into_iter().chain(params)).int("transB", 1)]
    }
}
