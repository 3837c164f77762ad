//! NumPy archives: a zip file with one `.npy` array a member.

use std::fmt;
use std::io::{Cursor, Read, Seek, Write};
use std::sync::Arc;

use half::f16;
use npyz::{AutoSerialize, WriteOptions, WriterBuilder};
use zip::write::{FileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, ZipArchive};

use super::decode::Element;
use super::file::{Data, Entry, Place, TENSORS_MAX};
use super::npy::{self, Layout};
use super::{Weights, stored};
use crate::graph::Graph;

/// The most bytes that one member may inflate to.
const INFLATED_MAX: u64 = 16 << 30;

/// An archive in memory.
pub(super) struct Archive(ZipArchive<Cursor<Bytes>>);

/// Bytes that clones share.
#[derive(Clone)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive of {} members", self.0.len())
    }
}

/// An array in an archive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    index: usize,
    layout: Layout,
}

pub(super) fn read(bytes: Vec<u8>) -> Result<(Vec<Entry>, Data), String> {
    let mut zip = ZipArchive::new(Cursor::new(Bytes(Arc::new(bytes))))
        .map_err(|it| format!("the archive cannot be read: {it}"))?;
    if zip.len() > TENSORS_MAX {
        return Err(format!("more than {TENSORS_MAX} arrays"));
    }
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut file =
            zip.by_index(index).map_err(|it| format!("member {index} cannot be read: {it}"))?;
        let Some(name) = file.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        let fail = |message: String| format!("tensor `{name}`: {message}");
        let size = file.size();
        if size > INFLATED_MAX {
            return Err(fail(format!("it would inflate to {size} bytes")));
        }
        let layout = npy::layout(&mut file).map_err(fail)?;
        let (dims, element) = (layout.dims.clone(), layout.element.clone());
        let place = Place::Member(Member { index, layout });
        entries.push(Entry { name, dims, element, place });
    }
    Ok((entries, Data::Npz(Archive(zip))))
}

impl Archive {
    /// Whether the member has exactly the bytes that its header declares, and the archive's checksum.
    pub(super) fn check(&self, entry: &Entry, member: &Member) -> Result<(), String> {
        self.open(entry, member, |file, bytes| {
            let read = std::io::copy(file, &mut std::io::sink())?;
            Ok((read == bytes).then_some(()))
        })
    }

    /// The elements as f32, last axis fastest.
    pub(super) fn decode(&self, entry: &Entry, member: &Member) -> Result<Vec<f32>, String> {
        let bytes = self.open(entry, member, |file, bytes| {
            let mut data = Vec::new();
            file.take(bytes + 1).read_to_end(&mut data)?;
            Ok((data.len() as u64 == bytes).then_some(data))
        })?;
        Ok(member.layout.decode(bytes))
    }

    /// Hands over the elements and their declared size; `None` means that they have another.
    fn open<T>(
        &self,
        entry: &Entry,
        member: &Member,
        read: impl FnOnce(&mut dyn Read, u64) -> std::io::Result<Option<T>>,
    ) -> Result<T, String> {
        let element = entry.element.as_ref().map_err(|it| npy::unknown(it))?;
        let elements = entry.dims.iter().try_fold(1_u64, |it, &dim| it.checked_mul(dim as u64));
        let bytes = elements
            .and_then(|it| it.checked_mul(element.bytes() as u64))
            .filter(|&it| it <= INFLATED_MAX)
            .ok_or_else(|| format!("{:?} elements are too many", entry.dims))?;
        let mut zip = self.0.clone();
        let mut file = zip.by_index(member.index).map_err(|it| it.to_string())?;
        let skip = member.layout.skip as u64;
        if file.size() != skip + bytes {
            let there = file.size().saturating_sub(skip);
            return Err(format!("{bytes} bytes are declared, {there} are there"));
        }
        std::io::copy(&mut (&mut file).take(skip), &mut std::io::sink())
            .and_then(|_| read(&mut file, bytes))
            .map_err(|it| it.to_string())?
            .ok_or_else(|| "the data is shorter than declared".to_owned())
    }
}

/// An array to be written.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its extents; none for a scalar, and 0 is possible.
    pub dims: &'a [usize],
    /// The element type that it gets; NumPy has no bf16, which becomes f32.
    pub element: Element,
    /// Its elements, last axis fastest.
    pub data: &'a [f32],
}

/// Writes named arrays as `.npz`, uncompressed and without the time of day: equal arrays give equal bytes.
pub fn write<'a, W: Write + Seek>(
    out: W,
    arrays: impl IntoIterator<Item = Array<'a>>,
) -> std::io::Result<()> {
    let mut archive = ZipWriter::new(out);
    for it in arrays {
        match it.element {
            Element::Bool => put(&mut archive, &it, |it| it != 0.0),
            Element::U8 => put(&mut archive, &it, |it| it as u8),
            Element::I8 => put(&mut archive, &it, |it| it as i8),
            Element::U16 => put(&mut archive, &it, |it| it as u16),
            Element::I16 => put(&mut archive, &it, |it| it as i16),
            Element::U32 => put(&mut archive, &it, |it| it as u32),
            Element::I32 => put(&mut archive, &it, |it| it as i32),
            Element::U64 => put(&mut archive, &it, |it| it as u64),
            Element::I64 => put(&mut archive, &it, |it| it as i64),
            Element::F16 => put(&mut archive, &it, f16::from_f32),
            Element::Bf16 | Element::F32 => put(&mut archive, &it, |it| it),
            Element::F64 => put(&mut archive, &it, f64::from),
        }?;
    }
    archive.finish()?.flush()
}

/// Writes the parameters that a weights file holds as f32 `.npz`, and calls `each` after each. Holds one tensor in
/// memory at a time.
pub fn save<W: Write + Seek>(
    weights: &Weights,
    graph: &Graph,
    out: W,
    each: &dyn Fn(),
) -> std::io::Result<()> {
    let mut archive = ZipWriter::new(out);
    for id in stored(graph) {
        let (name, tensor) = (graph.param(id).path.as_str(), weights.tensor(graph, id));
        let (dims, data) = (tensor.shape.dims(), tensor.data.as_slice());
        put(&mut archive, &Array { name, dims, element: Element::F32, data }, |it| it)?;
        each();
    }
    archive.finish()?.flush()
}

fn put<W: Write + Seek, T: AutoSerialize>(
    archive: &mut ZipWriter<W>,
    array: &Array<'_>,
    convert: impl Fn(f32) -> T,
) -> std::io::Result<()> {
    let options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(array.data.len() * size_of::<T>() >= 1 << 31);
    let shape: Vec<u64> = array.dims.iter().map(|&it| it as u64).collect();
    archive.start_file(format!("{}.npy", array.name), options)?;
    let member = WriteOptions::<T>::new().default_dtype().shape(&shape);
    let mut member = member.writer(archive).begin_nd()?;
    member.extend(array.data.iter().map(|&it| convert(it)))?;
    member.finish()
}
