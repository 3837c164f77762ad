//! One node while it is raised: its operands and attributes.

use super::Value;
use crate::onnx::read::Model;
use crate::onnx::{Fault, proto};

/// One node while it is raised.
pub(in crate::onnx) struct Step<'a> {
    pub(in crate::onnx) model: &'a Model,
    pub(in crate::onnx) node: &'a proto::Node,
    pub(in crate::onnx) inputs: Vec<Value>,
    /// The version of the operators.
    pub(in crate::onnx) opset: i64,
    /// Which outputs are read.
    pub(in crate::onnx) wanted: Vec<bool>,
}

static ABSENT: Value = Value::Absent;

impl Step<'_> {
    /// An operand that may be left out.
    pub(in crate::onnx) fn optional(&self, at: usize) -> &Value {
        self.inputs.get(at).unwrap_or(&ABSENT)
    }

    /// Whether an operand was given.
    pub(in crate::onnx) fn has(&self, at: usize) -> bool {
        !matches!(self.optional(at), Value::Absent)
    }

    /// An operand that must be there.
    pub(in crate::onnx) fn input(&self, at: usize) -> Result<&Value, Fault> {
        match self.optional(at) {
            Value::Absent => {
                Err(Fault::new(format!("operand {at} is left out, which must be there")))
            }
            value => Ok(value),
        }
    }

    /// Whether an output is read.
    pub(in crate::onnx) fn wants(&self, at: usize) -> bool {
        self.wanted.get(at).copied().unwrap_or(false)
    }

    /// An attribute.
    pub(in crate::onnx) fn attribute(&self, name: &str) -> Option<&proto::Attribute> {
        self.node.attribute.iter().find(|it| it.name == name)
    }

    /// A whole number.
    pub(in crate::onnx) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|it| it.i)
    }

    /// Whether a whole number is given and not 0.
    pub(in crate::onnx) fn flag(&self, name: &str) -> bool {
        self.int(name).is_some_and(|it| it != 0)
    }

    /// A number.
    pub(in crate::onnx) fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name).map(|it| it.f)
    }

    /// A list of whole numbers.
    pub(in crate::onnx) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|it| it.ints.as_slice())
    }

    /// Text; empty if it is not given or no UTF-8.
    pub(in crate::onnx) fn text(&self, name: &str) -> &str {
        self.attribute(name).and_then(|it| std::str::from_utf8(&it.s).ok()).unwrap_or("")
    }

    /// A list of whole numbers of at least so much, `count` of them.
    pub(in crate::onnx) fn extents(
        &self,
        name: &str,
        least: i64,
        count: usize,
    ) -> Result<Option<Vec<usize>>, Fault> {
        let Some(list) = self.ints(name) else { return Ok(None) };
        let extent = |it: &i64| usize::try_from(*it).ok().filter(|_| *it >= least && *it < 1 << 31);
        let extents: Option<Vec<usize>> = list.iter().map(extent).collect();
        extents.filter(|it| it.len() == count).map(Some).ok_or_else(|| {
            let list = &list[..list.len().min(16)];
            Fault::new(format!(
                "`{name}` is {list:?}, not a list of {count} numbers of at least {least}"
            ))
        })
    }

    /// The axis that a number names.
    pub(in crate::onnx) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
        let at = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        at.and_then(|it| usize::try_from(it).ok()).filter(|it| *it < rank).ok_or_else(|| {
            Fault::new(format!("axis {axis} is not an axis of a value of rank {rank}"))
        })
    }

    /// The axes that numbers name, each once, sorted.
    pub(in crate::onnx) fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
        let mut found: Vec<usize> =
            axes.iter().map(|&it| Self::axis(it, rank)).collect::<Result<_, _>>()?;
        found.sort_unstable();
        if found.windows(2).any(|it| it[0] == it[1]) {
            let axes = &axes[..axes.len().min(16)];
            return Err(Fault::new(format!("axes {axes:?} name an axis twice")));
        }
        Ok(found)
    }
}
