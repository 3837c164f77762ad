//! The first pass over a model file: what it holds is counted, and all but the large data of its tensors copied.
//!
//! An empty message costs two bytes on the wire and hundreds in memory, so a file must not be decoded before it is known
//! what it would cost. Weights are most of a file and need not be in memory to be decoded: they stay where they are.

use std::ops::Range;

use thiserror::Error;

use super::proto::tag;
use crate::weights::Bytes;

/// Why a file is not decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no protobuf, or end too early.
    #[error("not an ONNX file, or cut short: {what} at byte {at}")]
    Malformed {
        /// What was wrong.
        what: &'static str,
        /// Where.
        at: u64,
    },
    /// There is more of something than is allowed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// What is allowed.
        limit: usize,
    },
    /// The bytes cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
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

/// The most bytes that are copied: those that protobuf allows of a message.
const COPIED_MAX: usize = 1 << 31;

/// Raw data of so many bytes stays in the file.
const LARGE: u64 = 1 << 10;

/// The bytes that are read at a time.
const WINDOW: usize = 1 << 14;

/// The bytes of a length that is written before it is known: seven bits in each, more than [`COPIED_MAX`].
const LENGTH: usize = 5;

/// A model file without the large data of its tensors.
#[derive(Debug, Default)]
pub struct Shell {
    /// The model, to be decoded. A tensor whose data is left out has [`stored`](super::proto::Tensor::stored) instead.
    pub bytes: Vec<u8>,
    /// Where in the file that data lies, by its position counted from 1.
    pub stored: Vec<Range<u64>>,
}

/// Reads through a model file, or says what is wrong with it.
pub fn scan(bytes: &dyn Bytes) -> Result<Shell, Fault> {
    let reader = Reader { bytes, at: 0, window: Vec::new(), first: 0 };
    let mut scan = Scan { reader, counts: Counts::default(), shell: Shell::default() };
    scan.message(bytes.count(), Kind::Model, 0)?;
    Ok(scan.shell)
}

/// What a file holds.
#[derive(Default)]
struct Counts {
    nodes: usize,
    attributes: usize,
    tensors: usize,
    /// Any other field but those of four or eight bytes: names, values' types, operator sets.
    others: usize,
}

impl Counts {
    fn add(&mut self, kind: Option<Kind>) -> Result<(), Fault> {
        let (count, limit, what) = match kind {
            Some(Kind::Node) => (&mut self.nodes, NODES_MAX, "nodes"),
            Some(Kind::Attribute) => (&mut self.attributes, ATTRIBUTES_MAX, "attributes"),
            Some(Kind::Tensor) => (&mut self.tensors, TENSORS_MAX, "tensors"),
            _ => (&mut self.others, OTHERS_MAX, "values"),
        };
        *count += 1;
        if *count > limit { Err(Fault::TooMany { what, limit }) } else { Ok(()) }
    }
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

struct Scan<'a> {
    reader: Reader<'a>,
    counts: Counts,
    shell: Shell,
}

