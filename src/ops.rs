//! The operators: one file each, one table. Adding one costs its file and two lines here.
//!
//! An operator's file holds its arguments, shape rule with numbered constraints, parameters, cost,
//! reference evaluation, nest and ONNX's name for it. It knows no spans, graphs, layouts, tiles or code generation.
//! Its doc comment is its manual page: `netc explain`, `netc ops` and `docs/operators.md` print it.

pub mod args;
pub mod onnx;
pub mod synonyms;

mod axis;
mod bias;
mod broadcast;
mod head;
mod page;
mod pointwise;
mod pool;
mod tolerance;
mod window;

mod abs;
mod add;
mod affine;
mod argmaxpool;
mod avgpool;
mod bn;
mod ceil;
mod clip;
mod concat;
mod conv;
mod deconv;
mod div;
mod dropout;
mod elu;
mod erf;
mod exp;
mod expand;
mod fc;
mod filled;
mod flatten;
mod floor;
mod gap;
mod gelu;
mod gmp;
mod hardsigmoid;
mod hardswish;
mod instancenorm;
mod l2norm;
mod leaky;
mod log;
mod logsoftmax;
mod lrn;
mod matmul;
mod max;
mod maxpool;
mod min;
mod mish;
mod mul;
mod nms;
mod normalise;
mod pad;
mod param;
mod permute;
mod picture;
mod pow;
mod prelu;
mod reduce;
mod region;
mod relu;
mod relu6;
mod reorg;
mod reshape;
mod resize;
mod round;
mod sigmoid;
mod sign;
mod silu;
mod slice;
mod softmax;
mod softplus;
mod sqrt;
mod sub;
mod take;
mod tanh;
mod upsample;
mod yolo;

use std::sync::Arc;

pub use args::{Arg, Args, Given, Value};
pub use bias::Bias;
pub use head::Head;
pub use pad::Mode;
pub use page::reference;
pub use picture::{Channels, Fit, Side};
pub use reduce::Combine;
pub use resize::{Kernel, Position, Rounding};
pub use tolerance::Tolerance;
pub use upsample::Resize;
pub use window::Frame;

use crate::diag::{Diagnostic, Span};
use crate::nest::suppress::Suppress;
use crate::nest::{Expr, Nest};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor};

/// All the compiler knows about one kind of layer.
pub trait Operator: Sized + Clone + PartialEq + std::fmt::Debug {
    /// What a `.net` file calls it.
    const NAME: &'static str;

    /// Its arguments, in the order in which they may be given by position (the first three only).
    const ARGS: &'static [Arg] = &[];

    /// How many values it takes: at least, at most. A layer in a chain takes one.
    const ARITY: (usize, usize) = (1, 1);

    /// Reads the arguments; mistakes are collected in `args`.
    fn parse(args: &mut Args<'_>) -> Self;

    /// The inverse of [`Operator::parse`]: the arguments that make it, those at their defaults perhaps among
    /// them.
    fn written(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Checks the numbered constraints and gives the output's shape.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation>;

    /// The tensors it needs besides its operands, for inputs that `infer` accepted.
    fn params(&self, _inputs: &[&Shape]) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// Multiply-accumulate operations (convolutions, transposed convolutions and fully connected layers).
    fn macs(&self, _inputs: &[&Shape], _output: &Shape) -> u64 {
        0
    }

    /// The windows that slide over the spatial axes, for receptive fields and lints; empty for others.
    fn windows(&self, _input: &Shape) -> Vec<Window> {
        Vec::new()
    }

    /// The reference: f64 sums in index order over f32 inputs. Believed, never fast.
    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact;

    /// What each element of the output is.
    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest;

    /// What it is if no nest can say it: then nobody asks [`Operator::lower`].
    fn suppress(&self, _inputs: &[&Shape]) -> Option<Suppress> {
        None
    }

    /// The operator in ONNX's operators; the last node makes the output.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<onnx::Node>;

    /// `f(it)` if the operator maps every element on its own, so that it can join another layer's epilogue.
    fn pointwise(&self) -> Option<Expr> {
        None
    }

    /// Whether inference passes its first operand through unchanged (dropout).
    fn is_identity(&self) -> bool {
        false
    }

    /// How far compiled code may be from `eval`.
    fn tolerance(&self) -> Tolerance {
        Tolerance::Exact
    }
}

/// A tensor that a layer needs.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// The last component of its weight path: `weight`, `bias`, `running_mean`, `running_var`.
    pub name: &'static str,
    /// Its extents (no batch: `[out, in / groups, kernel..]`).
    pub shape: Shape,
    /// Where its values come from.
    pub role: Role,
    /// How a random value is drawn.
    pub init: Init,
}

/// Where a parameter's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// Learned: bound from a weights file, counted in `params`.
    Learned,
    /// A statistic: bound from a weights file, counted in `buffers`.
    Statistic,
    /// Written in the `.net` file: not learned, not counted.
    Fixed(Arc<Tensor>),
}

