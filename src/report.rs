//! What a network costs: data first, then its printers.
//!
//! One row for each application of a layer, in the order of the file, inputs not. Knows nothing of
//! terminals; the data is exact, and only the text for people rounds.

mod field;
mod layout;
mod print;
pub mod svg;

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::graph::{Graph, NodeId, ParamId, Source};
use crate::shape::Shape;

pub use print::{bytes, counted, shown, thousands};

/// The costs of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The net's name.
    pub net: String,
    /// Its inputs with their shapes, batch first.
    pub inputs: Vec<(String, Shape)>,
    /// One row for each application of a layer.
    pub rows: Vec<Row>,
    /// Its results with their shapes, batch first.
    pub outputs: Vec<(String, Shape)>,
    /// The sums.
    pub totals: Totals,
}

/// The costs of one application of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The layer's path.
    pub path: String,
    /// The operator.
    pub op: &'static str,
    /// The shape of what it makes, batch first.
    pub shape: Shape,
    /// Elements of one sample of what it makes.
    pub elements: u64,
    /// Learned numbers; 0 where an earlier row has counted them.
    pub params: u64,
    /// Statistics of batch normalisation; 0 where an earlier row has counted them.
    pub buffers: u64,
    /// Multiply-accumulate operations for one sample.
    pub macs: u64,
    /// The rows (then columns, ..) of the inputs that one element depends on, padding included.
    pub receptive_field: Vec<u64>,
}

/// The sums over all layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Learned numbers, shared ones once.
    pub params: u64,
    /// Statistics of batch normalisation, shared ones once.
    pub buffers: u64,
    /// Multiply-accumulate operations for one sample.
    pub macs: u64,
    /// The size of a weights file's data: 4 bytes for each learned number and statistic.
    pub weight_bytes: u64,
    /// The memory for values while the net runs, if it has been planned.
    pub arena_bytes: Option<u64>,
}

/// The order in which extents are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Channels first, as netc has it: `[C, H, W]`.
    #[default]
    Chw,
    /// Channels last, as the course has it: `[H, W, C]`.
    Hwc,
}

impl Order {
    /// The extents of one sample in this order.
    pub fn sample(self, shape: &Shape) -> Vec<usize> {
        let mut dims = shape.sample().to_vec();
        if self == Order::Hwc && !dims.is_empty() {
            dims.rotate_left(1);
        }
        dims
    }

    /// All extents in this order, batch first.
    pub fn all(self, shape: &Shape) -> Vec<usize> {
        let mut dims = shape.dims().to_vec();
        if self == Order::Hwc && dims.len() > 1 {
            dims[1..].rotate_left(1);
        }
        dims
    }
}

impl Report {
    /// The costs of a graph as it stands in the file; `arena_bytes` comes from its plan.
    pub fn of(graph: &Graph, arena_bytes: Option<u64>) -> Report {
        let mut counted = HashSet::new();
        let order = graph.order();
        let fields = field::receptive_fields(graph, &order);
        let layers = order.iter().filter(|it| graph.layer(**it).is_some());
        let rows: Vec<Row> =
            layers.map(|&id| row(graph, id, fields[&id].clone(), &mut counted)).collect();
        let params = rows.iter().map(|it| it.params).sum();
        let buffers = rows.iter().map(|it| it.buffers).sum();
        Report {
            net: graph.name.clone(),
            inputs: named(
                graph,
                graph.inputs().iter().map(|&it| (graph.node(it).path.as_str(), it)),
            ),
            outputs: named(graph, graph.outputs().iter().map(|it| (it.name.as_str(), it.node))),
            totals: Totals {
                params,
                buffers,
                macs: rows.iter().map(|it| it.macs).sum(),
                weight_bytes: 4 * (params + buffers),
                arena_bytes,
            },
            rows,
        }
    }

    /// The report as the JSON object that the command line promises.
    pub fn json(&self, order: Order) -> Value {
        let values = |it: &[(String, Shape)]| -> Vec<Value> {
            it.iter()
                .map(|(name, shape)| json!({"name": name, "shape": order.all(shape)}))
                .collect()
        };
        let layers: Vec<Value> = self
            .rows
            .iter()
            .map(|it| {
                json!({
                    "path": it.path, "op": it.op, "shape": order.sample(&it.shape),
                    "elements": it.elements, "params": it.params, "buffers": it.buffers,
                    "macs": it.macs, "receptive_field": it.receptive_field,
                })
            })
            .collect();
        let totals = self.totals;
        json!({
            "schema": 1,
            "net": self.net,
            "inputs": values(&self.inputs),
            "layers": layers,
            "outputs": values(&self.outputs),
            "totals": {
                "params": totals.params, "buffers": totals.buffers, "macs": totals.macs,
                "weight_bytes": totals.weight_bytes, "arena_bytes": totals.arena_bytes,
            },
        })
    }
}

fn named<'a>(
    graph: &Graph,
    values: impl Iterator<Item = (&'a str, NodeId)>,
) -> Vec<(String, Shape)> {
    values.map(|(name, id)| (name.to_owned(), graph.node(id).shape.clone())).collect()
}

/// The samples of a run: the inputs' batch, whatever a layer on the way takes for its own.
pub fn samples(graph: &Graph) -> u64 {
    let batches = graph.inputs().iter().map(|&it| graph.node(it).shape.batch() as u64);
    batches.min().unwrap_or(1)
}

fn row(
    graph: &Graph,
    id: NodeId,
    receptive_field: Vec<u64>,
    counted: &mut HashSet<ParamId>,
) -> Row {
    let node = graph.node(id);
    let layer = graph.layer(id).expect("a row is a layer's");
    let mut params = 0;
    let mut buffers = 0;
    for &param in layer.params.iter().filter(|it| counted.insert(**it)) {
        let elements = graph.param(param).shape.elements() as u64;
        match graph.param(param).source {
            Source::Learned(_) => params += elements,
            Source::Statistic(_) => buffers += elements,
            Source::Fixed(_) | Source::Derived(_) => {}
        }
    }
    Row {
        path: node.path.clone(),
        op: layer.op.entry().name,
        shape: node.shape.clone(),
        elements: node.shape.elements() as u64 / node.shape.batch() as u64,
        params,
        buffers,
        macs: layer.op.macs(&graph.operand_shapes(id), &node.shape) / samples(graph),
        receptive_field,
    }
}
