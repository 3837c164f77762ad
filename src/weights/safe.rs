//! safetensors: a JSON header with a range of bytes for each tensor, then the bytes.
//!
//! The crate checks ranges, holes and overlaps. It accepts a name given twice and larger headers than a
//! network has, and names no tensor when the file is cut off; that is checked here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo, View};
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::decode::Element;
use super::file::{Data, Entry, Place, TENSORS_MAX};
use super::store::{Bytes, Store};
use super::{Weights, stored};
use crate::graph::{Graph, ParamId};

/// The largest header that is read.
const HEADER_MAX: usize = 16 << 20;

/// The bytes before the header, which give its length.
const PREFIX: usize = 8;

/// Reads the header of a file of `count` bytes, and nothing else.
pub(super) fn read(store: Store, count: usize) -> Result<(Vec<Entry>, Data), String> {
    let header = header(store.bytes(), count)?;
    let data = PREFIX + header.len();
    let mut named = scan(&header)?;
    named.sort_by_key(|it| it.1.data_offsets);
    let metadata = Metadata::new(None, named.clone()).map_err(|it| match it {
        SafeTensorError::InvalidOffset(name) => {
            format!("tensor `{name}` does not start where the one before it ends")
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's range of bytes does not fit its shape and element type".to_owned()
        }
        other => format!("this is not a safetensors file: {other}"),
    })?;
    if metadata.data_len() != count - data {
        return Err(misfit(&named, count - data));
    }
    let entries = named.into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        let place = Place::Bytes((data + from) as u64..(data + to) as u64);
        Entry { name, dims: info.shape, element: element(info.dtype), place }
    });
    Ok((entries.collect(), Data::Safetensors(store)))
}

/// The header's text.
fn header(bytes: &dyn Bytes, count: usize) -> Result<String, String> {
    if count < PREFIX {
        return Err(format!(
            "a weights file is .safetensors or .npz; this one has {count} bytes and is neither"
        ));
    }
    let mut prefix = [0; PREFIX];
    bytes.read(0, &mut prefix)?;
    let length = usize::try_from(u64::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length > HEADER_MAX {
        return Err(if prefix.is_ascii() || prefix.starts_with(b"\x93NUMPY") {
            "a weights file is .safetensors or .npz; this one starts like neither".to_owned()
        } else {
            format!("the header claims {length} bytes, more than the limit of {HEADER_MAX}")
        });
    }
    let there = count - PREFIX;
    if length > there {
        return Err(format!(
            "the file is cut off: its header has {length} bytes, {there} are there"
        ));
    }
    let mut header = vec![0; length];
    bytes.read(PREFIX as u64, &mut header)?;
    String::from_utf8(header).map_err(|_| "the header is not UTF-8".to_owned())
}

/// Every tensor that the header names, in its order; a name given twice is an error.
fn scan(header: &str) -> Result<Vec<(String, TensorInfo)>, String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<(String, TensorInfo)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut named = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                if name == "__metadata__" {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                if named.len() == TENSORS_MAX {
                    let message = format!("more than {TENSORS_MAX} tensors");
                    return Err(serde::de::Error::custom(message));
                }
                let info = map.next_value()?;
                named.push((name, info));
            }
            Ok(named)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(header);
    let named = reader
        .deserialize_map(Names)
        .and_then(|named| reader.end().map(|()| named))
        .map_err(|it| format!("the header of the safetensors file is broken: {it}"))?;
    let mut seen = std::collections::HashSet::with_capacity(named.len());
    match named.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        Some((name, _)) => Err(format!("tensor `{name}` is there twice")),
        None => Ok(named),
    }
}

/// What to say of a file whose data is longer or shorter than its header declares.
fn misfit(named: &[(String, TensorInfo)], there: usize) -> String {
    let mut ends: Vec<_> = named.iter().map(|(name, info)| (info.data_offsets.1, name)).collect();
    ends.sort_unstable();
    match ends.iter().find(|(end, _)| *end > there) {
        Some((end, name)) => format!(
            "the file is cut off: tensor `{name}` ends at byte {end} of the data, {there} are there"
        ),
        None => {
            let end = ends.last().map_or(0, |it| it.0);
            format!("the tensors end at byte {end} of the data, but {there} are there")
        }
    }
}

fn element(dtype: Dtype) -> Result<Element, String> {
    Ok(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::U8 => Element::U8,
        Dtype::I8 => Element::I8,
        Dtype::U16 => Element::U16,
        Dtype::I16 => Element::I16,
        Dtype::U32 => Element::U32,
        Dtype::I32 => Element::I32,
        Dtype::U64 => Element::U64,
        Dtype::I64 => Element::I64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        other => return Err(other.to_string()),
    })
}

/// Writes the parameters that a weights file holds as f32 safetensors, and calls `each` for each. Holds one tensor in
/// memory at a time.
pub fn save(weights: &Weights, graph: &Graph, path: &Path, each: &dyn Fn()) -> Result<(), String> {
    let views =
        stored(graph).map(|id| (graph.param(id).path.as_str(), Lazy { weights, graph, id, each }));
    let about = HashMap::from([("net".to_owned(), graph.name.clone())]);
    serialize_to_file(views, Some(about), path).map_err(|it| match it {
        SafeTensorError::IoError(it) => it.to_string(),
        other => other.to_string(),
    })
}

/// The elements that are evaluated at a time, so that only the bytes of a tensor are whole in memory.
const PIECE: usize = 1 << 16;

/// A parameter that is evaluated when it is written.
struct Lazy<'a> {
    weights: &'a Weights,
    graph: &'a Graph,
    id: ParamId,
    each: &'a dyn Fn(),
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.graph.param(self.id).shape.dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (self.each)();
        if cfg!(target_endian = "little")
            && let Some(held) = self.weights.held(self.graph, self.id)
        {
            return bytemuck::cast_slice::<f32, u8>(&held.data).into();
        }
        let value = self.weights.value(self.graph, self.id);
        let elements = value.shape().elements();
        let mut bytes = Vec::with_capacity(4 * elements);
        let mut piece = vec![0.0; elements.min(PIECE)];
        for from in (0..elements).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(elements - from)];
            value.read(from, piece);
            if cfg!(target_endian = "little") {
                bytes.extend_from_slice(bytemuck::cast_slice(piece));
            } else {
                bytes.extend(piece.iter().flat_map(|it| it.to_le_bytes()));
            }
        }
        bytes.into()
    }

    fn data_len(&self) -> usize {
        4 * self.graph.param(self.id).shape.elements()
    }
}