/// How a random parameter is drawn by `--random-weights`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with variance 2 / fan_in (He et al. 2015).
    He {
        /// Terms in one output's sum.
        fan_in: usize,
    },
    /// Uniform between two numbers.
    Uniform(f32, f32),
}

/// A broken constraint of an operator; the elaborator adds the place and the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The constraint's number, `C1`.
    pub constraint: &'static str,
    /// The two facts that disagree.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Violation {
    /// A violation without advice.
    pub fn new(constraint: &'static str, message: impl Into<String>) -> Self {
        Self { constraint, message: message.into(), help: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The shape of a value or parameter, if it keeps the limits of a tensor.
fn sized(constraint: &'static str, what: &str, dims: &[usize]) -> Result<Shape, Violation> {
    Shape::checked(dims).ok_or_else(|| {
        let (fact, help) = if dims.len() > Shape::RANK_MAX {
            ("more than 8 axes", "8 are allowed, the batch among them")
        } else if dims.contains(&0) {
            ("an extent of 0", "every extent is at least 1")
        } else {
            ("more than 2^31 elements", "take fewer channels, or a smaller input or batch")
        };
        Violation::new(constraint, format!("{what} would be {dims:?}: {fact}")).help(help)
    })
}

/// The most operands of an operator that takes any number, and the most arguments of a call.
pub const OPERANDS_MAX: usize = 256;

/// One row of the table: what `netc ops` and the diagnostics need to know without an instance.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What a `.net` file calls it.
    pub name: &'static str,
    /// Its arguments.
    pub args: &'static [Arg],
    /// How many values it takes: at least, at most.
    pub arity: (usize, usize),
    source: &'static str,
}

impl Entry {
    /// The manual page: the doc comment of the operator's struct, in Markdown.
    pub fn manual(&self) -> String {
        let lines = self.source.lines().skip_while(|it| !it.starts_with("///"));
        let docs = lines.take_while(|it| it.starts_with("///"));
        docs.map(|it| it.strip_prefix("/// ").unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// `conv(channels, kernel, stride=1, ..)`.
    pub fn signature(&self) -> String {
        args::signature(self.name, self.args)
    }
}

macro_rules! operators {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(pub use $module::$name;)*

        /// An operator with its arguments.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Op {
                Op::$name(op)
            }
        })*

        impl Op {
            /// Every operator, in the order of the table.
            pub const TABLE: &'static [Entry] = &[$(Entry {
                name: $name::NAME,
                args: $name::ARGS,
                arity: $name::ARITY,
                source: include_str!(concat!("ops/", stringify!($module), ".rs")),
            },)*];

            /// Reads an operator's arguments, given by name. `None` if there is no such operator.
            pub fn parse(name: &str, call: Span, given: &[Given]) -> Option<Result<Op, Vec<Diagnostic>>> {
                match name {
                    $($name::NAME => Some(args::read::<$name>(call, given).map(Op::$name)),)*
                    _ => None,
                }
            }

            /// The row of the table.
            pub fn entry(&self) -> Entry {
                let name = match self { $(Op::$name(_) => $name::NAME,)* };
                *Op::TABLE.iter().find(|it| it.name == name).expect("every operator has a row")
            }

            /// The arguments that make it, by name, in the order of the table, without those at their
            /// defaults.
            pub fn written(&self) -> Vec<(&'static str, Value)> {
                match self { $(Op::$name(op) => args::written(op),)* }
            }

            /// See [`Operator::infer`].
            pub fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
                match self { $(Op::$name(op) => op.infer(inputs),)* }
            }

            /// See [`Operator::params`].
            pub fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
                match self { $(Op::$name(op) => op.params(inputs),)* }
            }

            /// See [`Operator::macs`].
            pub fn macs(&self, inputs: &[&Shape], output: &Shape) -> u64 {
                match self { $(Op::$name(op) => op.macs(inputs, output),)* }
            }

            /// See [`Operator::windows`].
            pub fn windows(&self, input: &Shape) -> Vec<Window> {
                match self { $(Op::$name(op) => op.windows(input),)* }
            }

            /// See [`Operator::eval`].
            pub fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
                match self { $(Op::$name(op) => op.eval(inputs, params),)* }
            }

            /// See [`Operator::lower`]; `None` for an operator that is no nest.
            pub fn lower(&self, inputs: &[&Shape], output: &Shape) -> Option<Nest> {
                match self {
                    $(Op::$name(op) => match op.suppress(inputs) {
                        Some(_) => None,
                        None => Some(op.lower(inputs, output)),
                    },)*
                }
            }

            /// See [`Operator::suppress`].
            pub fn suppress(&self, inputs: &[&Shape]) -> Option<Suppress> {
                match self { $(Op::$name(op) => op.suppress(inputs),)* }
            }

            /// See [`Operator::onnx`].
            pub fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<onnx::Node> {
                match self { $(Op::$name(op) => op.onnx(inputs, output),)* }
            }

            /// See [`Operator::pointwise`].
            pub fn pointwise(&self) -> Option<Expr> {
                match self { $(Op::$name(op) => op.pointwise(),)* }
            }

            /// See [`Operator::is_identity`].
            pub fn is_identity(&self) -> bool {
                match self { $(Op::$name(op) => op.is_identity(),)* }
            }

            /// See [`Operator::tolerance`].
            pub fn tolerance(&self) -> Tolerance {
                match self { $(Op::$name(op) => op.tolerance(),)* }
            }
        }
    };
}

