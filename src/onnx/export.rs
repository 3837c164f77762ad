//! Graphs as ONNX files.
//!
//! ```text
//! Graph --Draft::of--> Draft (nodes, and where constants lie) --write--> bytes, one tensor at a time
//! ```

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::proto::{self, Extent, element};
use crate::graph::{Graph, Names, NodeId, ParamId};
use crate::ops::onnx::{Attribute, Node, OPSET, Operand};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The version of the format, the first that knows [`OPSET`].
const IR_VERSION: i64 = 9;

/// The most bytes that a protobuf file may have.
pub const BYTES_MAX: u64 = i32::MAX as u64;

/// What a batch that is left open is called.
const BATCH: &str = "N";

const GRAPH_FIELD: u32 = 7;
const INITIALIZER_FIELD: u32 = 5;
const RAW_DATA_FIELD: u32 = 9;

/// A model that lacks only the values of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Without initializers.
    graph: proto::Graph,
    initializers: Vec<Initializer>,
}

/// A constant of the file.
#[derive(Clone, Debug, PartialEq)]
struct Initializer {
    name: String,
    dims: Vec<i64>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Param(ParamId),
    Ints(Vec<i64>),
    Numbers(Vec<f32>),
}

impl Draft {
    /// The model of a graph that no pass has changed.
    pub fn of(graph: &Graph) -> Draft {
        let mut writer = Writer::new(graph);
        for id in graph.order() {
            writer.layer(id);
        }
        writer.outputs();
        Draft { graph: writer.model, initializers: writer.initializers }
    }

    /// The same model with its batch left open, if `other`, made of the same net for another batch, shows that
    /// nothing but the extents of inputs and outputs depends on it.
    pub fn open(mut self, other: &Draft) -> Draft {
        if self.graph.node != other.graph.node || self.initializers != other.initializers {
            return self;
        }
        let ports = self.graph.input.iter_mut().chain(&mut self.graph.output);
        let others = other.graph.input.iter().chain(&other.graph.output);
        let mut opened = Vec::new();
        for (port, other) in ports.zip(others) {
            match open_port(port, other) {
                Some(port) => opened.push(port),
                None => return self,
            }
        }
        self.graph.output = opened.split_off(self.graph.input.len());
        self.graph.input = opened;
        self
    }

    /// Whether the batch is open.
    pub fn is_open(&self) -> bool {
        let extents = self.graph.input.iter().flat_map(dimensions);
        extents.into_iter().any(|it| matches!(it.value, Some(Extent::Symbol(_))))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> u64 {
        let (shell, graph) = (self.shell().encoded_len() as u64, self.graph_bytes());
        shell + (1 + encoded_len_varint(graph)) as u64 + graph
    }

    /// Writes the file; `tensor` gives the parameters' values, of which one is held at a time.
    pub fn write(&self, tensor: &dyn Fn(ParamId) -> Tensor, to: &mut dyn Write) -> io::Result<()> {
        let mut head = self.shell().encode_to_vec();
        encode_key(GRAPH_FIELD, WireType::LengthDelimited, &mut head);
        encode_varint(self.graph_bytes(), &mut head);
        self.graph.encode(&mut head).expect("a vector grows");
        to.write_all(&head)?;
        for it in &self.initializers {
            it.write(tensor, to)?;
        }
        Ok(())
    }

    /// The model without its graph.
    fn shell(&self) -> proto::Model {
        let opset = proto::OperatorSet { domain: String::new(), version: OPSET };
        proto::Model {
            ir_version: IR_VERSION,
            opset_import: vec![opset],
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..proto::Model::default()
        }
    }

    fn graph_bytes(&self) -> u64 {
        let field = |it: &Initializer| {
            let bytes = it.bytes();
            1 + encoded_len_varint(bytes) as u64 + bytes
        };
        self.graph.encoded_len() as u64 + self.initializers.iter().map(field).sum::<u64>()
    }
}

/// A port with its first extent left open if that is where the two differ; `None` if they differ elsewhere.
fn open_port(port: &proto::ValueInfo, other: &proto::ValueInfo) -> Option<proto::ValueInfo> {
    let differs: Vec<usize> = dimensions(port)
        .iter()
        .zip(dimensions(other))
        .enumerate()
        .filter_map(|(axis, (a, b))| (a != b).then_some(axis))
        .collect();
    let mut port = port.clone();
    match differs.as_slice() {
        [] => {}
        [0] => {
            let tensor = port.r#type.as_mut()?.tensor_type.as_mut()?;
            tensor.shape.as_mut()?.dim[0].value = Some(Extent::Symbol(BATCH.to_owned()));
        }
        _ => return None,
    }
    Some(port)
}

fn dimensions(port: &proto::ValueInfo) -> &[proto::Dimension] {
    let tensor = port.r#type.as_ref().and_then(|it| it.tensor_type.as_ref());
    tensor.and_then(|it| it.shape.as_ref()).map_or(&[], |it| &it.dim)
}

impl Initializer {
    /// The message without its values.
    fn head(&self) -> proto::Tensor {
        let data_type = match self.values {
            Values::Ints(_) => element::I64,
            Values::Param(_) | Values::Numbers(_) => element::F32,
        };
        let (dims, name) = (self.dims.clone(), self.name.clone());
        proto::Tensor { dims, data_type, name, ..proto::Tensor::default() }
    }

