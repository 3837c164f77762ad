//! Pictures as a network wants them: decoded within limits, resized, cropped, scaled.
//!
//! Every step is what Pillow and torchvision do, so that a network sees what it was trained on.

use std::io::Cursor;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageReader, Limits};

use crate::shape::Shape;
use crate::tensor::Tensor;

/// The longest side of a picture that is read.
const SIDE_MAX: u32 = 16_384;

/// The most bytes that decoding may take.
const DECODED_MAX: u64 = 256 << 20;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Picture(DynamicImage);

/// The order of a pixel's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first (Caffe, OpenCV).
    Bgr,
}

/// A size to resize to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Width and height, whatever the proportions.
    To(u32, u32),
    /// The length of the shorter side, proportions kept.
    Shorter(u32),
}

/// What happens between the file and the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The size before cropping. Without one, the network's size; with `crop`, the smallest size of the
    /// same proportions that covers the network's.
    pub resize: Option<Resize>,
    /// Whether the middle is cut out at the network's size, rather than all of it resized.
    pub crop: bool,
    /// The order of channels.
    pub channels: Channels,
    /// What a full channel is: 1 for values in 0..1, 255 for bytes.
    pub scale: f32,
    /// Subtracted from each channel after scaling; one number for all or one a channel.
    pub mean: Vec<f32>,
    /// Divides each channel afterwards; one number for all or one a channel.
    pub std: Vec<f32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resize: None,
            crop: false,
            channels: Channels::Rgb,
            scale: 1.0,
            mean: Vec::new(),
            std: Vec::new(),
        }
    }
}

impl Picture {
    /// Decodes PNG or JPEG. Fails on anything else, on broken files, on sides above 16,384 and on what
    /// would take more than 256 MiB.
    pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(SIDE_MAX);
        limits.max_image_height = Some(SIDE_MAX);
        limits.max_alloc = Some(DECODED_MAX);
        let mut reader = ImageReader::new(Cursor::new(bytes));
        reader.limits(limits);
        let reader = reader.with_guessed_format().map_err(|it| it.to_string())?;
        if reader.format().is_none() {
            return Err("this is neither PNG nor JPEG".to_owned());
        }
        reader.decode().map(Picture).map_err(|it| it.to_string())
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    /// The picture as the value of an input `[N, 1, H, W]` (ITU-R 601 luma) or `[N, 3, H, W]`; every item
    /// of the batch is the same. Resizing is bilinear with antialiasing.
    pub fn tensor(&self, shape: &Shape, options: &Options) -> Result<Tensor, String> {
        let (&[height, width], channels @ (1 | 3)) = (shape.spatial(), shape.channels()) else {
            let dims = shape.dims();
            return Err(format!(
                "a picture fits [N, 1, H, W] or [N, 3, H, W], the input is {dims:?}"
            ));
        };
        let side = |it: usize| u32::try_from(it).ok().filter(|&it| it <= SIDE_MAX);
        let (Some(width), Some(height)) = (side(width), side(height)) else {
            return Err(format!("{width}x{height} is larger than {SIDE_MAX}x{SIDE_MAX}"));
        };
        let numbers = |given: &[f32], default: f32, what: &str| match given.len() {
            0 => Ok(vec![default; channels]),
            1 => Ok(vec![given[0]; channels]),
            len if len == channels => Ok(given.to_vec()),
            len => Err(format!("{what} has {len} numbers, the input has {channels} channels")),
        };
        let mean = numbers(&options.mean, 0.0, "the mean")?;
        let std = numbers(&options.std, 1.0, "the standard deviation")?;
        let pixels = self.pixels(channels, width, height, options)?;
        let mut sample = Vec::with_capacity(pixels.len());
        for c in 0..channels {
            let from = if options.channels == Channels::Bgr { channels - 1 - c } else { c };
            let value =
                |it: &[u8]| (f32::from(it[from]) * options.scale / 255.0 - mean[c]) / std[c];
            sample.extend(pixels.chunks_exact(channels).map(value));
        }
        Ok(Tensor::new(shape.clone(), sample.repeat(shape.batch())))
    }

    /// Pixels of the network's size, channels last.
    fn pixels(
        &self,
        channels: usize,
        width: u32,
        height: u32,
        options: &Options,
    ) -> Result<Vec<u8>, String> {
        let (bytes, kind) = match channels {
            1 => (self.grey(), PixelType::U8),
            _ => (self.0.to_rgb8().into_raw(), PixelType::U8x3),
        };
        let (from_width, from_height) = self.size();
        let (to_width, to_height) = match (options.resize, options.crop) {
            (Some(Resize::To(width, height)), _) => (width, height),
            (Some(Resize::Shorter(side)), _) => shorter(from_width, from_height, side),
            (None, false) => (width, height),
            (None, true) => covering(from_width, from_height, width, height),
        };
        if to_width == 0 || to_height == 0 || to_width > SIDE_MAX || to_height > SIDE_MAX {
            return Err(format!("cannot resize to {to_width}x{to_height}"));
        }
        if (to_width < width || to_height < height)
            || (!options.crop && (to_width, to_height) != (width, height))
        {
            return Err(format!(
                "the picture would be {to_width}x{to_height}, the input takes {width}x{height}"
            ));
        }
        // Rows first, then columns, as Pillow does: the bytes between the two are rounded.
        let (from, between) = (self.size(), (to_width, from_height));
        let rows = resize(bytes, kind, from, between)?;
        let resized = resize(rows, kind, between, (to_width, to_height))?;
        // Rounds halves to even, as Python's `round` does in torchvision's `center_crop`.
        let middle =
            |outer: u32, inner: u32| (f64::from(outer - inner) / 2.0).round_ties_even() as usize;
        let (left, top) = (middle(to_width, width), middle(to_height, height));
        let row_bytes = to_width as usize * channels;
        let rows = resized.chunks_exact(row_bytes).skip(top).take(height as usize);
        let cut = left * channels..(left + width as usize) * channels;
        Ok(rows.flat_map(|row| row[cut.clone()].to_vec()).collect())
    }

