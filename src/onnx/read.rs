//! From the bytes of a file to a model whose every tensor can be decoded safely.

use std::collections::HashMap;
use std::ops::Range;

use prost::Message;

use super::constant::{self, Constant};
use super::proto::{self, Extent};
use super::scan::{self, Shell};
use super::{Error, Fault};
use crate::weights::{Bytes, Store};

/// Opens a file beside the model by its name.
pub type External<'a> = dyn Fn(&str) -> Result<Box<dyn Bytes>, String> + 'a;

/// A model file, decoded; tensors keep the form of the file until they are asked for.
pub(super) struct Model {
    /// The file.
    pub(super) store: Store,
    /// Where large data of its tensors lies.
    stored: Vec<Range<u64>>,
    pub(super) graph: proto::Graph,
    /// The version of ONNX's own operators.
    pub(super) opset: i64,
    /// What wrote the file, in words.
    pub(super) origin: String,
    /// Constants by name: their position among the graph's.
    pub(super) initializers: HashMap<String, usize>,
    /// Whether several operands of nodes are the constant at a position.
    common: Vec<bool>,
}

/// What a file says of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its element type, as [`proto::element`] names them.
    pub element: i32,
    /// The extents; `None` if the rank is unknown.
    pub dims: Option<Vec<Extent>>,
}

impl Declared {
    /// Whether the input can have these extents.
    pub fn admits(&self, given: &[usize]) -> bool {
        let agrees = |(dim, &given): (&Extent, &usize)| match dim {
            Extent::Size(size) => *size <= 0 || *size == given as i64,
            Extent::Symbol(_) => true,
        };
        self.dims
            .as_ref()
            .is_none_or(|it| it.len() == given.len() && it.iter().zip(given).all(agrees))
    }
}

/// The most faults that are listed.
pub(super) const FAULTS_MAX: usize = 20;

const OPSET_MIN: i64 = 1;
const OPSET_MAX: i64 = 30;

/// Decodes a model, or says why not.
pub(super) fn model(store: Store) -> Result<Model, Error> {
    let Shell { bytes, stored } = scan::scan(store.bytes())?;
    let model =
        proto::Model::decode(bytes.as_slice()).map_err(|it| Error::Decode(it.to_string()))?;
    drop(bytes);
    let mut opset = None;
    let mut faults = Vec::new();
    for set in &model.opset_import {
        match set.domain.as_str() {
            "" | "ai.onnx" => opset = Some(set.version),
            // Only nodes of other domains need them, and each of those is reported.
            _ => {}
        }
    }
    let graph = model.graph.ok_or(Error::Invalid(vec!["the file has no graph".to_owned()]))?;
    // Only the oldest files may leave it out; another was cut off.
    if opset.is_none() && !(1..3).contains(&model.ir_version) {
        faults.push("the file does not say which operators it uses, or is cut short".to_owned());
    }
    let opset = opset.unwrap_or(1);
    let producer = format!("{} {}", model.producer_name, model.producer_version);
    let producer: String = producer.trim().chars().take(80).collect();
    let comma = if producer.is_empty() { "" } else { ", " };
    let origin = format!("{producer}{comma}opset {opset}");
    if !(OPSET_MIN..=OPSET_MAX).contains(&opset) {
        faults.push(format!("operator set {opset} is unknown; netc reads 1 to {OPSET_MAX}"));
    }
    if !graph.sparse_initializer.is_empty() {
        faults.push("the model has sparse constants, which netc does not read".to_owned());
    }
    let mut initializers = HashMap::new();
    for (at, tensor) in graph.initializer.iter().enumerate() {
        if initializers.insert(tensor.name.clone(), at).is_some() {
            faults.push(format!("two constants are called `{}`", tensor.name));
        }
    }
    if graph.output.is_empty() {
        faults.push("the graph has no output".to_owned());
    }
    faults.truncate(FAULTS_MAX);
    match faults.is_empty() {
        true => {
            let common = common(&graph, &initializers);
            Ok(Model { store, stored, graph, opset, origin, initializers, common })
        }
        false => Err(Error::Invalid(faults)),
    }
}

