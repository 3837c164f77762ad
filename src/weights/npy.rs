//! One NumPy array: a header that is a Python literal, then the elements.
//!
//! npyz reads the header. It recurses over nested literals and multiplies the extents unchecked, so a
//! hostile header is turned away before.

use std::io::Read;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use super::decode::Element;
use super::file::FileError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The first bytes of a `.npy` file.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read; NumPy's own limit is 10,000 bytes.
const HEADER_MAX: usize = 64 << 10;

/// What the header says, and how the elements lie.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) dims: Vec<usize>,
    /// The element type, or the file's name for one that cannot be converted to f32.
    pub(super) element: Result<Element, String>,
    /// The bytes before the elements.
    pub(super) skip: usize,
    /// Whether the elements are big-endian.
    pub(super) swapped: bool,
    /// Whether the first axis runs fastest.
    pub(super) fortran: bool,
}

/// An array as it is in a file, of any extents.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its extents; none for a scalar, and 0 is possible.
    pub dims: Vec<usize>,
    /// Its element type.
    pub element: Element,
    /// Its elements, little-endian, last axis fastest.
    bytes: Vec<u8>,
}

impl Array {
    /// Reads a `.npy` file.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Array, FileError> {
        let fail = |message| FileError { file: name.to_owned(), message };
        let layout = layout(bytes).map_err(fail)?;
        let element = *layout.element.as_ref().map_err(|it| fail(unknown(it)))?;
        let data = &bytes[layout.skip..];
        let count = layout.dims.iter().try_fold(1_usize, |it, &dim| it.checked_mul(dim));
        if count.and_then(|it| it.checked_mul(element.bytes())) != Some(data.len()) {
            let (dims, there) = (&layout.dims, data.len());
            let each = element.bytes();
            let message =
                format!("the array is {dims:?} with {each} bytes an element, but has {there}");
            return Err(fail(message));
        }
        let bytes = layout.ordered(data.to_vec(), element.bytes());
        Ok(Array { dims: layout.dims, element, bytes })
    }

    /// The elements as f32.
    pub fn floats(&self) -> Vec<f32> {
        self.element.decode(&self.bytes)
    }

    /// The elements as whole numbers; `None` if they are of a floating-point type.
    pub fn ints(&self) -> Option<Vec<i64>> {
        self.element.decode_whole(&self.bytes)
    }

    /// As a tensor of f32. Every extent must be at least 1.
    pub fn tensor(&self) -> Result<Tensor, String> {
        let shape = Shape::checked(&self.dims)
            .ok_or_else(|| format!("an array of shape {:?} cannot be used", self.dims))?;
        Ok(Tensor::new(shape, self.floats()))
    }
}

/// Reads a `.npy` file as f32. Every extent must be at least 1.
pub fn read(name: &str, bytes: &[u8]) -> Result<Tensor, FileError> {
    let array = Array::read(name, bytes)?;
    array.tensor().map_err(|message| FileError { file: name.to_owned(), message })
}

/// What to say of an element type that has no conversion.
pub(super) fn unknown(element: &str) -> String {
    format!("elements of type {element} cannot be converted to f32")
}

/// Reads the header, and nothing behind it.
pub(super) fn layout(mut bytes: impl Read) -> Result<Layout, String> {
    let mut head = vec![0; 10];
    let mut fill = |head: &mut Vec<u8>, from: usize| {
        bytes.read_exact(&mut head[from..]).map_err(|_| "the header is cut off".to_owned())
    };
    fill(&mut head, 0)?;
    if !head.starts_with(MAGIC) {
        return Err("this is no .npy array".to_owned());
    }
    let mut length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if head[6] > 1 {
        head.extend([0; 2]);
        fill(&mut head, 10)?;
        length |= usize::from(u16::from_le_bytes([head[10], head[11]])) << 16;
    }
    if length > HEADER_MAX {
        return Err(format!("the header claims {length} bytes, more than {HEADER_MAX}"));
    }
    let start = head.len();
    head.resize(start + length, 0);
    fill(&mut head, start)?;
    if !is_modest(&head[start..]) {
        return Err("the header describes no array that could be used".to_owned());
    }
    let header =
        NpyHeader::from_reader(&head[..]).map_err(|it| format!("the header is broken: {it}"))?;
    let (element, swapped) = element(&header.dtype());
    let dims = header.shape().iter().map(|&it| usize::try_from(it).unwrap_or(usize::MAX)).collect();
    let fortran = header.order() == Order::Fortran;
    Ok(Layout { dims, element, skip: head.len(), swapped, fortran })
}