    /// Luma as Pillow's mode `L`: (19595 R + 38470 G + 7471 B + 2^15) / 2^16.
    fn grey(&self) -> Vec<u8> {
        if !self.0.color().has_color() {
            return self.0.to_luma8().into_raw();
        }
        let luma = |it: &[u8]| {
            let [r, g, b] = [it[0], it[1], it[2]].map(u32::from);
            ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
        };
        self.0.to_rgb8().as_raw().chunks_exact(3).map(luma).collect()
    }
}

/// The size whose shorter side is `side`; the longer is rounded down, as torchvision has it.
fn shorter(width: u32, height: u32, side: u32) -> (u32, u32) {
    let scaled = |long: u32, short: u32| {
        let scaled = u64::from(side) * u64::from(long) / u64::from(short);
        u32::try_from(scaled).unwrap_or(u32::MAX)
    };
    if width <= height { (side, scaled(height, width)) } else { (scaled(width, height), side) }
}

/// The smallest size of the picture's proportions that covers another.
fn covering(width: u32, height: u32, over_width: u32, over_height: u32) -> (u32, u32) {
    let by_width = u64::from(over_width) * u64::from(height);
    let by_height = u64::from(over_height) * u64::from(width);
    let clamp = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
    if by_width >= by_height {
        (over_width, clamp(by_width.div_ceil(u64::from(width))))
    } else {
        (clamp(by_height.div_ceil(u64::from(height))), over_height)
    }
}

fn resize(
    bytes: Vec<u8>,
    kind: PixelType,
    from: (u32, u32),
    to: (u32, u32),
) -> Result<Vec<u8>, String> {
    if from == to {
        return Ok(bytes);
    }
    let source = Image::from_vec_u8(from.0, from.1, bytes, kind).map_err(|it| it.to_string())?;
    let mut target = Image::new(to.0, to.1, kind);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false);
    Resizer::new().resize(&source, &mut target, &options).map_err(|it| it.to_string())?;
    Ok(target.into_vec())
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage};

    use super::*;

    fn picture() -> Picture {
        let image =
            RgbImage::from_fn(4, 2, |x, y| image::Rgb([(60 * x) as u8, (100 * y) as u8, 255]));
        Picture(image.into())
    }

    #[test]
    fn channels_come_first_and_run_from_0_to_1() {
        let tensor = picture().tensor(&Shape::of(&[1, 3, 2, 4]), &Options::default()).unwrap();
        assert_eq!(tensor.data[1], 60.0 / 255.0);
        assert_eq!(tensor.data[12], 100.0 / 255.0);
        assert_eq!(tensor.data[16..], [1.0; 8]);
    }

    #[test]
    fn mean_deviation_scale_and_order_apply() {
        let options = Options {
            channels: Channels::Bgr,
            scale: 255.0,
            mean: vec![5.0, 0.0, 10.0],
            std: vec![2.0],
            ..Options::default()
        };
        let tensor = picture().tensor(&Shape::of(&[2, 3, 2, 4]), &options).unwrap();
        assert_eq!([tensor.data[0], tensor.data[17]], [125.0, 25.0]);
        assert_eq!(tensor.data[..24], tensor.data[24..]);
    }

    #[test]
    fn grey_is_the_luma_of_itu_r_601() {
        let image = RgbImage::from_fn(1, 1, |_, _| image::Rgb([10, 200, 30]));
        assert_eq!(Picture(image.into()).grey(), [124]);
        let image = GrayImage::from_fn(1, 1, |_, _| image::Luma([77]));
        assert_eq!(Picture(image.into()).grey(), [77]);
    }

    #[test]
    fn crops_take_the_middle() {
        let options = Options { crop: true, ..Options::default() };
        let tensor = picture().tensor(&Shape::of(&[1, 3, 2, 2]), &options).unwrap();
        assert_eq!(tensor.data[..2], [60.0 / 255.0, 120.0 / 255.0]);
        let wide = Options { resize: Some(Resize::To(8, 2)), ..Options::default() };
        picture().tensor(&Shape::of(&[1, 3, 2, 4]), &wide).unwrap_err();
        assert_eq!(shorter(500, 375, 256), (341, 256));
        assert_eq!(covering(4, 2, 3, 3), (6, 3));
    }

    #[test]
    fn what_is_no_picture_and_what_takes_none_is_refused() {
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"hello"] {
            Picture::decode(bytes).unwrap_err();
        }
        for dims in [&[1, 2, 4, 4][..], &[1, 3, 4], &[1, 10]] {
            picture().tensor(&Shape::of(dims), &Options::default()).unwrap_err();
        }
    }
}