fn common(graph: &proto::Graph, initializers: &HashMap<String, usize>) -> Vec<bool> {
    let mut reads = vec![0_usize; graph.initializer.len()];
    let operands = graph.node.iter().flat_map(|it| &it.input);
    operands.filter_map(|it| initializers.get(it)).for_each(|&at| reads[at] += 1);
    reads.into_iter().map(|it| it > 1).collect()
}

impl Model {
    /// Whether several operands of nodes are the constant at this position.
    pub(super) fn is_common(&self, at: usize) -> bool {
        self.common[at]
    }

    /// The inputs that a caller gives: those that are not constants with a name in the list of inputs.
    pub(super) fn inputs(&self) -> Result<Vec<Declared>, Error> {
        let given = self.graph.input.iter().filter(|it| !self.initializers.contains_key(&it.name));
        let mut seen = HashMap::new();
        let mut declared = Vec::new();
        for input in given {
            if seen.insert(&input.name, ()).is_some() {
                return Err(Error::Invalid(vec![format!(
                    "two inputs are called `{}`",
                    input.name
                )]));
            }
            let tensor = input.r#type.as_ref().and_then(|it| it.tensor_type.as_ref());
            let Some(tensor) = tensor else {
                let message = format!("the input `{}` is not a tensor", input.name);
                return Err(Error::Invalid(vec![message]));
            };
            let dims = tensor.shape.as_ref().map(|shape| shape.dim.iter().map(extent).collect());
            declared.push(Declared { name: input.name.clone(), element: tensor.elem_type, dims });
        }
        Ok(declared)
    }

    /// The values of a tensor whose data is in the file.
    pub(super) fn decode(&self, tensor: &proto::Tensor) -> Result<Constant, Fault> {
        let at = usize::try_from(tensor.stored).ok().and_then(|it| it.checked_sub(1));
        let range = at.and_then(|it| self.stored.get(it));
        constant::decode(tensor, range.map(|it| (&self.store, it.clone())))
    }
}

fn extent(dim: &proto::Dimension) -> Extent {
    dim.value.clone().unwrap_or_else(|| Extent::Symbol("?".to_owned()))
}

/// The values of a tensor whose data is outside the file, in one that `open` gives.
pub(super) fn outside(
    tensor: &proto::Tensor,
    open: &dyn Fn(&str) -> Result<Store, String>,
) -> Result<Constant, Fault> {
    let entry = |key: &str| {
        tensor.external_data.iter().find(|it| it.key == key).map(|it| it.value.as_str())
    };
    let number = |key: &str, fallback: u64| match entry(key) {
        None => Ok(fallback),
        Some(text) => text.parse::<u64>().map_err(|_| {
            Fault::new(format!("the tensor `{}` has {key} {text:?}, not a number", tensor.name))
        }),
    };
    let location = entry("location").unwrap_or_default();
    if !is_inside(location) {
        return Err(Fault::new(format!(
            "the tensor `{}` lies in {location:?}, which is not inside the model's folder",
            tensor.name
        )));
    }
    let expected = constant::byte_length(tensor)? as u64;
    let (offset, length) = (number("offset", 0)?, number("length", expected)?);
    if length != expected {
        return Err(Fault::new(format!(
            "the tensor `{}` needs {expected} bytes, but {length} of {location:?} are said to be its own",
            tensor.name
        )));
    }
    let fault = |it| Fault::new(format!("the tensor `{}`: {it}", tensor.name));
    let store = open(location).map_err(fault)?;
    let end = offset.checked_add(length).filter(|it| *it <= store.bytes().count());
    let end =
        end.ok_or_else(|| fault(format!("{location:?} has no {length} bytes from {offset}")))?;
    constant::decode(tensor, Some((&store, offset..end)))
}

/// Whether a path stays inside the folder that it starts in: relative, of plain names only.
pub fn is_inside(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
    };
    let path = path.strip_prefix("./").unwrap_or(path);
    path.len() <= 4096 && path.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn only_plain_names_stay_inside() {
        for path in ["a.bin", "weights/a.bin", "./a.bin", "a..b"] {
            assert!(is_inside(path), "{path}");
        }
        for path in ["", "/a", "..", "../a", "a/../../b", "a//b", "c:\\a", "a\\b", "a/./b", "a\0b"]
        {
            assert!(!is_inside(path), "{path:?}");
        }
    }
}
