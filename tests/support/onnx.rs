//! ONNX models written by hand.

use netc::onnx::proto::{
    self, Attribute, Dimension, Extent, Graph, Model, Node, OperatorSet, Tensor, TensorShape,
    TensorType, Type, ValueInfo,
};

/// A model of one graph.
pub(crate) fn model(
    opset: i64,
    inputs: &[ValueInfo],
    nodes: &[Node],
    constants: &[Tensor],
    outputs: &[&str],
) -> Model {
    let output = outputs.iter().map(|it| value(it, proto::element::F32, None)).collect();
    let graph = Graph {
        node: nodes.to_vec(),
        name: "graph".to_owned(),
        initializer: constants.to_vec(),
        input: inputs.to_vec(),
        output,
        ..Graph::default()
    };
    Model {
        ir_version: 8,
        opset_import: vec![OperatorSet { domain: String::new(), version: opset }],
        graph: Some(graph),
        ..Model::default()
    }
}

/// An input; a negative extent is an open one.
pub(crate) fn input(name: &str, element: i32, dims: &[i64]) -> ValueInfo {
    value(name, element, Some(dims))
}

fn value(name: &str, elem_type: i32, dims: Option<&[i64]>) -> ValueInfo {
    let extent = |&it: &i64| {
        let open = || Extent::Symbol("open".to_owned());
        Dimension { value: Some(if it < 0 { open() } else { Extent::Size(it) }) }
    };
    let shape = dims.map(|it| TensorShape { dim: it.iter().map(extent).collect() });
    let tensor_type = Some(TensorType { elem_type, shape });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
}

/// `output = operator(inputs)`, with names separated by spaces; `_` leaves an operand out.
pub(crate) fn node(operator: &str, inputs: &str, outputs: &str, attributes: &[Attribute]) -> Node {
    let names = |it: &str| {
        it.split(' ').map(|it| if it == "_" { String::new() } else { it.to_owned() }).collect()
    };
    Node {
        input: if inputs.is_empty() { Vec::new() } else { names(inputs) },
        output: names(outputs),
        op_type: operator.to_owned(),
        attribute: attributes.to_vec(),
        ..Node::default()
    }
}

pub(crate) fn int(name: &str, it: i64) -> Attribute {
    Attribute { name: name.to_owned(), r#type: 2, i: it, ..Attribute::default() }
}

pub(crate) fn ints(name: &str, it: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), r#type: 7, ints: it.to_vec(), ..Attribute::default() }
}

pub(crate) fn float(name: &str, it: f32) -> Attribute {
    Attribute { name: name.to_owned(), r#type: 1, f: it, ..Attribute::default() }
}

pub(crate) fn text(name: &str, it: &str) -> Attribute {
    Attribute { name: name.to_owned(), r#type: 3, s: it.into(), ..Attribute::default() }
}

/// A constant of f32.
pub(crate) fn floats(name: &str, dims: &[i64], data: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: proto::element::F32,
        raw_data: data.iter().flat_map(|it| it.to_le_bytes()).collect(),
        ..Tensor::default()
    }
}

/// A constant list of i64.
pub(crate) fn list(name: &str, data: &[i64]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: vec![data.len() as i64],
        data_type: proto::element::I64,
        int64_data: data.to_vec(),
        ..Tensor::default()
    }
}