impl Scan<'_> {
    /// Copies the fields of a message, which ends at `end`.
    fn message(&mut self, end: u64, kind: Kind, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::TooMany { what: "levels of nested messages", limit: DEPTH_MAX });
        }
        while self.reader.at < end {
            let (start, mark) = (self.reader.at, self.shell.bytes.len());
            let fault = |what| Fault::Malformed { what, at: start };
            let key = self.reader.varint(end)?.ok_or(fault("a field without a number"))?;
            let field = key >> 3;
            self.write(key);
            match key & 7 {
                0 => {
                    let value = self.reader.varint(end)?.ok_or(fault("a number without an end"))?;
                    self.write(value);
                    self.counts.add(None)?;
                }
                form @ (1 | 5) => {
                    let width = if form == 1 { 8 } else { 4 };
                    if width > end - self.reader.at {
                        return Err(fault("a field longer than the file"));
                    }
                    self.copy(width)?;
                }
                2 => {
                    let length =
                        self.reader.varint(end)?.ok_or(fault("a field without a length"))?;
                    if length > end - self.reader.at {
                        return Err(fault("a field longer than the file"));
                    }
                    let inner = nested(kind, field);
                    self.counts.add(inner)?;
                    match inner {
                        Some(inner) => self.inner(length, inner, depth + 1)?,
                        None if (kind, field) == (Kind::Tensor, tag::RAW_DATA) => {
                            self.raw_data(length)?;
                        }
                        None => {
                            self.write(length);
                            self.copy(length)?;
                        }
                    }
                }
                _ => return Err(fault("a field of unknown form")),
            }
            // That field is written here and nowhere else.
            if (kind, field) == (Kind::Tensor, tag::STORED) {
                self.shell.bytes.truncate(mark);
            }
        }
        Ok(())
    }

    /// Copies a message inside another, behind its key. Its copy has another length, which is written last.
    fn inner(&mut self, length: u64, kind: Kind, depth: usize) -> Result<(), Fault> {
        let start = self.shell.bytes.len();
        self.shell.bytes.extend([0x80; LENGTH]);
        self.message(self.reader.at + length, kind, depth)?;
        let (before, copy) = self.shell.bytes.split_at_mut(start + LENGTH);
        let length = &mut before[start..];
        for (i, byte) in length.iter_mut().enumerate() {
            *byte |= (copy.len() >> (7 * i)) as u8 & 0x7f;
        }
        length[LENGTH - 1] &= 0x7f;
        Ok(())
    }

    /// Raw data of a tensor behind its key: copied, or left where it is. Of several the last counts, as for every field.
    fn raw_data(&mut self, length: u64) -> Result<(), Fault> {
        let is_large = length >= LARGE;
        if is_large {
            let at = self.reader.at;
            self.shell.stored.push(at..at + length);
            self.reader.at += length;
            self.write(0);
        } else {
            self.write(length);
            self.copy(length)?;
        }
        self.write(tag::STORED << 3);
        self.write(if is_large { self.shell.stored.len() as u64 } else { 0 });
        Ok(())
    }

    /// Copies bytes that are there.
    fn copy(&mut self, count: u64) -> Result<(), Fault> {
        let before = self.shell.bytes.len();
        let all = usize::try_from(count).ok().and_then(|it| it.checked_add(before));
        let all = all.filter(|it| *it <= COPIED_MAX);
        let limit = COPIED_MAX;
        let all = all.ok_or(Fault::TooMany { what: "bytes besides raw data", limit })?;
        self.shell.bytes.resize(all, 0);
        self.reader.read(&mut self.shell.bytes[before..])
    }

    fn write(&mut self, mut value: u64) {
        while value > 0x7f {
            self.shell.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.shell.bytes.push(value as u8);
    }
}

/// Bytes in turn.
struct Reader<'a> {
    bytes: &'a dyn Bytes,
    at: u64,
    /// Bytes at hand, and where they begin.
    window: Vec<u8>,
    first: u64,
}

