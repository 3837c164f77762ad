//! Graphs, built layer by layer.

use netc::diag::Span;
use netc::graph::{Graph, Layer, NodeId, Param, Source};
use netc::ops::{Given, Op, Role, Value};
use netc::shape::Shape;

/// A graph under construction.
#[derive(Clone)]
pub(crate) struct Net {
    pub(crate) graph: Graph,
    layers: usize,
}

/// An operator with arguments that it accepts.
pub(crate) fn op(name: &str, args: &[(&str, Value)]) -> Op {
    let given = |(name, value): &(&str, Value)| Given {
        name: (*name).to_owned(),
        value: value.clone(),
        span: Span::default(),
    };
    let given: Vec<_> = args.iter().map(given).collect();
    Op::parse(name, Span::default(), &given).unwrap().unwrap()
}

impl Net {
    pub(crate) fn new(input: &[usize]) -> (Net, NodeId) {
        let mut graph = Graph::new("net");
        let node = graph.add_input("x", Shape::of(input), Span::default());
        (Net { graph, layers: 0 }, node)
    }

    pub(crate) fn add(
        &mut self,
        name: &str,
        args: &[(&str, Value)],
        operands: &[NodeId],
    ) -> NodeId {
        let op = op(name, args);
        let shapes: Vec<Shape> =
            operands.iter().map(|&it| self.graph.node(it).shape.clone()).collect();
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let output = op.infer(&shapes).unwrap_or_else(|it| panic!("{name} {args:?}: {it:?}"));
        self.layers += 1;
        let path = format!("{name}{}", self.layers);
        let params = op
            .params(&shapes)
            .into_iter()
            .map(|spec| {
                let source = match spec.role {
                    Role::Learned => Source::Learned(spec.init),
                    Role::Statistic => Source::Statistic(spec.init),
                    Role::Fixed(tensor) => Source::Fixed(tensor),
                };
                let path = format!("{path}.{}", spec.name);
                self.graph.add_param(Param { path, shape: spec.shape, source })
            })
            .collect();
        let layer = Layer { op, params, epilogue: Vec::new() };
        self.graph.add_layer(path, Span::default(), layer, operands.to_vec(), output)
    }

    pub(crate) fn add_input(&mut self, name: &str, shape: &Shape) -> NodeId {
        self.graph.add_input(name, shape.clone(), Span::default())
    }

    pub(crate) fn shape(&self, node: NodeId) -> &Shape {
        &self.graph.node(node).shape
    }

    pub(crate) fn conv(&mut self, from: NodeId, channels: usize, spec: [usize; 5]) -> NodeId {
        let [kernel, stride, pad, dilation, groups] = spec;
        let int = |it: usize| Value::Int(i64::try_from(it).unwrap());
        let args = [
            ("channels", int(channels)),
            ("kernel", int(kernel)),
            ("stride", int(stride)),
            ("pad", int(pad)),
            ("dilation", int(dilation)),
            ("groups", int(groups)),
        ];
        self.add("conv", &args, &[from])
    }

    /// This with one result.
    pub(crate) fn with_output(mut self, node: NodeId) -> Net {
        self.graph.add_output("y", node);
        self
    }
}
