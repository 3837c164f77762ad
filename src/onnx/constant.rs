//! Tensors known when importing.

use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};

use super::Fault;
use super::proto::{self, element};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::{Element, Store, Stored};

/// A tensor known when importing. Unlike a [`Tensor`] it may have no axes, or no elements.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Its extents; none for a scalar.
    pub dims: Vec<usize>,
    /// The element type, as [`element`] names them.
    pub element: i32,
    /// Its values, last axis fastest.
    pub data: Data,
}

/// The values of a [`Constant`].
#[derive(Clone, Debug)]
pub enum Data {
    /// Of a floating-point type.
    Real(Reals),
    /// Of an integer type, or truth values as 0 and 1.
    Whole(Arc<Vec<i64>>),
}

/// Real numbers.
#[derive(Clone, Debug)]
pub enum Reals {
    /// In memory.
    Held(Arc<Vec<f32>>),
    /// In a file, until somebody looks at them.
    Stored(Stored),
}

impl Reals {
    /// The numbers. Those that cannot be read are zero, and [`Store::fault`] says so.
    pub fn get(&self) -> Arc<Vec<f32>> {
        match self {
            Reals::Held(data) => data.clone(),
            Reals::Stored(stored) => Arc::new(stored.all()),
        }
    }

    /// The numbers, as [`Reals::get`], not copied where nobody shares them.
    fn take(self) -> Vec<f32> {
        match self {
            Reals::Held(data) => Arc::unwrap_or_clone(data),
            Reals::Stored(stored) => stored.all(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Reals::Held(data) => data.len(),
            Reals::Stored(stored) => stored.elements(),
        }
    }
}

impl Data {
    /// Real numbers in memory.
    pub(super) fn real(data: Vec<f32>) -> Self {
        Data::Real(Reals::Held(Arc::new(data)))
    }
}

/// Whether an element type is one of the floating-point types.
pub(super) fn is_real(element: i32) -> bool {
    matches!(element, element::F32 | element::F64 | element::F16 | element::BF16)
}

/// How files of arrays store an element type, if it is one that is read.
pub(super) fn stored_element(element: i32) -> Option<Element> {
    Some(match element {
        element::F32 => Element::F32,
        element::F64 => Element::F64,
        element::F16 => Element::F16,
        element::BF16 => Element::Bf16,
        element::U8 => Element::U8,
        element::I8 => Element::I8,
        element::U16 => Element::U16,
        element::I16 => Element::I16,
        element::U32 => Element::U32,
        element::I32 => Element::I32,
        element::U64 => Element::U64,
        element::I64 => Element::I64,
        element::BOOL => Element::Bool,
        _ => return None,
    })
}

/// The name of an element type.
pub fn element_name(element: i32) -> String {
    let name = match element {
        element::F32 => "f32",
        element::F64 => "f64",
        element::F16 => "f16",
        element::BF16 => "bf16",
        element::U8 => "u8",
        element::I8 => "i8",
        element::U16 => "u16",
        element::I16 => "i16",
        element::U32 => "u32",
        element::I32 => "i32",
        element::U64 => "u64",
        element::I64 => "i64",
        element::BOOL => "bool",
        element::STRING => "string",
        other => return format!("type {other}"),
    };
    name.to_owned()
}

impl Constant {
    /// Whether both are one constant of the file, not only equal.
    pub(super) fn is(&self, other: &Constant) -> bool {
        let one = match (&self.data, &other.data) {
            (Data::Real(Reals::Held(a)), Data::Real(Reals::Held(b))) => Arc::ptr_eq(a, b),
            (Data::Real(Reals::Stored(a)), Data::Real(Reals::Stored(b))) => a == b,
            (Data::Whole(a), Data::Whole(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        one && self.dims == other.dims
    }

    /// Whether another constant may be the same one: it lies in its file, or somebody else holds it too.
    pub(super) fn may_be_common(&self) -> bool {
        match &self.data {
            Data::Real(Reals::Held(data)) => Arc::strong_count(data) > 1,
            Data::Real(Reals::Stored(_)) => true,
            Data::Whole(data) => Arc::strong_count(data) > 1,
        }
    }

    /// Real numbers; panics if there are not as many as the extents say.
    pub fn real(dims: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), data.len(), "as many values as {dims:?} say");
        Self { dims, element: element::F32, data: Data::real(data) }
    }

    /// Whole numbers; panics if there are not as many as the extents say.
    pub fn whole(dims: Vec<usize>, data: Vec<i64>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), data.len(), "as many values as {dims:?} say");
        Self { dims, element: element::I64, data: Data::Whole(Arc::new(data)) }
    }

