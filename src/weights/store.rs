//! Tensors that stay in their file: read by position, a piece at a time.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::decode::Element;
use super::file::FileError;

/// Bytes that are read by position, such as those of a file on a disk.
pub trait Bytes: Send + Sync + fmt::Debug {
    /// How many there are.
    fn count(&self) -> u64;

    /// What changes whenever a byte does, if that is known without reading them.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Fills `to` with those that begin at `from`, or says what went wrong.
    fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String>;
}

impl Bytes for Vec<u8> {
    fn count(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String> {
        let there = usize::try_from(from).ok().and_then(|it| self.get(it..)?.get(..to.len()));
        to.copy_from_slice(there.ok_or("it is cut off")?);
        Ok(())
    }
}

/// A file with tensors, and what went wrong when one of them was read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Content>);

#[derive(Debug)]
struct Content {
    name: String,
    bytes: Box<dyn Bytes>,
    fault: OnceLock<String>,
}

impl Store {
    /// The bytes of a file, which the user named so.
    pub fn new(name: &str, bytes: Box<dyn Bytes>) -> Store {
        Store(Arc::new(Content { name: name.to_owned(), bytes, fault: OnceLock::new() }))
    }

    /// The bytes.
    pub fn bytes(&self) -> &dyn Bytes {
        self.0.bytes.as_ref()
    }

    /// What went wrong when a tensor was read, if anything did.
    pub fn fault(&self) -> Option<FileError> {
        let message = self.0.fault.get()?.clone();
        Some(FileError { file: self.0.name.clone(), message })
    }
}

/// A tensor of a file, whose elements lie there one after another. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stored {
    store: Store,
    name: Arc<str>,
    element: Element,
    range: Range<u64>,
}

/// Whether both are the same bytes of the same file.
impl PartialEq for Stored {
    fn eq(&self, other: &Stored) -> bool {
        Arc::ptr_eq(&self.store.0, &other.store.0)
            && self.element == other.element
            && self.range == other.range
    }
}

impl Stored {
    /// The tensor with this name, for messages, in a range of bytes of a file.
    pub fn new(store: &Store, name: &str, element: Element, range: Range<u64>) -> Stored {
        Stored { store: store.clone(), name: name.into(), element, range }
    }

    /// Where it lies.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The number of its elements.
    pub fn elements(&self) -> usize {
        usize::try_from(self.range.end - self.range.start).expect("a file that fits")
            / self.element.bytes()
    }

    /// Writes the elements that begin at `from`, as many as `to` has. They must be there.
    ///
    /// Where the bytes have become unreadable, the elements are zero and [`Store::fault`] says so.
    pub fn read(&self, from: usize, to: &mut [f32]) {
        let width = self.element.bytes() as u64;
        let start = self.range.start + from as u64 * width;
        assert!(start + to.len() as u64 * width <= self.range.end, "a part lies in its tensor");
        let bytes = self.store.bytes();
        let read = match self.element {
            Element::F32 if cfg!(target_endian = "little") => {
                bytes.read(start, bytemuck::cast_slice_mut(to))
            }
            _ => {
                let mut raw = vec![0; to.len() * self.element.bytes()];
                let read = bytes.read(start, &mut raw);
                to.copy_from_slice(&self.element.decode(&raw));
                read
            }
        };
        if let Err(why) = read {
            to.fill(0.0);
            // The first fault is told.
            let _ = self.store.0.fault.set(format!("tensor `{}` cannot be read: {why}", self.name));
        }
    }

    /// All elements, as [`Stored::read`].
    pub fn all(&self) -> Vec<f32> {
        let mut data = vec![0.0; self.elements()];
        self.read(0, &mut data);
        data
    }

    /// What tells the bytes of the tensor from all others, if that is known without reading them.
    pub(super) fn identity(&self) -> Option<String> {
        Some(format!("{} {:?} {:?}", self.store.bytes().identity()?, self.range, self.element))
    }
}
