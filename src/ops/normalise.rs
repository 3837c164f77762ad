use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Normalises each channel of a picture by constants: `(in[n, c, ..] - mean[c]) / std[c]`.
///
/// Constraints:
/// - (C1) the input has channels;
/// - (C2) `mean` and `std` have one number a channel, or one for all;
/// - (C3) no number of `std` is 0.
///
/// Source: Krizhevsky et al. 2012; torchvision `Normalize`.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 224, 224]
///   normalise(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Normalise {
    /// Subtracted from each channel.
    pub mean: Vec<f32>,
    /// Divides each channel.
    pub std: Vec<f32>,
}

impl Operator for Normalise {
    const NAME: &'static str = "normalise";

    const ARGS: &'static [Arg] = &[
        Arg::optional("mean", "numbers, one a channel", "0", "subtracted from each channel"),
        Arg::optional("std", "numbers, one a channel", "1", "divides each channel"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Normalise { mean: args.numbers("mean"), std: args.numbers("std") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("mean", self.mean.as_slice().into()), ("std", self.std.as_slice().into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        if input.rank() < 2 {
            let message = format!("`normalise` needs channels, here the value is {input}");
            return Err(Violation::new("C1", message).help("leave out `normalise`"));
        }
        for (name, list) in [("mean", &self.mean), ("std", &self.std)] {
            if list.len() != 1 && list.len() != input.channels() {
                let channels = input.channels();
                let message = format!(
                    "`{name}` has {} numbers, but {input} has {channels} channels",
                    list.len()
                );
                return Err(
                    Violation::new("C2", message).help("give one number a channel, or one for all")
                );
            }
        }
        if self.std.contains(&0.0) {
            let message = "`std` holds 0, which would divide its channel";
            return Err(Violation::new("C3", message).help("take 1 for a channel that is to stay"));
        }
        Ok(input.clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let rows: usize = input.shape.spatial().iter().product();
        let (mean, std) = (self.of(&self.mean, &input.shape), self.of(&self.std, &input.shape));
        let element = |(i, &x): (usize, &f32)| {
            let c = i / rows % input.shape.channels();
            let (x, mean, std) = (f64::from(x), f64::from(mean[c]), f64::from(std[c]));
            ((x - mean) / std, ((x.abs() + mean.abs()) / std).abs())
        };
        let (value, magnitude) = input.data.iter().enumerate().map(element).unzip();
        Exact { shape: input.shape.clone(), value, magnitude }
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let x = Expr::load(Buffer::Input(0), (0..output.rank()).map(Affine::axis));
        let number = |list| Expr::Table(self.of(list, inputs[0]).into(), Affine::axis(1));
        let value = x.binary(Binary::Sub, number(&self.mean));
        Nest::each(output, value.binary(Binary::Div, number(&self.std)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let [mean, std] =
            [&self.mean, &self.std].map(|it| Operand::channels(self.of(it, inputs[0]), inputs[0]));
        vec![Node::of("Sub", [Operand::Input(0), mean]), Node::of("Div", [Operand::Node(0), std])]
    }
}

impl Normalise {
    /// One number for each channel.
    fn of(&self, list: &[f32], input: &Shape) -> Vec<f32> {
        (0..input.channels()).map(|it| list[it % list.len()]).collect()
    }
}