    /// A list of whole numbers.
    pub fn list(data: Vec<i64>) -> Self {
        Self::whole(vec![data.len()], data)
    }

    /// A tensor without elements; panics if there is one.
    pub fn none(dims: Vec<usize>, element: i32) -> Self {
        assert!(dims.contains(&0), "{dims:?} has elements");
        let data = match is_real(element) {
            true => Data::real(Vec::new()),
            false => Data::Whole(Arc::default()),
        };
        Self { dims, element, data }
    }

    /// The same values as another element type.
    #[must_use]
    pub fn of_element(mut self, element: i32) -> Self {
        self.element = element;
        self
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Real(data) => data.len(),
            Data::Whole(data) => data.len(),
        }
    }

    /// What it takes of the budget.
    pub(super) fn cost(&self) -> usize {
        cost(self.element, self.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as whole numbers, if they are.
    pub fn ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Real(_) => None,
            Data::Whole(data) => Some(data),
        }
    }

    /// The values as f32.
    pub fn floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Real(data) => data.clone().take(),
            Data::Whole(data) => data.iter().map(|&it| it as f32).collect(),
        }
    }

    /// The only value, whatever the rank.
    pub fn scalar(&self) -> Option<f32> {
        match &self.data {
            Data::Real(data) if data.len() == 1 => Some(data.get()[0]),
            Data::Whole(data) if data.len() == 1 => Some(data[0] as f32),
            Data::Real(_) | Data::Whole(_) => None,
        }
    }

    /// The value that all elements have, if there is one.
    pub fn uniform(&self) -> Option<f32> {
        match &self.data {
            Data::Real(data) => {
                let data = data.get();
                data.iter().all(|it| *it == data[0]).then(|| data.first().copied()).flatten()
            }
            Data::Whole(data) => data
                .iter()
                .all(|it| *it == data[0])
                .then(|| data.first().map(|&it| it as f32))
                .flatten(),
        }
    }

    /// The nearest whole numbers.
    #[must_use]
    pub fn rounded(self) -> Self {
        let data = match self.data {
            Data::Real(data) => {
                Data::Whole(Arc::new(data.get().iter().map(|it| it.round() as i64).collect()))
            }
            whole @ Data::Whole(_) => whole,
        };
        Self { data, ..self }
    }

    /// The same values under other extents with as many elements.
    #[must_use]
    pub fn reshaped(mut self, dims: Vec<usize>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), self.len(), "as many values as {dims:?} say");
        self.dims = dims;
        self
    }

    /// The elements at the given flat positions, under other extents.
    #[must_use]
    pub fn picked(&self, dims: Vec<usize>, at: &[usize]) -> Self {
        assert_eq!(dims.iter().product::<usize>(), at.len(), "as many values as {dims:?} say");
        let data = match &self.data {
            Data::Real(data) => {
                let data = data.get();
                Data::real(at.iter().map(|&it| data[it]).collect())
            }
            Data::Whole(data) => Data::Whole(Arc::new(at.iter().map(|&it| data[it]).collect())),
        };
        Self { dims, element: self.element, data }
    }

    /// The elements of a box: `start` and then `steps` for each axis of `dims`.
    #[must_use]
    pub fn strided(&self, dims: Vec<usize>, start: usize, steps: &[i64]) -> Self {
        let data = match &self.data {
            Data::Real(data) => Data::real(strided(&data.get(), &dims, start, steps)),
            Data::Whole(data) => Data::Whole(Arc::new(strided(data, &dims, start, steps))),
        };
        Self { dims, element: self.element, data }
    }

    /// The axes in another order.
    #[must_use]
    pub fn permuted(&self, order: &[usize]) -> Self {
        let strides = strides(&self.dims);
        let dims: Vec<usize> = order.iter().map(|&it| self.dims[it]).collect();
        let steps: Vec<i64> = order.iter().map(|&it| strides[it] as i64).collect();
        self.strided(dims, 0, &steps)
    }

    /// Stretched to larger extents, where extents of 1 repeat; `None` if that cannot be.
    pub fn stretched(&self, dims: &[usize]) -> Option<Self> {
        if self.dims == dims {
            return Some(self.clone());
        }
        let free = dims.len().checked_sub(self.dims.len())?;
        let mut steps = vec![0; free];
        for ((&extent, stride), &to) in self.dims.iter().zip(strides(&self.dims)).zip(&dims[free..])
        {
            match extent {
                _ if extent == to => steps.push(stride as i64),
                1 => steps.push(0),
                _ => return None,
            }
        }
        Some(self.strided(dims.to_vec(), 0, &steps))
    }

    /// As a tensor of f32: a scalar becomes a vector of one.
    pub fn tensor(self) -> Result<Tensor, Fault> {
        let dims = if self.dims.is_empty() { vec![1] } else { self.dims };
        let shape = shape(&dims)?;
        let data = match self.data {
            Data::Real(data) => data.take(),
            Data::Whole(data) => data.iter().map(|&it| it as f32).collect(),
        };
        Ok(Tensor::new(shape, data))
    }
}

