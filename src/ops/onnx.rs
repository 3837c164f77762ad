//! What an operator is in ONNX's operators: a few nodes, as plain data. Knows no file.

use crate::shape::{Shape, Window};

/// The version of ONNX's operators that [`Node`]s name.
pub const OPSET: i64 = 20;

/// ONNX's number for elements of f32.
pub(super) const F32: i64 = 1;

/// One of ONNX's operators, applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What ONNX calls it.
    pub operator: &'static str,
    /// What it reads.
    pub operands: Vec<Operand>,
    /// Attributes by name; those left out have ONNX's defaults.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Whether its second result is meant, not its first.
    pub second: bool,
}

/// What a node reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// Nothing, where ONNX allows that.
    Absent,
    /// An operand of the layer.
    Input(usize),
    /// A parameter of the layer.
    Param(usize),
    /// A parameter of the layer under other extents.
    Shaped(usize, Vec<usize>),
    /// The result of an earlier node of the same list.
    Node(usize),
    /// A list of whole numbers.
    Ints(Vec<i64>),
    /// A number.
    Number(f32),
    /// Numbers of these extents.
    Numbers(Vec<f32>, Vec<usize>),
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number, or 1 for yes.
    Int(i64),
    /// A list of whole numbers.
    Ints(Vec<i64>),
    /// A number.
    Number(f32),
    /// A word.
    Word(&'static str),
}

impl Node {
    /// An operator of these operands.
    pub fn of(operator: &'static str, operands: impl IntoIterator<Item = Operand>) -> Node {
        let operands = operands.into_iter().collect();
        Node { operator, operands, attributes: Vec::new(), second: false }
    }

    /// An operator of the layer's only operand.
    pub fn map(operator: &'static str) -> Node {
        Node::of(operator, [Operand::Input(0)])
    }

    /// The second result of this.
    #[must_use]
    pub fn second(self) -> Node {
        Node { second: true, ..self }
    }

    fn with(mut self, name: &'static str, value: Attribute) -> Node {
        self.attributes.push((name, value));
        self
    }

    /// Adds a whole number.
    #[must_use]
    pub fn int(self, name: &'static str, it: i64) -> Node {
        self.with(name, Attribute::Int(it))
    }

    /// Adds a list of whole numbers.
    #[must_use]
    pub fn ints(self, name: &'static str, it: impl IntoIterator<Item = usize>) -> Node {
        self.with(name, Attribute::Ints(ints(it)))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &'static str, it: f32) -> Node {
        self.with(name, Attribute::Number(it))
    }

    /// Adds a word.
    #[must_use]
    pub fn word(self, name: &'static str, it: &'static str) -> Node {
        self.with(name, Attribute::Word(it))
    }

    /// Adds the number of slices that the channels are cut into.
    #[must_use]
    pub fn groups(self, groups: usize) -> Node {
        self.int("group", i64::try_from(groups).expect("extents are small"))
    }

    /// Adds what windows say: `kernel_shape`, `strides`, `dilations` and `pads`.
    #[must_use]
    pub fn windows(self, windows: &[Window]) -> Node {
        let before = windows.iter().map(|it| it.before);
        let pads = before.chain(windows.iter().map(|it| it.after));
        self.ints("kernel_shape", windows.iter().map(|it| it.kernel))
            .ints("strides", windows.iter().map(|it| it.stride))
            .ints("dilations", windows.iter().map(|it| it.dilation))
            .ints("pads", pads)
    }
}

impl Operand {
    /// All operands of a layer that takes so many, in order.
    pub(super) fn inputs(inputs: &[&Shape]) -> impl Iterator<Item = Operand> {
        (0..inputs.len()).map(Operand::Input)
    }

    /// One number for each channel of a value, to be combined with it.
    pub(super) fn channels(numbers: Vec<f32>, value: &Shape) -> Operand {
        let extents = per_channel(numbers.len(), value);
        Operand::Numbers(numbers, extents)
    }
}

/// `[C, 1, ..]`: the extents under which a vector combines with the channels of a value.
pub(super) fn per_channel(count: usize, value: &Shape) -> Vec<usize> {
    let ones = value.spatial().iter().map(|_| 1);
    [count].into_iter().chain(ones).collect()
}

/// Combines the operands from the left, two at a time.
pub(super) fn fold(operator: &'static str, inputs: &[&Shape]) -> Vec<Node> {
    let left = |at: usize| if at == 1 { Operand::Input(0) } else { Operand::Node(at - 2) };
    (1..inputs.len()).map(|at| Node::of(operator, [left(at), Operand::Input(at)])).collect()
}

/// Extents as ONNX lists them.
pub(super) fn ints(it: impl IntoIterator<Item = usize>) -> Vec<i64> {
    it.into_iter().map(|it| i64::try_from(it).expect("extents are small")).collect()
}
