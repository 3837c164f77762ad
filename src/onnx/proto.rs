//! The messages of an ONNX file that netc reads and writes, with the field numbers of the ONNX 1.22 schema
//! (IR version 13). Fields that netc has no use for are left out and skipped when decoding.

/// A model file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Model {
    /// The version of the format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The operator sets in use, by domain.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Who wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// In which version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Functions that nodes may name as operators.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Function>,
}

/// One operator set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSet {
    /// The domain; empty for ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A function of the model; netc only needs to know that there is one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Function {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A network.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Graph {
    /// The nodes, each after those whose values it reads.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants by name.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// Inputs; before IR version 4 also every initializer.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    /// What is known of other values.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
    /// Sparse constants; counted only, to refuse them.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<Empty>,
}

/// A message whose content does not matter.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}

/// An operator applied to named values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// Names of what it reads; empty for an optional operand left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of what it writes.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its own name, which may be empty.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// The operator's domain; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
    /// Attributes.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// A named attribute of a node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Which of the fields below is meant: 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
    /// A number.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// A whole number.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// Bytes, mostly text.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    /// A graph; counted only, to refuse control flow.
    #[prost(message, optional, tag = "6")]
    pub g: Option<Empty>,
    /// Numbers.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// Whole numbers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// Byte strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
}

/// A constant.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    /// Its extents; none for a scalar.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// The element type, as [`element`] names them.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Values of type f32.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Values of i32, i16, i8, u16, u8, bool, and bits of f16.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Values of type i64.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Its name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Values of any type, little-endian, instead of the typed fields.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Values of type f64.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Values of u32 and u64.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Where data outside the file lies: `location`, `offset`, `length`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    /// 1 if the data lies outside the file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
    /// Not 0 if the raw data was left in the file when that was read: which it is, counted from 1. No field of ONNX's.
    #[prost(uint64, tag = "19000")]
    pub stored: u64,
}

/// Fields of a [`Tensor`] by number.
pub(super) mod tag {
    /// [`raw_data`](super::Tensor::raw_data).
    pub(in crate::onnx) const RAW_DATA: u64 = 9;
    /// [`stored`](super::Tensor::stored): a number that no schema may use.
    pub(in crate::onnx) const STORED: u64 = 19_000;
}

/// A key and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A value's name and type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfo {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// A value's type; only dense tensors are of interest.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Type {
    /// A dense tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// Element type and extents of a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorType {
    /// The element type, as [`element`] names them.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// The extents, if the rank is known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// Extents of a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShape {
    /// One for each axis.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// An extent: a number, a name, or neither.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dimension {
    /// What is known of it.
    #[prost(oneof = "Extent", tags = "1, 2")]
    pub value: Option<Extent>,
}

/// What is known of an extent.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Extent {
    /// Its size.
    #[prost(int64, tag = "1")]
    Size(i64),
    /// A symbol that stands for it.
    #[prost(string, tag = "2")]
    Symbol(String),
}

/// Element types by number.
pub mod element {
    /// 32-bit floating point.
    pub const F32: i32 = 1;
    /// Unsigned bytes.
    pub const U8: i32 = 2;
    /// Signed bytes.
    pub const I8: i32 = 3;
    /// Unsigned 16-bit integers.
    pub const U16: i32 = 4;
    /// Signed 16-bit integers.
    pub const I16: i32 = 5;
    /// Signed 32-bit integers.
    pub const I32: i32 = 6;
    /// Signed 64-bit integers.
    pub const I64: i32 = 7;
    /// Text.
    pub const STRING: i32 = 8;
    /// Truth values, one byte each.
    pub const BOOL: i32 = 9;
    /// 16-bit floating point (IEEE 754 binary16).
    pub const F16: i32 = 10;
    /// 64-bit floating point.
    pub const F64: i32 = 11;
    /// Unsigned 32-bit integers.
    pub const U32: i32 = 12;
    /// Unsigned 64-bit integers.
    pub const U64: i32 = 13;
    /// 16-bit floating point with the exponent of f32.
    pub const BF16: i32 = 16;
}
