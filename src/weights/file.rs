//! A weights file: its table of contents, and its tensors when they are asked for.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::Element;
use super::npz::Archive;
use super::store::{Bytes, Store, Stored};
use super::values::{Elements, Value};
use super::{npz, safe};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The most tensors that a file may hold.
pub(super) const TENSORS_MAX: usize = 100_000;

/// The largest extent that a file may declare.
pub(super) const EXTENT_MAX: u64 = (1 << 31) - 1;

/// A weights file whose table of contents has been read and checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct File(Arc<Content>);

#[derive(Debug)]
struct Content {
    name: String,
    entries: Vec<Entry>,
    at: HashMap<String, usize>,
    data: Data,
}

/// The bytes behind the entries.
#[derive(Debug)]
pub(super) enum Data {
    /// A `.safetensors` file.
    Safetensors(Store),
    /// A `.npz` file.
    Npz(Archive),
}

/// A tensor of a weights file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its extents; none for a scalar, and 0 is possible.
    pub dims: Vec<usize>,
    /// Its element type, or the file's name for one that cannot be converted to f32.
    pub element: Result<Element, String>,
    pub(super) place: Place,
}

/// Where the elements lie.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// A range of bytes of a safetensors file, inside it.
    Bytes(std::ops::Range<u64>),
    /// A member of an archive.
    Member(npz::Member),
}

/// A weights file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`: {message}")]
pub struct FileError {
    /// The file, as the user named it.
    pub file: String,
    /// What is wrong, with the tensor where there is one.
    pub message: String,
}

impl File {
    /// Reads the table of contents of a `.safetensors` or `.npz` file, told apart by their first bytes.
    ///
    /// Fails on anything but a well-formed file: cut off, with holes or overlaps, with a name given
    /// twice, with more than 100,000 tensors or a safetensors header above 16 MiB. Reads no tensor, and
    /// allocates no more than the table of contents needs.
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<File, FileError> {
        File::open(name, Box::new(bytes))
    }

    /// [`File::read`] of bytes that stay where they are: of a safetensors file only the header is read now, and
    /// tensors piece by piece when they are asked for. An archive is read whole.
    pub fn open(name: &str, bytes: Box<dyn Bytes>) -> Result<File, FileError> {
        let fail = |message| FileError { file: name.to_owned(), message };
        let (entries, data) = contents(name, bytes).map_err(fail)?;
        let mut at = HashMap::with_capacity(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            if let Some(&extent) = entry.dims.iter().find(|&&it| it as u64 > EXTENT_MAX) {
                let message = format!("tensor `{}` declares an extent of {extent}", entry.name);
                return Err(fail(message));
            }
            if at.insert(entry.name.clone(), i).is_some() {
                return Err(fail(format!("tensor `{}` is there twice", entry.name)));
            }
        }
        Ok(File(Arc::new(Content { name: name.to_owned(), entries, at, data })))
    }

    /// The file, as the user named it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its tensors, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// The position of a tensor among the entries.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.at.get(name).copied()
    }

    /// Checks that a tensor's elements are all there, so that [`File::decode`] will succeed.
    ///
    /// Reads through the compressed data of an archive; costs nothing for a safetensors file.
    pub(super) fn check(&self, at: usize) -> Result<(), String> {
        let entry = &self.0.entries[at];
        match (&entry.place, &self.0.data) {
            (Place::Member(member), Data::Npz(archive)) => archive.check(entry, member),
            _ => Ok(()),
        }
    }

    /// A tensor's elements as f32, last axis fastest.
    ///
    /// Panics if the element type has no conversion or [`File::check`] fails, both of which binding
    /// rules out.
    pub(super) fn value(&self, at: usize, shape: &Shape) -> Value {
        let entry = &self.0.entries[at];
        let elements = match (&entry.place, &self.0.data) {
            (Place::Member(member), Data::Npz(archive)) => {
                let data = archive.decode(entry, member).expect("a bound tensor has been checked");
                Elements::Held(Arc::new(Tensor::new(shape.clone(), data)))
            }
            (Place::Bytes(range), Data::Safetensors(store)) => {
                let element = entry.element.as_ref().expect("a bound tensor has an element type");
                Elements::Stored(Stored::new(store, &entry.name, *element, range.clone()))
            }
            _ => unreachable!("an entry lies in its file"),
        };
        Value { shape: shape.clone(), elements, factors: None }
    }

    /// What went wrong when a tensor was read, if anything did.
    pub fn fault(&self) -> Option<FileError> {
        match &self.0.data {
            Data::Safetensors(store) => store.fault(),
            Data::Npz(_) => None,
        }
    }
}

/// The table of contents, told by the first bytes.
fn contents(name: &str, bytes: Box<dyn Bytes>) -> Result<(Vec<Entry>, Data), String> {
    let count = usize::try_from(bytes.count()).map_err(|_| "it is too large".to_owned())?;
    let mut first = vec![0; count.min(4)];
    bytes.read(0, &mut first)?;
    if first == b"PK\x03\x04" || first == b"PK\x05\x06" {
        let mut whole = vec![0; count];
        bytes.read(0, &mut whole)?;
        return npz::read(whole);
    }
    safe::read(Store::new(name, bytes), count)
}