operators! {
    conv::Conv,
    deconv::Deconv,
    fc::Fc,
    maxpool::MaxPool,
    avgpool::AvgPool,
    gap::Gap,
    gmp::Gmp,
    bn::Bn,
    relu::Relu,
    relu6::Relu6,
    leaky::Leaky,
    prelu::Prelu,
    elu::Elu,
    tanh::Tanh,
    sigmoid::Sigmoid,
    hardswish::HardSwish,
    hardsigmoid::HardSigmoid,
    silu::Silu,
    gelu::Gelu,
    softmax::Softmax,
    logsoftmax::LogSoftmax,
    dropout::Dropout,
    flatten::Flatten,
    add::Add,
    sub::Sub,
    mul::Mul,
    div::Div,
    max::Max,
    min::Min,
    concat::Concat,
    lrn::Lrn,
    l2norm::L2Norm,
    normalise::Normalise,
    reshape::Reshape,
    permute::Permute,
    slice::Slice,
    pad::Pad,
    param::Param,
    upsample::Upsample,
    reorg::Reorg,
    affine::Affine,
    clip::Clip,
    abs::Abs,
    exp::Exp,
    log::Log,
    sqrt::Sqrt,
    softplus::Softplus,
    mish::Mish,
    resize::ResizeTo,
    instancenorm::InstanceNorm,
    expand::Expand,
    take::Take,
    reduce::Reduce,
    matmul::MatMul,
    pow::Pow,
    sign::Sign,
    round::Round,
    ceil::Ceil,
    floor::Floor,
    erf::Erf,
    nms::Nms,
    filled::Filled,
    yolo::Yolo,
    region::Region,
    picture::Picture,
    argmaxpool::ArgMaxPool,
}

impl Op {
    /// The row of an operator by name.
    pub fn find(name: &str) -> Option<&'static Entry> {
        Op::TABLE.iter().find(|it| it.name == name)
    }
}
