use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis};
use crate::nest::{Affine, Binary, Buffer, Expr, Guard, Nest, Reduction, Stage};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Local response normalisation across neighbouring channels.
///
/// ```text
/// out[n, c, ..] = in[n, c, ..] / (k + alpha / size * sum(j) in[n, j, ..]^2)^beta,   |j - c| <= (size - 1) / 2
/// ```
///
/// Channels outside add nothing; `size` divides all the same.
///
/// Constraints:
/// - (C1) the input has channels;
/// - (C2) `size` is odd (PyTorch and ONNX centre even ones differently).
///
/// Source: Krizhevsky et al. 2012; ONNX `LRN`; PyTorch `LocalResponseNorm`.
///
/// ```net
/// net Example {
///   input x: f32[N, 96, 55, 55]
///   relu -> lrn(5, k=2) -> maxpool(3, 2)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lrn {
    /// Channels that one sum takes in.
    pub size: usize,
    /// The factor of the mean square.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added to the sum.
    pub k: f32,
}

impl Operator for Lrn {
    const NAME: &'static str = "lrn";

    const ARGS: &'static [Arg] = &[
        Arg::required("size", "an odd count", "channels that one sum takes in"),
        Arg::optional("alpha", "a number", "1e-4", "the factor of the mean square"),
        Arg::optional("beta", "a number", "0.75", "the exponent"),
        Arg::optional("k", "a number", "1", "what is added to the sum"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Lrn {
            size: args.count("size"),
            alpha: args.number("alpha"),
            beta: args.number("beta"),
            k: args.number("k"),
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("size", self.size.into()),
            ("alpha", self.alpha.into()),
            ("beta", self.beta.into()),
            ("k", self.k.into()),
        ]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].rank() < 2 {
            let message = format!("`lrn` needs channels, here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("leave out `lrn`"));
        }
        if self.size.is_multiple_of(2) {
            let message =
                format!("`size` is {}, but a channel in the middle needs an odd one", self.size);
            return Err(Violation::new("C2", message).help(format!(
                "take {} or {}",
                self.size - 1,
                self.size + 1
            )));
        }
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let mut exact = Exact::plain(input.shape.clone(), vec![0.0; input.data.len()]);
        for line in axis::lines(&input.shape, 1) {
            let x = axis::gather(input, &line);
            for (c, &at) in line.iter().enumerate() {
                let near = c.saturating_sub(self.size / 2)..(c + self.size / 2 + 1).min(x.len());
                let sum = x[near].iter().fold(0.0, |sum, x| sum + x * x);
                let base = f64::from(self.k) + f64::from(self.factor()) * sum;
                exact.value[at] = x[c] / libm::pow(base, f64::from(self.beta));
            }
        }
        Exact::plain(exact.shape, exact.value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let reach = (self.size / 2).min(inputs[0].channels() - 1);
        match margins(inputs[0], reach) {
            Some(rows) => self.lower_rows(reach, rows, output),
            None => {
                let (rank, channels) = (output.rank(), inputs[0].channels());
                let near = Affine::of(&[(1, 1), (rank, 1)], -(reach as i64));
                let guards = vec![Guard::Within(near.clone(), channels)];
                let x = axis::load(Buffer::Input(0), rank, 1, near);
                let square = x.clone().binary(Binary::Mul, x);
                let sum = Expr::reduce(Reduction::Sum, &[2 * reach + 1], guards, square);
                Nest::each(output, self.quotient(rank, sum))
            }
        }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(64.0)
    }

    /// ONNX Runtime takes only pictures, so other values are seen as some.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let size = i64::try_from(self.size).expect("extents are small");
        let of = |x| {
            let node = Node::of("LRN", [x]).int("size", size).number("alpha", self.alpha);
            node.number("beta", self.beta).number("bias", self.k)
        };
        if inputs[0].rank() == 4 {
            return vec![of(Operand::Input(0))];
        }
        let shown = onnx::ints([0].into_iter().chain(output.sample().iter().copied()));
        vec![
            Node::of("Reshape", [Operand::Input(0), Operand::Ints(vec![0, 0, -1, 1])]),
            of(Operand::Node(0)),
            Node::of("Reshape", [Operand::Node(1), Operand::Ints(shown)]),
        ]
    }
}

/// The shape of the squares with the channels last and zeros around them, where that is little memory.
fn margins(input: &Shape, reach: usize) -> Option<Shape> {
    let channels = input.channels();
    let mut dims = input.dims().to_vec();
    dims.remove(1);
    dims.push(channels + 2 * reach);
    (2 * reach <= channels).then(|| Shape::checked(&dims)).flatten()
}

impl Lrn {
    fn factor(&self) -> f32 {
        self.alpha / self.size as f32
    }

    /// `in / (k + alpha / size * sum)^beta`
    fn quotient(&self, rank: usize, sum: Expr) -> Expr {
        let base = Expr::Const(self.factor()).binary(Binary::Mul, sum);
        let base = Expr::Const(self.k).binary(Binary::Add, base);
        let power = base.binary(Binary::Pow, Expr::Const(self.beta));
        axis::load(Buffer::Input(0), rank, 1, Affine::axis(1)).binary(Binary::Div, power)
    }

    /// The squares first, channels last and zeros around them: then neighbouring channels have their sums in
    /// neighbouring places, and no sum has a border.
    fn lower_rows(&self, reach: usize, rows: Shape, output: &Shape) -> Nest {
        let rank = output.rank();
        // The places of a row of channels, and one in it.
        let place = |channel: Affine| {
            let before = (0..rank).filter(|it| *it != 1).map(Affine::axis);
            before.chain([channel]).collect::<Vec<_>>()
        };
        let x = || axis::load(Buffer::Input(0), rank, 1, Affine::axis(1));
        let squares = Stage {
            target: Buffer::Temp(0),
            extents: output.dims().to_vec(),
            at: place(Affine::of(&[(1, 1)], reach as i64)),
            value: x().binary(Binary::Mul, x()),
        };
        let zeros = |from: usize| {
            let mut extents = output.dims().to_vec();
            extents[1] = reach;
            let at = place(Affine::of(&[(1, 1)], from as i64));
            Stage { target: Buffer::Temp(0), extents, at, value: Expr::Const(0.0) }
        };
        let mut stages = vec![squares];
        if reach > 0 {
            stages.extend([zeros(0), zeros(reach + output.channels())]);
        }
        let near = place(Affine::of(&[(1, 1), (rank, 1)], 0));
        let square = Expr::load(Buffer::Temp(0), near);
        let sum = Expr::reduce(Reduction::Sum, &[2 * reach + 1], Vec::new(), square);
        stages.push(Stage::each(Buffer::Output, output, self.quotient(rank, sum)));
        Nest { temps: vec![rows], stages }
    }
}
