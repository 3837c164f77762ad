//! Element types of weights files, and their conversion to f32.

use half::{bf16, f16};

/// An element type that can be converted to f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the types")]
pub enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    /// Its size.
    pub fn bytes(self) -> usize {
        match self {
            Element::Bool | Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 | Element::F16 | Element::Bf16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }

    /// The name that safetensors has for it.
    pub fn name(self) -> &'static str {
        match self {
            Element::Bool => "BOOL",
            Element::U8 => "U8",
            Element::I8 => "I8",
            Element::U16 => "U16",
            Element::I16 => "I16",
            Element::U32 => "U32",
            Element::I32 => "I32",
            Element::U64 => "U64",
            Element::I64 => "I64",
            Element::F16 => "F16",
            Element::Bf16 => "BF16",
            Element::F32 => "F32",
            Element::F64 => "F64",
        }
    }

    /// Converts little-endian elements to f32, rounding to nearest where f32 is narrower.
    ///
    /// Works at any alignment. Bytes after the last whole element are ignored.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Element::Bool => bytes.iter().map(|&it| f32::from(u8::from(it != 0))).collect(),
            Element::U8 => bytes.iter().map(|&it| f32::from(it)).collect(),
            Element::I8 => bytes.iter().map(|&it| f32::from(it.cast_signed())).collect(),
            Element::U16 => each(bytes, |it| f32::from(u16::from_le_bytes(it))),
            Element::I16 => each(bytes, |it| f32::from(i16::from_le_bytes(it))),
            Element::U32 => each(bytes, |it| u32::from_le_bytes(it) as f32),
            Element::I32 => each(bytes, |it| i32::from_le_bytes(it) as f32),
            Element::U64 => each(bytes, |it| u64::from_le_bytes(it) as f32),
            Element::I64 => each(bytes, |it| i64::from_le_bytes(it) as f32),
            Element::F16 => each(bytes, |it| f16::from_le_bytes(it).to_f32()),
            Element::Bf16 => each(bytes, |it| bf16::from_le_bytes(it).to_f32()),
            Element::F32 => each(bytes, f32::from_le_bytes),
            Element::F64 => each(bytes, |it| f64::from_le_bytes(it) as f32),
        }
    }

    /// Converts little-endian elements to whole numbers; `None` for a floating-point type. Unsigned numbers
    /// from 2^63 on are taken for the largest.
    pub(super) fn decode_whole(self, bytes: &[u8]) -> Option<Vec<i64>> {
        let large = |it| i64::try_from(u64::from_le_bytes(it)).unwrap_or(i64::MAX);
        Some(match self {
            Element::Bool => bytes.iter().map(|&it| i64::from(it != 0)).collect(),
            Element::U8 => bytes.iter().map(|&it| i64::from(it)).collect(),
            Element::I8 => bytes.iter().map(|&it| i64::from(it.cast_signed())).collect(),
            Element::U16 => each(bytes, |it| i64::from(u16::from_le_bytes(it))),
            Element::I16 => each(bytes, |it| i64::from(i16::from_le_bytes(it))),
            Element::U32 => each(bytes, |it| i64::from(u32::from_le_bytes(it))),
            Element::I32 => each(bytes, |it| i64::from(i32::from_le_bytes(it))),
            Element::U64 => each(bytes, large),
            Element::I64 => each(bytes, i64::from_le_bytes),
            Element::F16 | Element::Bf16 | Element::F32 | Element::F64 => return None,
        })
    }
}

fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().map(|&it| convert(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_decodes_to_f32() {
        let cases: &[(Element, &[u8], f32)] = &[
            (Element::Bool, &[1], 1.0),
            (Element::U8, &[255], 255.0),
            (Element::I8, &[255], -1.0),
            (Element::U16, &[0, 1], 256.0),
            (Element::I16, &[254, 255], -2.0),
            (Element::U32, &[0, 0, 0, 1], 16_777_216.0),
            (Element::I32, &[255, 255, 255, 255], -1.0),
            (Element::U64, &[3, 0, 0, 0, 0, 0, 0, 0], 3.0),
            (Element::I64, &[255; 8], -1.0),
            (Element::F16, &[0, 0x3e], 1.5),
            (Element::Bf16, &[0xc0, 0x3f], 1.5),
            (Element::F32, &[0, 0, 0xc0, 0x3f], 1.5),
            (Element::F64, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], 1.5),
        ];
        for &(element, bytes, want) in cases {
            assert_eq!(element.decode(bytes), [want], "{element:?}");
            let whole = element.decode_whole(bytes);
            assert!(whole.is_none_or(|it| it == [want as i64]), "{element:?}");
            assert_eq!(bytes.len(), element.bytes(), "{element:?}");
        }
    }
}
