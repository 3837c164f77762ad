//! Changes to a decoded model: operators, attributes, names and constants, each somewhere.

use netc::onnx::proto::{Attribute, Extent, Model, Node, Tensor, element};

const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "LpPool",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "NonMaxSuppression",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    "Where",
];

const ATTRIBUTES: &[&str] = &[
    "allowzero",
    "alpha",
    "antialias",
    "approximate",
    "auto_pad",
    "axes",
    "axis",
    "beta",
    "block_size",
    "blocksize",
    "broadcast",
    "ceil_mode",
    "coordinate_transformation_mode",
    "count_include_pad",
    "cubic_coeff_a",
    "dilations",
    "end",
    "ends",
    "epsilon",
    "exclude_outside",
    "fmod",
    "group",
    "keepdims",
    "kernel_shape",
    "max",
    "min",
    "mode",
    "nearest_mode",
    "noop_with_empty_axes",
    "num_groups",
    "num_outputs",
    "output_padding",
    "output_shape",
    "p",
    "pads",
    "perm",
    "scales",
    "shape",
    "size",
    "split",
    "start",
    "starts",
    "steps",
    "strides",
    "to",
    "training_mode",
    "transA",
    "transB",
    "value",
    "value_float",
    "value_floats",
    "value_int",
    "value_ints",
];

const WORDS: &[&str] = &[
    "",
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "NOTSET",
    "DCR",
    "CRD",
    "linear",
    "nearest",
    "cubic",
    "reflect",
    "edge",
    "wrap",
    "constant",
    "align_corners",
    "tanh",
    "asymmetric",
    "tf_crop_and_resize",
    "half_pixel",
    "floor",
    "ceil",
    "not_larger",
    "not_smaller",
];

const NUMBERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    3,
    -2,
    4,
    7,
    8,
    9,
    64,
    255,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    1 << 40,
    i64::MAX,
    i64::MIN,
];

const ELEMENTS: &[i32] = &[
    element::F32,
    element::I64,
    element::I32,
    element::U8,
    element::BOOL,
    element::F16,
    element::F64,
    element::STRING,
];

/// A model with one to three changes.
pub(crate) fn mutate(mut model: Model, seed: u32) -> Model {
    let mut dice = Dice(u64::from(seed) | 1 << 40);
    for _ in 0..=dice.below(3) {
        change(&mut model, &mut dice);
    }
    model
}

/// A stream of numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len());
        of.get(at)
    }

    fn number(&mut self) -> i64 {
        match self.below(3) {
            0 => self.below(5) as i64,
            _ => *self.pick(NUMBERS).expect("there are numbers"),
        }
    }

    fn word(&mut self, of: &[&str]) -> String {
        (*self.pick(of).expect("there are words")).to_owned()
    }
}

