//! The model: layers over values, with every shape known.
//!
//! Knows nothing of text (but the spans that its nodes came from), files or machines.

mod names;
pub mod print;
pub mod verify;

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

use crate::diag::Span;
use crate::ops::{Init, Op, ParamSpec, Role};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub(crate) use names::Names;

/// A node of a [`Graph`]; stable while other nodes come and go.
pub type NodeId = NodeIndex<u32>;

/// A parameter of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// A network: a directed graph without cycles.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The net's name.
    pub name: String,
    nodes: StableDiGraph<Node, ()>,
    inputs: Vec<NodeId>,
    outputs: Vec<Output>,
    params: Vec<Param>,
    next_position: usize,
}

/// A value and the layer that makes it. A node is born with its shape.
#[derive(Clone, Debug)]
pub struct Node {
    /// The layer's path in the weights and in reports (`layer1.0.conv1`), or the input's name. Applications
    /// of one shared layer have one path.
    pub path: String,
    /// Where it stands in the `.net` file.
    pub span: Span,
    /// The value's extents, batch first.
    pub shape: Shape,
    /// What makes the value.
    pub kind: Kind,
    /// The values that it reads, in order.
    operands: Vec<NodeId>,
    /// Its position in the order of the file.
    position: usize,
}

/// What makes a value.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every node is a layer")]
pub enum Kind {
    /// The caller.
    Input,
    /// A layer.
    Layer(Layer),
}

/// An operator applied to operands and parameters, and what was fused behind it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The operator with its arguments.
    pub op: Op,
    /// The tensors that it needs, in the order of [`Op::params`].
    pub params: Vec<ParamId>,
    /// What happens to each element before it is stored, in order.
    pub epilogue: Vec<Epilogue>,
}

impl Layer {
    /// How many operands the epilogue adds; they stand behind the operator's own.
    pub fn added(&self) -> usize {
        self.epilogue.iter().filter_map(Epilogue::operand).count()
    }
}

/// One step between an element's computation and its only store.
#[derive(Clone, Debug, PartialEq)]
pub enum Epilogue {
    /// A pointwise operator ([`Op::pointwise`] is `Some`).
    Map(Op),
    /// Adds the same element of an operand of equal shape (a position among the node's operands).
    Add(usize),
}

/// A named result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The value.
    pub node: NodeId,
}

/// A tensor that layers need. Layers that share weights name the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its weight path: `layer1.0.conv1.weight`.
    pub path: String,
    /// Its extents.
    pub shape: Shape,
    /// Where its values come from.
    pub source: Source,
}

impl Param {
    /// The parameter that a layer asks for, under a path.
    pub fn new(path: String, spec: ParamSpec) -> Param {
        let source = match spec.role {
            Role::Learned => Source::Learned(spec.init),
            Role::Statistic => Source::Statistic(spec.init),
            Role::Fixed(tensor) => Source::Fixed(tensor),
        };
        Param { path, shape: spec.shape, source }
    }
}

/// Where a parameter's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Learned: from a weights file, or drawn at random.
    Learned(Init),
    /// A statistic of batch normalisation: from a weights file, or drawn at random.
    Statistic(Init),
    /// Written in the `.net` file.
    Fixed(Arc<Tensor>),
    /// Computed from other parameters before the first run, in f64.
    Derived(Derived),
}

/// A parameter computed from others.
#[derive(Clone, Debug, PartialEq)]
pub enum Derived {
    /// `weight * gamma / sqrt(var + eps)`, one factor for each index of `axis`.
    ScaledWeight {
        /// What is scaled.
        weight: ParamId,
        /// The axis of output channels.
        axis: usize,
        /// The normalisation that was folded.
        norm: Norm,
    },
    /// `(bias - mean) * gamma / sqrt(var + eps) + beta`; an absent bias is 0.
    ShiftedBias {
        /// What is shifted.
        bias: Option<ParamId>,
        /// The normalisation that was folded.
        norm: Norm,
    },
}

