//! What holds of every graph, before and after each pass.

use super::{Epilogue, Graph, Kind, NodeId};

impl Graph {
    /// Panics with the printed graph unless:
    ///
    /// 1. every operand stands before its user and there is no cycle;
    /// 2. a layer has as many operands as its operator takes and its epilogue adds;
    /// 3. its operator accepts their shapes and gives the node's shape;
    /// 4. it has the parameters that its operator asks for, of the shapes asked for;
    /// 5. an epilogue maps only pointwise operators and adds only operands of the node's shape;
    /// 6. every result exists, and there is at least one.
    pub fn verify(&self) {
        for id in self.order() {
            if let Err(fault) = self.check(id) {
                panic!("{fault} at `{}` in\n{self}", self.node(id).path);
            }
        }
        assert!(!self.outputs().is_empty(), "a net has a result:\n{self}");
        for output in self.outputs() {
            assert!(
                self.nodes.contains_node(output.node),
                "`{}` is gone from\n{self}",
                output.name
            );
        }
    }

    fn check(&self, id: NodeId) -> Result<(), String> {
        let node = self.node(id);
        let Kind::Layer(layer) = &node.kind else { return Ok(()) };
        let added = layer.added();
        let taken = node.operands().len().checked_sub(added).ok_or("too few operands")?;
        let (least, most) = layer.op.entry().arity;
        if !(least..=most).contains(&taken) {
            return Err(format!("{taken} operands"));
        }
        let shapes = self.operand_shapes(id);
        let shape = layer.op.infer(&shapes[..taken]).map_err(|it| it.message)?;
        if shape != node.shape {
            return Err(format!("inferred {shape}, noted {}", node.shape));
        }
        let specs = layer.op.params(&shapes[..taken]);
        let found: Vec<_> = layer.params.iter().map(|&it| &self.param(it).shape).collect();
        if specs.iter().map(|it| &it.shape).ne(found.iter().copied()) {
            return Err(format!("parameters {found:?}"));
        }
        for step in &layer.epilogue {
            match step {
                Epilogue::Map(op) if op.pointwise().is_none() => {
                    return Err(format!("{op:?} is not pointwise"));
                }
                Epilogue::Add(i) if *shapes.get(*i).ok_or("no such operand")? != &node.shape => {
                    return Err(format!("adds {} to {}", shapes[*i], node.shape));
                }
                Epilogue::Map(_) | Epilogue::Add(_) => {}
            }
        }
        Ok(())
    }
}