/// The distance between neighbours on each axis.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The elements of a box, last axis fastest.
fn strided<T: Copy>(data: &[T], dims: &[usize], start: usize, steps: &[i64]) -> Vec<T> {
    let count = dims.iter().product();
    let mut picked = Vec::with_capacity(count);
    let mut point = vec![0; dims.len()];
    let mut at = start as i64;
    while picked.len() < count {
        picked.push(data[at as usize]);
        for axis in (0..dims.len()).rev() {
            point[axis] += 1;
            at += steps[axis];
            if point[axis] < dims[axis] {
                break;
            }
            at -= steps[axis] * dims[axis] as i64;
            point[axis] = 0;
        }
    }
    picked
}

/// Extents as a shape within the limits; a scalar is a vector of one.
pub(super) fn shape(dims: &[usize]) -> Result<Shape, Fault> {
    let dims = if dims.is_empty() { &[1] } else { dims };
    Shape::checked(dims).ok_or_else(|| {
        Fault::new(format!(
            "a value would be {dims:?}; netc takes 1 to 2^31 elements on at most 8 axes"
        ))
    })
}

/// The elements of a box, if there are no more than a value may have. Where an extent is 0 the others stay within
/// that too: arithmetic on extents need not fear them.
pub(super) fn count(dims: &[usize]) -> Option<usize> {
    let parts = dims.iter().try_fold(1_usize, |product, &it| product.checked_mul(it.max(1)));
    let parts = parts.filter(|it| *it <= Shape::ELEMENTS_MAX)?;
    Some(if dims.contains(&0) { 0 } else { parts })
}

/// What so many elements of a type take of the budget: a whole number is held in eight bytes.
pub(super) fn cost(element: i32, count: usize) -> usize {
    if is_real(element) { count } else { count.saturating_mul(2) }
}

/// What a stored tensor takes of the budget.
pub(super) fn cost_of(tensor: &proto::Tensor) -> Result<usize, Fault> {
    extents(tensor).map(|it| cost(tensor.data_type, it.1))
}

/// The extents of a stored tensor.
pub(super) fn dims(tensor: &proto::Tensor) -> Result<Vec<usize>, Fault> {
    extents(tensor).map(|it| it.0)
}

/// The extents of a stored tensor and its number of elements, within the limits.
fn extents(tensor: &proto::Tensor) -> Result<(Vec<usize>, usize), Fault> {
    let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&it| usize::try_from(it).ok()).collect();
    let dims = dims.filter(|it| it.len() <= Shape::RANK_MAX);
    let count = dims.as_deref().and_then(count);
    dims.zip(count).ok_or_else(|| {
        let dims = &tensor.dims[..tensor.dims.len().min(16)];
        Fault::new(format!("the tensor `{}` has impossible extents {dims:?}", tensor.name))
    })
}

/// The values of a stored tensor, whose data lies in the message or, if `place` says so, in a range of bytes of a file.
pub(super) fn decode(
    tensor: &proto::Tensor,
    place: Option<(&Store, Range<u64>)>,
) -> Result<Constant, Fault> {
    let (dims, count) = extents(tensor)?;
    let element = tensor.data_type;
    let raw = match &place {
        Some((_, range)) => Some(range.end - range.start),
        None => Some(tensor.raw_data.len() as u64).filter(|it| *it > 0),
    };
    if let Some(found) = raw {
        let expected = byte_length(tensor)?;
        if found != expected as u64 {
            return Err(Fault::new(format!(
                "the tensor `{}` is {dims:?}, {expected} bytes, but holds {found}",
                tensor.name
            )));
        }
    }
    let data = match (place, raw) {
        (Some((store, range)), _) => from_file(tensor, store, range)?,
        (None, Some(_)) => from_bytes(element, &tensor.raw_data),
        (None, None) => from_fields(tensor),
    };
    let data = data.ok_or_else(|| unread(tensor))?;
    let constant = Constant { dims, element, data };
    if constant.len() != count {
        let (dims, found) = (&constant.dims, constant.len());
        return Err(Fault::new(format!(
            "the tensor `{}` is {dims:?}, {count} elements, but holds {found}",
            tensor.name
        )));
    }
    Ok(constant)
}