    /// The bytes of the values.
    fn size(&self) -> u64 {
        let elements: i64 = self.dims.iter().product();
        let each = if matches!(self.values, Values::Ints(_)) { 8 } else { 4 };
        elements as u64 * each
    }

    /// The bytes of the message.
    fn bytes(&self) -> u64 {
        let size = self.size();
        self.head().encoded_len() as u64 + 1 + encoded_len_varint(size) as u64 + size
    }

    fn write(&self, tensor: &dyn Fn(ParamId) -> Tensor, to: &mut dyn Write) -> io::Result<()> {
        let mut head = Vec::new();
        encode_key(INITIALIZER_FIELD, WireType::LengthDelimited, &mut head);
        encode_varint(self.bytes(), &mut head);
        self.head().encode(&mut head).expect("a vector grows");
        encode_key(RAW_DATA_FIELD, WireType::LengthDelimited, &mut head);
        encode_varint(self.size(), &mut head);
        to.write_all(&head)?;
        match &self.values {
            Values::Param(id) => write_numbers(&tensor(*id).data, to),
            Values::Numbers(numbers) => write_numbers(numbers, to),
            Values::Ints(ints) => ints.iter().try_for_each(|it| to.write_all(&it.to_le_bytes())),
        }
    }
}

fn write_numbers(numbers: &[f32], to: &mut dyn Write) -> io::Result<()> {
    match cfg!(target_endian = "little") {
        true => to.write_all(bytemuck::cast_slice(numbers)),
        false => numbers.iter().try_for_each(|it| to.write_all(&it.to_le_bytes())),
    }
}

/// A model while its nodes are written.
struct Writer<'a> {
    graph: &'a Graph,
    model: proto::Graph,
    initializers: Vec<Initializer>,
    /// What each value is called.
    values: HashMap<NodeId, String>,
    /// What each parameter is called, under the extents in which it is read.
    params: HashMap<(ParamId, Vec<i64>), String>,
    written: HashSet<ParamId>,
    /// Their paths, or names in their place where an input or a result has that name.
    paths: Vec<String>,
    /// The result that a node makes first, which gives its value the name.
    results: HashMap<NodeId, String>,
    taken: Names,
    taken_nodes: Names,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut writer = Writer {
            graph,
            model: proto::Graph { name: graph.name.clone(), ..proto::Graph::default() },
            initializers: Vec::new(),
            values: HashMap::new(),
            params: HashMap::new(),
            written: HashSet::new(),
            paths: Vec::new(),
            results: HashMap::new(),
            taken: Names::default(),
            taken_nodes: Names::default(),
        };
        for &id in graph.inputs() {
            let node = graph.node(id);
            let name = writer.taken.free(&node.path);
            writer.model.input.push(port(&name, &node.shape));
            writer.values.insert(id, name);
        }
        for output in graph.outputs() {
            let name = writer.taken.free(&output.name);
            writer.model.output.push(port(&name, &graph.node(output.node).shape));
            if graph.layer(output.node).is_some() {
                writer.results.entry(output.node).or_insert(name);
            }
        }
        for param in graph.params() {
            let name = writer.taken.free(&param.path);
            writer.paths.push(name);
        }
        writer
    }

    fn layer(&mut self, id: NodeId) {
        let graph = self.graph;
        let (node, Some(layer)) = (graph.node(id), graph.layer(id)) else { return };
        assert!(layer.epilogue.is_empty(), "only a graph as it was written is exported");
        let nodes = layer.op.onnx(&graph.operand_shapes(id), &node.shape);
        let name = self.taken_nodes.free(&node.path);
        let (mut made, count) = (Vec::new(), nodes.len());
        for (at, it) in nodes.into_iter().enumerate() {
            let name = match at + 1 == count {
                true => name.clone(),
                false => self.taken_nodes.free(&format!("{name}/{}", it.operator)),
            };
            let value = match self.results.get(&id) {
                Some(result) if at + 1 == count => result.clone(),
                _ => self.taken.free(&name),
            };
            self.node(&it, id, name, &value, &made);
            made.push(value);
        }
        let value = made.pop().expect("an operator is at least one node");
        self.values.insert(id, value);
    }

    fn node(&mut self, node: &Node, layer: NodeId, name: String, value: &str, made: &[String]) {
        let operands = node.operands.iter().enumerate();
        let mut input: Vec<String> =
            operands.map(|(at, it)| self.operand(it, layer, (&name, at), made)).collect();
        while input.last().is_some_and(String::is_empty) {
            input.pop();
        }
        let first = node.second.then(|| self.taken.free(&format!("{name}/first")));
        self.model.node.push(proto::Node {
            input,
            output: first.into_iter().chain([value.to_owned()]).collect(),
            name,
            op_type: node.operator.to_owned(),
            attribute: node.attributes.iter().map(|it| attribute(it.0, &it.1)).collect(),
            ..proto::Node::default()
        });
    }

    /// The name of what a node reads, `place` being the node and the position among its operands.
    fn operand(
        &mut self,
        it: &Operand,
        layer: NodeId,
        place: (&str, usize),
        made: &[String],
    ) -> String {
        let graph = self.graph;
        let param = |at: &usize| graph.layer(layer).expect("layers have parameters").params[*at];
        match it {
            Operand::Absent => String::new(),
            Operand::Input(at) => self.values[&graph.node(layer).operands()[*at]].clone(),
            Operand::Node(at) => made[*at].clone(),
            Operand::Param(at) => {
                let id = param(at);
                self.param(id, graph.param(id).shape.dims())
            }
            Operand::Shaped(at, dims) => self.param(param(at), dims),
            Operand::Ints(ints) => self.constant(place, &[ints.len()], Values::Ints(ints.clone())),
            Operand::Number(it) => self.constant(place, &[], Values::Numbers(vec![*it])),
            Operand::Numbers(it, dims) => self.constant(place, dims, Values::Numbers(it.clone())),
        }
    }

    fn param(&mut self, id: ParamId, dims: &[usize]) -> String {
        let dims = whole(dims);
        let key = (id, dims);
        if let Some(name) = self.params.get(&key) {
            return name.clone();
        }
        let path = &self.paths[id.0];
        let is_first = self.written.insert(id);
        let name = if is_first { path.clone() } else { self.taken.free(path) };
        self.params.insert(key.clone(), name.clone());
        let dims = key.1;
        self.initializers.push(Initializer { name: name.clone(), dims, values: Values::Param(id) });
        name
    }

    fn constant(&mut self, (node, at): (&str, usize), dims: &[usize], values: Values) -> String {
        let name = self.taken.free(&format!("{node}:{at}"));
        self.initializers.push(Initializer { name: name.clone(), dims: whole(dims), values });
        name
    }

    /// Passes on what has another name than its result: inputs, and values that are several results.
    fn outputs(&mut self) {
        for (output, port) in self.graph.outputs().iter().zip(&self.model.output) {
            let value = &self.values[&output.node];
            if *value != port.name {
                self.model.node.push(proto::Node {
                    input: vec![value.clone()],
                    output: vec![port.name.clone()],
                    name: self.taken_nodes.free(&port.name),
                    op_type: "Identity".to_owned(),
                    ..proto::Node::default()
                });
            }
        }
    }
}

fn whole(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|&it| i64::try_from(it).expect("extents are small")).collect()
}

fn port(name: &str, shape: &Shape) -> proto::ValueInfo {
    let extent = |it| proto::Dimension { value: Some(Extent::Size(it)) };
    let shape = proto::TensorShape { dim: whole(shape.dims()).into_iter().map(extent).collect() };
    let tensor = proto::TensorType { elem_type: element::F32, shape: Some(shape) };
    proto::ValueInfo {
        name: name.to_owned(),
        r#type: Some(proto::Type { tensor_type: Some(tensor) }),
    }
}

fn attribute(name: &str, value: &Attribute) -> proto::Attribute {
    let of = |r#type| proto::Attribute { name: name.to_owned(), r#type, ..Default::default() };
    match value {
        Attribute::Number(it) => proto::Attribute { f: *it, ..of(1) },
        Attribute::Int(it) => proto::Attribute { i: *it, ..of(2) },
        Attribute::Word(it) => proto::Attribute { s: it.as_bytes().to_vec(), ..of(3) },
        Attribute::Ints(it) => proto::Attribute { ints: it.clone(), ..of(7) },
    }
}