impl Reader<'_> {
    /// The next bytes at hand; there must be one.
    fn ahead(&mut self) -> Result<&[u8], Fault> {
        let end = self.first + self.window.len() as u64;
        if !(self.first..end).contains(&self.at) {
            let left = self.bytes.count() - self.at;
            self.window.resize(left.min(WINDOW as u64) as usize, 0);
            self.first = self.at;
            self.bytes.read(self.at, &mut self.window).map_err(Fault::Unreadable)?;
        }
        Ok(&self.window[(self.at - self.first) as usize..])
    }

    /// A number that ends before `end`, if one does.
    fn varint(&mut self, end: u64) -> Result<Option<u64>, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if self.at == end {
                return Ok(None);
            }
            let byte = self.ahead()?[0];
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((shift < 63 || byte < 2).then_some(value));
            }
        }
        Ok(None)
    }

    /// The next bytes, which must be there.
    fn read(&mut self, to: &mut [u8]) -> Result<(), Fault> {
        if to.len() >= WINDOW {
            self.bytes.read(self.at, to).map_err(Fault::Unreadable)?;
            self.at += to.len() as u64;
            return Ok(());
        }
        let mut done = 0;
        while done < to.len() {
            let ahead = self.ahead()?;
            let now = ahead.len().min(to.len() - done);
            to[done..done + now].copy_from_slice(&ahead[..now]);
            done += now;
            self.at += now as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::proto::{Attribute, Graph, Model, Node, Tensor, element};
    use super::*;

    fn model() -> Model {
        let data = (0..LARGE).map(|it| it as u8).collect::<Vec<u8>>();
        let tensor = |name: &str, raw_data: Vec<u8>| Tensor {
            name: name.to_owned(),
            dims: vec![raw_data.len() as i64],
            data_type: element::U8,
            raw_data,
            ..Tensor::default()
        };
        let value =
            Attribute { t: Some(tensor("", data[1..].to_vec())), i: -1, ..Attribute::default() };
        let node =
            Node { op_type: "Constant".to_owned(), attribute: vec![value], ..Node::default() };
        let initializer =
            vec![tensor("a", data.clone()), tensor("b", vec![1, 2]), tensor("c", data)];
        let graph = Graph { node: vec![node], initializer, ..Graph::default() };
        Model { ir_version: 8, graph: Some(graph), ..Model::default() }
    }

    /// The model in a shell with its data put back.
    fn restored(shell: &Shell, file: &[u8]) -> Option<Model> {
        let mut model = Model::decode(shell.bytes.as_slice()).ok()?;
        for tensor in tensors(&mut model).filter(|it| it.stored != 0) {
            let range = shell.stored[tensor.stored as usize - 1].clone();
            assert!(tensor.raw_data.is_empty());
            tensor.raw_data = file[range.start as usize..range.end as usize].to_vec();
            tensor.stored = 0;
        }
        Some(model)
    }

    fn tensors(model: &mut Model) -> impl Iterator<Item = &mut Tensor> {
        model.graph.iter_mut().flat_map(|graph| {
            let attributes = graph.node.iter_mut().flat_map(|it| &mut it.attribute);
            graph.initializer.iter_mut().chain(attributes.filter_map(|it| it.t.as_mut()))
        })
    }

    #[test]
    fn large_data_is_left_out() {
        let file = model().encode_to_vec();
        let shell = scan(&file).expect("a model");
        assert_eq!(shell.stored.len(), 2);
        assert!(shell.bytes.len() < file.len() - 2 * LARGE as usize + 100);
        assert_eq!(restored(&shell, &file), Some(model()));
    }

    /// Whatever bit is changed outside the large data: a shell stands for the same model as the file, or for none.
    #[test]
    fn a_shell_is_the_file() {
        let file = model().encode_to_vec();
        let left_out = scan(&file).expect("a model").stored;
        let is_left_out = |at: usize| left_out.iter().any(|it| it.contains(&(at as u64)));
        let mut same = 0;
        for at in (0..file.len()).filter(|it| !is_left_out(*it)) {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                let Ok(shell) = scan(&changed) else { continue };
                let mut whole = Model::decode(changed.as_slice()).ok();
                whole.iter_mut().flat_map(tensors).for_each(|it| it.stored = 0);
                // Bytes, because NaN is not NaN.
                let bytes = |it: &Option<Model>| it.as_ref().map(|it| it.encode_to_vec());
                let restored = restored(&shell, &changed);
                assert!(bytes(&restored) == bytes(&whole), "bit {bit} of byte {at}");
                same += usize::from(whole.is_some());
            }
        }
        assert!(same > 1000, "{same} of the changed files are models");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        #[derive(Debug)]
        struct Broken;
        impl Bytes for Broken {
            fn count(&self) -> u64 {
                1 << 40
            }
            fn read(&self, _: u64, _: &mut [u8]) -> Result<(), String> {
                Err("it is gone".to_owned())
            }
        }
        assert_eq!(scan(&Broken).unwrap_err().to_string(), "the file cannot be read: it is gone");
    }

    #[test]
    fn what_is_copied_has_a_limit() {
        /// A graph with a name of 3 GB, which nobody has to make to refuse it.
        #[derive(Debug)]
        struct Long;
        impl Bytes for Long {
            fn count(&self) -> u64 {
                3 << 30
            }
            fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String> {
                assert!(from == 0 && to.len() <= WINDOW, "only the head is read");
                let length: u64 = (3 << 30) - 6;
                let head = [0x12, length as u8 | 0x80, (length >> 7) as u8 | 0x80];
                let tail =
                    [14, 21, 28].map(|it| (length >> it) as u8 | if it < 28 { 0x80 } else { 0 });
                to[..6].copy_from_slice(&[head.as_slice(), &tail].concat());
                Ok(())
            }
        }
        let fault = scan(&Long).unwrap_err().to_string();
        assert_eq!(fault, "more than 2147483648 bytes besides raw data");
    }
}