/// Whether the literal nests little and its numbers cannot have a product above 2^63: a product of
/// numbers of `n` digits together is below `10^n`.
fn is_modest(header: &[u8]) -> bool {
    let digits = header.iter().filter(|it| it.is_ascii_digit()).count();
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    digits <= 18 && deepest <= 4
}

/// The element type, and whether it is big-endian.
fn element(dtype: &DType) -> (Result<Element, String>, bool) {
    let DType::Plain(ty) = dtype else { return (Err("a record".to_owned()), false) };
    let element = match (ty.type_char(), ty.size_field()) {
        (TypeChar::Bool, 1) => Element::Bool,
        (TypeChar::Uint, 1) => Element::U8,
        (TypeChar::Int, 1) => Element::I8,
        (TypeChar::Uint, 2) => Element::U16,
        (TypeChar::Int, 2) => Element::I16,
        (TypeChar::Uint, 4) => Element::U32,
        (TypeChar::Int, 4) => Element::I32,
        (TypeChar::Uint, 8) => Element::U64,
        (TypeChar::Int, 8) => Element::I64,
        (TypeChar::Float, 2) => Element::F16,
        (TypeChar::Float, 4) => Element::F32,
        (TypeChar::Float, 8) => Element::F64,
        _ => return (Err(format!("`{ty}`")), false),
    };
    (Ok(element), ty.endianness() == Endianness::Big)
}

impl Layout {
    /// The elements as f32, last axis fastest. `bytes` has them all; the element type has a conversion.
    pub(super) fn decode(&self, bytes: Vec<u8>) -> Vec<f32> {
        let element = self.element.as_ref().expect("the element type has a conversion");
        element.decode(&self.ordered(bytes, element.bytes()))
    }

    /// The elements of so many bytes each, little-endian and last axis fastest.
    fn ordered(&self, mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
        if self.swapped {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if self.fortran { transposed(&bytes, &self.dims, size) } else { bytes }
    }
}

/// From first axis fastest to last axis fastest, for elements of so many bytes.
fn transposed(data: &[u8], dims: &[usize], size: usize) -> Vec<u8> {
    let mut strides = vec![size; dims.len()];
    for axis in 1..dims.len() {
        strides[axis] = strides[axis - 1] * dims[axis - 1];
    }
    let mut index = vec![0; dims.len()];
    let mut moved = Vec::with_capacity(data.len());
    while moved.len() < data.len() {
        let at = index.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>();
        moved.extend_from_slice(&data[at..at + size]);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(literal: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(literal.len()).unwrap().to_le_bytes());
        bytes.extend(literal.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn big_endian_and_first_axis_fastest() {
        let literal = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
        let bytes = array(literal, &[0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6]);
        let tensor = read("a.npy", &bytes).unwrap();
        assert_eq!(tensor.shape.dims(), [2, 3]);
        assert_eq!(tensor.data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn every_truncation_and_hostile_headers_are_errors() {
        let whole = array("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[0; 8]);
        read("a.npy", &whole).unwrap();
        for length in 0..whole.len() {
            read("a.npy", &whole[..length]).unwrap_err();
        }
        for shape in ["(4294967295, 4294967295, 4294967295)", "(0,)", "(-1,)", "((((((1))))))", "7"]
        {
            let literal = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            read("a.npy", &array(&literal, &[])).unwrap_err();
        }
        read("a.npy", &array(&"[".repeat(60_000), &[])).unwrap_err();
        let objects = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
        read("a.npy", &array(objects, &[0; 8])).unwrap_err();
    }
}