/// The parameters of a batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Scale.
    pub gamma: ParamId,
    /// Shift.
    pub beta: ParamId,
    /// Running mean.
    pub mean: ParamId,
    /// Running variance.
    pub var: ParamId,
    /// Added to the variance.
    pub eps: f32,
}

impl Node {
    /// The values that it reads, in order.
    pub fn operands(&self) -> &[NodeId] {
        &self.operands
    }

    /// The layer, or `None` for an input.
    pub fn layer(&self) -> Option<&Layer> {
        match &self.kind {
            Kind::Input => None,
            Kind::Layer(layer) => Some(layer),
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds an input.
    pub fn add_input(&mut self, name: impl Into<String>, shape: Shape, span: Span) -> NodeId {
        let node = self.add(Node {
            path: name.into(),
            span,
            shape,
            kind: Kind::Input,
            operands: Vec::new(),
            position: self.next_position,
        });
        self.inputs.push(node);
        node
    }

    /// Adds a layer whose shape has been inferred.
    pub fn add_layer(
        &mut self,
        path: impl Into<String>,
        span: Span,
        layer: Layer,
        operands: Vec<NodeId>,
        shape: Shape,
    ) -> NodeId {
        self.add(Node {
            path: path.into(),
            span,
            shape,
            kind: Kind::Layer(layer),
            operands,
            position: self.next_position,
        })
    }

    fn add(&mut self, node: Node) -> NodeId {
        let operands = node.operands.clone();
        self.next_position = self.next_position.max(node.position + 1);
        let id = self.nodes.add_node(node);
        for operand in operands {
            self.nodes.add_edge(operand, id, ());
        }
        id
    }

    /// Adds a parameter.
    pub fn add_param(&mut self, param: Param) -> ParamId {
        self.params.push(param);
        ParamId(self.params.len() - 1)
    }

    /// Names a value as a result.
    pub fn add_output(&mut self, name: impl Into<String>, node: NodeId) {
        self.outputs.push(Output { name: name.into(), node });
    }

    /// The inputs, in the order of the file.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The results, in the order of the file.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// All parameters, used or not.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// A parameter.
    pub fn param(&self, id: ParamId) -> &Param {
        &self.params[id.0]
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The layer behind a node; `None` for an input.
    pub fn layer(&self, id: NodeId) -> Option<&Layer> {
        self.nodes[id].layer()
    }

    /// The layer behind a node, to change it in place; panics on an input.
    pub fn layer_mut(&mut self, id: NodeId) -> &mut Layer {
        match &mut self.nodes[id].kind {
            Kind::Layer(layer) => layer,
            Kind::Input => panic!("an input is not a layer"),
        }
    }

    /// The shapes of a node's operands.
    pub fn operand_shapes(&self, id: NodeId) -> Vec<&Shape> {
        self.nodes[id].operands.iter().map(|&it| &self.nodes[it].shape).collect()
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.node_count() == 0
    }

    /// Every node after its operands, otherwise in the order of the file.
    pub fn order(&self) -> Vec<NodeId> {
        let mut missing: HashMap<NodeId, usize> =
            self.nodes.node_indices().map(|it| (it, self.nodes[it].operands.len())).collect();
        let key = |it: NodeId| std::cmp::Reverse((self.nodes[it].position, it));
        let ready = self.nodes.node_indices().filter(|it| missing[it] == 0);
        let mut ready: BinaryHeap<_> = ready.map(key).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(std::cmp::Reverse((_, node))) = ready.pop() {
            order.push(node);
            for user in self.nodes.neighbors_directed(node, Direction::Outgoing) {
                let left = missing.get_mut(&user).expect("every node is counted");
                *left -= 1;
                if *left == 0 {
                    ready.push(key(user));
                }
            }
        }
        assert_eq!(order.len(), self.len(), "a graph has no cycle");
        order
    }

    /// The nodes that read a value, each once, in the order of the file.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<_> = self.nodes.neighbors_directed(id, Direction::Outgoing).collect();
        users.sort_by_key(|&it| (self.nodes[it].position, it));
        users.dedup();
        users
    }

    /// A node besides `user` that reads a value, if there is one; quick however many there are.
    pub fn other_user(&self, id: NodeId, user: NodeId) -> Option<NodeId> {
        self.nodes.neighbors_directed(id, Direction::Outgoing).find(|&it| it != user)
    }

    /// Whether a value is a result of the net.
    pub fn is_output(&self, id: NodeId) -> bool {
        self.outputs.iter().any(|it| it.node == id)
    }

    /// Gives a node other operands. Edges of operands that it begins with already stay, so that a value with
    /// many users costs nothing.
    pub fn set_operands(&mut self, id: NodeId, operands: Vec<NodeId>) {
        let old = &self.nodes[id].operands;
        let kept = old.iter().zip(&operands).take_while(|(old, new)| old == new).count();
        let mut gone = old[kept..].to_vec();
        let incoming: Vec<_> = self
            .nodes
            .edges_directed(id, Direction::Incoming)
            .map(|it| (EdgeRef::id(&it), it.source()))
            .collect();
        for (edge, from) in incoming {
            if let Some(at) = gone.iter().position(|&it| it == from) {
                gone.swap_remove(at);
                self.nodes.remove_edge(edge);
            }
        }
        for &operand in &operands[kept..] {
            self.nodes.add_edge(operand, id, ());
        }
        self.nodes[id].operands = operands;
    }

    /// Lets every user and every result of `from` read `to` instead.
    pub fn replace(&mut self, from: NodeId, to: NodeId) {
        // The last edge is the quickest to find.
        for user in self.users(from).into_iter().rev() {
            if user != to {
                let operands = self.nodes[user]
                    .operands
                    .iter()
                    .map(|&it| if it == from { to } else { it })
                    .collect();
                self.set_operands(user, operands);
            }
        }
        for output in &mut self.outputs {
            if output.node == from {
                output.node = to;
            }
        }
    }

    /// Lets everybody who reads a key read its value instead, and removes the keys; no value may be a key.
    /// Takes time by the size of the graph, however many keys there are and however often a value is read.
    pub fn replace_all(&mut self, by: &HashMap<NodeId, NodeId>) {
        self.nodes.clear_edges();
        self.nodes.retain_nodes(|_, it| !by.contains_key(&it));
        let ids: Vec<_> = self.nodes.node_indices().collect();
        for id in ids {
            let mut operands = std::mem::take(&mut self.nodes[id].operands);
            for operand in &mut operands {
                *operand = by.get(operand).copied().unwrap_or(*operand);
                self.nodes.add_edge(*operand, id, ());
            }
            self.nodes[id].operands = operands;
        }
        for output in &mut self.outputs {
            output.node = by.get(&output.node).copied().unwrap_or(output.node);
        }
    }

    /// Removes a layer that nobody reads; panics if somebody does.
    pub fn remove(&mut self, id: NodeId) {
        assert!(
            self.users(id).is_empty() && !self.is_output(id),
            "only what nobody reads can be removed"
        );
        assert!(self.layer(id).is_some(), "inputs stay");
        self.nodes.remove_node(id);
    }

    /// Exchanges a layer and its only reader, both of one operand: `second` reads what `first` read and gets the
    /// shape `between`; `first` reads `second` and gets its old shape, its readers and its results.
    pub fn exchange(&mut self, first: NodeId, second: NodeId, between: Shape) {
        assert_eq!(self.users(first), [second], "only its reader can come before a layer");
        assert!(!self.is_output(first), "a result keeps its value");
        let (from, last) = (self.nodes[first].operands.clone(), self.nodes[second].shape.clone());
        // In this order there is no cycle on the way.
        self.set_operands(second, from);
        self.replace(second, first);
        self.set_operands(first, vec![second]);
        self.nodes[first].shape = last;
        self.nodes[second].shape = between;
        let position = self.nodes[first].position;
        self.nodes[first].position = self.nodes[second].position;
        self.nodes[second].position = position;
    }

    /// Takes the place of `old` in the order of the file, so that reports keep their order.
    pub fn take_position(&mut self, id: NodeId, old: NodeId) {
        self.nodes[id].position = self.nodes[old].position;
    }
}