fn change(model: &mut Model, dice: &mut Dice) {
    if dice.below(20) == 0 {
        let version = [1, 5, 6, 7, 9, 10, 11, 12, 13, 18, 20, 22][dice.below(12)];
        model.opset_import.iter_mut().for_each(|it| it.version = version);
    }
    let Some(graph) = &mut model.graph else { return };
    let mut names: Vec<String> = graph.input.iter().map(|it| it.name.clone()).collect();
    names.extend(graph.initializer.iter().map(|it| it.name.clone()));
    names.extend(graph.node.iter().flat_map(|it| it.output.clone()));
    names.push(String::new());
    let name = dice.pick(&names).cloned().unwrap_or_default();
    let at = dice.below(graph.node.len());
    match dice.below(12) {
        0 => {
            if let Some(node) = graph.node.get_mut(at) {
                node.op_type = dice.word(OPERATORS);
            }
        }
        1 | 2 => {
            if let Some(node) = graph.node.get_mut(at) {
                match dice.below(node.input.len() + 1) {
                    end if end == node.input.len() => node.input.push(name),
                    operand => node.input[operand] = name,
                }
            }
        }
        3..=5 => {
            if let Some(node) = graph.node.get_mut(at) {
                match dice.below(node.attribute.len() + 1) {
                    end if end == node.attribute.len() => {
                        let mut new =
                            Attribute { name: dice.word(ATTRIBUTES), ..Attribute::default() };
                        fill(&mut new, dice);
                        node.attribute.push(new);
                    }
                    old => fill(&mut node.attribute[old], dice),
                }
            }
        }
        6 => add_node(&mut graph.node, &mut graph.output, name, dice),
        7 if graph.node.len() > 1 => {
            let gone = graph.node.remove(at);
            if let (Some(output), Some(input)) = (graph.output.first_mut(), gone.input.first()) {
                output.name = input.clone();
            }
        }
        8 => {
            if let Some(output) = graph.output.first_mut() {
                output.name = name;
            }
        }
        9 => {
            let at = dice.below(graph.input.len());
            let shape = graph.input.get_mut(at).and_then(|it| it.r#type.as_mut());
            let shape =
                shape.and_then(|it| it.tensor_type.as_mut()).and_then(|it| it.shape.as_mut());
            if let Some(shape) = shape {
                let axis = dice.below(shape.dim.len());
                if let Some(dim) = shape.dim.get_mut(axis) {
                    dim.value = Some(Extent::Size(dice.number()));
                }
            }
        }
        _ => {
            let at = dice.below(graph.initializer.len());
            if let Some(tensor) = graph.initializer.get_mut(at) {
                constant(tensor, dice);
            }
        }
    }
}

fn fill(attribute: &mut Attribute, dice: &mut Dice) {
    match dice.below(5) {
        0 => attribute.i = dice.number(),
        1 => {
            attribute.f = [0.0, 1.0, -1.0, 0.5, 1e-30, f32::INFINITY, f32::NAN, 1e30][dice.below(8)]
        }
        2 => attribute.s = dice.word(WORDS).into_bytes(),
        3 => {
            let at = dice.below(attribute.ints.len() + 1);
            let number = dice.number();
            match attribute.ints.get_mut(at) {
                Some(old) => *old = number,
                None => attribute.ints.push(number),
            }
        }
        _ => {
            let mut tensor = attribute.t.take().unwrap_or_default();
            constant(&mut tensor, dice);
            attribute.t = Some(tensor);
        }
    }
}

/// Another extent, type or value; mostly with as many values as the extents then say.
fn constant(tensor: &mut Tensor, dice: &mut Dice) {
    match dice.below(4) {
        0 => {
            let at = dice.below(tensor.dims.len() + 1);
            let number = dice.number();
            match tensor.dims.get_mut(at) {
                Some(old) => *old = number,
                None => tensor.dims.push(number),
            }
        }
        1 => drop(tensor.dims.pop()),
        2 => tensor.data_type = *dice.pick(ELEMENTS).expect("there are types"),
        _ => {}
    }
    let count = tensor.dims.iter().try_fold(1_i64, |product, &it| product.checked_mul(it));
    let Some(count @ 0..1024) = count else { return };
    if dice.below(8) == 0 {
        return;
    }
    let numbers: Vec<i64> = (0..count).map(|_| dice.number()).collect();
    *tensor = Tensor {
        name: tensor.name.clone(),
        dims: tensor.dims.clone(),
        data_type: tensor.data_type,
        ..Tensor::default()
    };
    match tensor.data_type {
        element::F32 if dice.below(2) == 0 => {
            tensor.raw_data = numbers.iter().flat_map(|&it| (it as f32).to_le_bytes()).collect();
        }
        element::I64 if dice.below(2) == 0 => {
            tensor.raw_data = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
        }
        element::F32 => tensor.float_data = numbers.iter().map(|&it| it as f32).collect(),
        element::F64 => tensor.double_data = numbers.iter().map(|&it| it as f64).collect(),
        element::I64 => tensor.int64_data = numbers,
        _ => tensor.int32_data = numbers.iter().map(|&it| it as i32).collect(),
    }
}

/// Puts a node behind the last ones, which the first output then shows.
fn add_node(
    nodes: &mut Vec<Node>,
    outputs: &mut [netc::onnx::proto::ValueInfo],
    input: String,
    dice: &mut Dice,
) {
    let made = format!("made{}", nodes.len());
    let before = nodes.last().and_then(|it| it.output.first()).cloned().unwrap_or_default();
    let operand = [input, before];
    nodes.push(Node {
        op_type: dice.word(OPERATORS),
        input: operand[dice.below(2)..].to_vec(),
        output: vec![made.clone()],
        ..Node::default()
    });
    if let Some(output) = outputs.first_mut() {
        output.name = made;
    }
}
