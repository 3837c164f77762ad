//! The text of a graph: one line a value, in order.

use std::collections::HashMap;
use std::fmt;

use super::{Epilogue, Graph, NodeId};

/// Prints `name = op(operands) |> epilogue : [C, H, W]`, inputs and results included. A path that stands
/// for several nodes (a shared layer) gets a number.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.order();
        let names = self.names(&order);
        for id in order {
            let node = self.node(id);
            let operand = |at: usize| names[&node.operands()[at]].as_str();
            let Some(layer) = node.layer() else {
                writeln!(f, "{} = input : {:?}", names[&id], node.shape.dims())?;
                continue;
            };
            let added: Vec<usize> = layer.epilogue.iter().filter_map(Epilogue::operand).collect();
            let read: Vec<_> =
                (0..node.operands().len()).filter(|it| !added.contains(it)).map(operand).collect();
            write!(f, "{} = {}({})", names[&id], layer.op.entry().name, read.join(", "))?;
            for step in &layer.epilogue {
                match step {
                    Epilogue::Map(op) => write!(f, " |> {}", op.entry().name)?,
                    Epilogue::Add(at) => write!(f, " |> add({})", operand(*at))?,
                }
            }
            writeln!(f, " : {:?}", node.shape.dims())?;
        }
        for output in self.outputs() {
            writeln!(f, "output {} = {}", output.name, names[&output.node])?;
        }
        Ok(())
    }
}

impl Epilogue {
    /// The position of the operand that this step reads.
    pub fn operand(&self) -> Option<usize> {
        match self {
            Epilogue::Map(_) => None,
            Epilogue::Add(at) => Some(*at),
        }
    }
}

impl Graph {
    /// A name for each node that no other node has: its path, numbered where a path occurs again.
    pub fn names(&self, order: &[NodeId]) -> HashMap<NodeId, String> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut names = HashMap::new();
        for &id in order {
            let path = self.node(id).path.as_str();
            let times = seen.entry(path).and_modify(|it| *it += 1).or_insert(1);
            let name = if *times == 1 { path.to_owned() } else { format!("{path}@{times}") };
            names.insert(id, name);
        }
        names
    }
}