/// What to say of a tensor of another element type.
fn unread(tensor: &proto::Tensor) -> Fault {
    let (name, element) = (&tensor.name, element_name(tensor.data_type));
    Fault::new(format!("the tensor `{name}` holds {element}, which netc does not read"))
}

/// The bytes that a tensor of so many elements takes, if its type is one that is read.
pub(super) fn byte_length(tensor: &proto::Tensor) -> Result<usize, Fault> {
    let (_, count) = extents(tensor)?;
    let element = stored_element(tensor.data_type).ok_or_else(|| unread(tensor))?;
    Ok(count * element.bytes())
}

/// Real numbers stay in their file.
fn from_file(
    tensor: &proto::Tensor,
    store: &Store,
    range: Range<u64>,
) -> Result<Option<Data>, Fault> {
    let element = match stored_element(tensor.data_type) {
        Some(element) if is_real(tensor.data_type) => element,
        _ => {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            store.bytes().read(range.start, &mut bytes).map_err(|it| {
                Fault::new(format!("the tensor `{}` cannot be read: {it}", tensor.name))
            })?;
            return Ok(from_bytes(tensor.data_type, &bytes));
        }
    };
    let stored = Stored::new(store, &tensor.name, element, range);
    Ok(Some(Data::Real(Reals::Stored(stored))))
}

/// Elements of `N` bytes.
fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&it| read(it)).collect()
}

fn from_bytes(element: i32, bytes: &[u8]) -> Option<Data> {
    let real = |it| Some(Data::real(it));
    let whole = |it| Some(Data::Whole(Arc::new(it)));
    match element {
        element::F32 => real(words(bytes, f32::from_le_bytes)),
        element::F64 => real(words(bytes, |it| f64::from_le_bytes(it) as f32)),
        element::F16 => real(words(bytes, |it| f16::from_le_bytes(it).to_f32())),
        element::BF16 => real(words(bytes, |it| bf16::from_le_bytes(it).to_f32())),
        element::U8 => whole(bytes.iter().map(|&it| i64::from(it)).collect()),
        element::BOOL => whole(bytes.iter().map(|&it| i64::from(it != 0)).collect()),
        element::I8 => whole(bytes.iter().map(|&it| i64::from(it as i8)).collect()),
        element::U16 => whole(words(bytes, |it| i64::from(u16::from_le_bytes(it)))),
        element::I16 => whole(words(bytes, |it| i64::from(i16::from_le_bytes(it)))),
        element::U32 => whole(words(bytes, |it| i64::from(u32::from_le_bytes(it)))),
        element::I32 => whole(words(bytes, |it| i64::from(i32::from_le_bytes(it)))),
        element::I64 | element::U64 => whole(words(bytes, i64::from_le_bytes)),
        _ => None,
    }
}

fn from_fields(tensor: &proto::Tensor) -> Option<Data> {
    let real = |it| Some(Data::real(it));
    let whole = |it| Some(Data::Whole(Arc::new(it)));
    let bits = |it: &i32| *it as u16;
    let small = &tensor.int32_data;
    match tensor.data_type {
        element::F32 => real(tensor.float_data.clone()),
        element::F64 => real(tensor.double_data.iter().map(|&it| it as f32).collect()),
        element::F16 => real(small.iter().map(|it| f16::from_bits(bits(it)).to_f32()).collect()),
        element::BF16 => real(small.iter().map(|it| bf16::from_bits(bits(it)).to_f32()).collect()),
        element::U8 | element::I8 | element::U16 | element::I16 | element::I32 => {
            whole(small.iter().map(|&it| i64::from(it)).collect())
        }
        element::BOOL => whole(small.iter().map(|&it| i64::from(it != 0)).collect()),
        element::I64 => whole(tensor.int64_data.clone()),
        element::U32 | element::U64 => {
            whole(tensor.uint64_data.iter().map(|&it| it as i64).collect())
        }
        _ => None,
    }
}
