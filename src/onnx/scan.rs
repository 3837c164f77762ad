//! Counting a protobuf file before decoding it: an empty message costs two bytes on the wire and hundreds in
//! memory, so a file must not be decoded before it is known what it would cost.

use thiserror::Error;

/// Why a file is not decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no protobuf, or end too early.
    #[error("not an ONNX file, or cut short: {what} at byte {at}")]
    Malformed {
        /// What was wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// There is more of something than is allowed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// What is allowed.
        limit: usize,
    },
}

/// Messages that may be repeated, with the most that are allowed of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    TensorShape,
    Other,
}

const NODES_MAX: usize = 100_000;
const ATTRIBUTES_MAX: usize = 1_000_000;
const TENSORS_MAX: usize = 200_000;
const OTHERS_MAX: usize = 2_000_000;
const DEPTH_MAX: usize = 8;

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes.
    pub nodes: usize,
    /// Attributes of nodes.
    pub attributes: usize,
    /// Tensors.
    pub tensors: usize,
    /// Any other length-delimited field: names, values' types, operator sets.
    pub others: usize,
}

/// Counts the messages of a model file, or says what is wrong with it.
pub fn count(bytes: &[u8]) -> Result<Counts, Fault> {
    let mut counts = Counts::default();
    walk(bytes, 0, Kind::Model, 0, &mut counts)?;
    Ok(counts)
}

fn nested(kind: Kind, field: u64) -> Option<Kind> {
    match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Some(Kind::Graph),
        (Kind::Graph, 1) => Some(Kind::Node),
        (Kind::Node, 5) => Some(Kind::Attribute),
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) => Some(Kind::Tensor),
        (Kind::Graph, 11..=13) => Some(Kind::ValueInfo),
        (Kind::ValueInfo, 2) => Some(Kind::Type),
        (Kind::Type, 1) => Some(Kind::TensorType),
        (Kind::TensorType, 2) => Some(Kind::TensorShape),
        (Kind::TensorShape, 1) | (Kind::Tensor, 13) => Some(Kind::Other),
        _ => None,
    }
}

fn walk(
    bytes: &[u8],
    offset: usize,
    kind: Kind,
    depth: usize,
    counts: &mut Counts,
) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::TooMany { what: "levels of nested messages", limit: DEPTH_MAX });
    }
    let mut at = 0;
    let fault = |what, at| Fault::Malformed { what, at: offset + at };
    while at < bytes.len() {
        let start = at;
        let key = varint(bytes, &mut at).ok_or(fault("a field without a number", start))?;
        match key & 7 {
            0 => {
                varint(bytes, &mut at).ok_or(fault("a number without an end", start))?;
                add(&mut counts.others, OTHERS_MAX, "values")?;
            }
            1 => at += 8,
            5 => at += 4,
            2 => {
                let length =
                    varint(bytes, &mut at).ok_or(fault("a field without a length", start))?;
                let end = usize::try_from(length).ok().and_then(|it| it.checked_add(at));
                let end = end
                    .filter(|&it| it <= bytes.len())
                    .ok_or(fault("a field longer than the file", start))?;
                let inner = nested(kind, key >> 3);
                tally(inner, counts)?;
                if let Some(inner) = inner {
                    walk(&bytes[at..end], offset + at, inner, depth + 1, counts)?;
                }
                at = end;
            }
            _ => return Err(fault("a field of unknown form", start)),
        }
        if at > bytes.len() {
            return Err(fault("a field longer than the file", start));
        }
    }
    Ok(())
}

fn tally(kind: Option<Kind>, counts: &mut Counts) -> Result<(), Fault> {
    match kind {
        Some(Kind::Node) => add(&mut counts.nodes, NODES_MAX, "nodes"),
        Some(Kind::Attribute) => add(&mut counts.attributes, ATTRIBUTES_MAX, "attributes"),
        Some(Kind::Tensor) => add(&mut counts.tensors, TENSORS_MAX, "tensors"),
        _ => add(&mut counts.others, OTHERS_MAX, "values"),
    }
}

fn add(count: &mut usize, limit: usize, what: &'static str) -> Result<(), Fault> {
    *count += 1;
    if *count > limit { Err(Fault::TooMany { what, limit }) } else { Ok(()) }
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
