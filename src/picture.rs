//! Pictures as a network wants them: decoded within limits, resized, cropped, scaled.
//!
//! Every step is what Pillow and torchvision do, and letterboxes are Darknet's, so that a network sees what it
//! was trained on.

mod draw;

use std::io::Cursor;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

pub use draw::Mark;

use crate::ops;
pub use crate::ops::{Channels, Fit, Side};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The longest side of a picture that is read.
const SIDE_MAX: u32 = 16_384;

/// The most bytes that decoding may take.
const DECODED_MAX: u64 = 256 << 20;

/// A full channel of a pixel.
const FULL: f32 = 255.0;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Picture(DynamicImage);

/// What happens between the file and the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The size before cropping. Without one, the network's size; when cropping, the smallest size of the
    /// same proportions that covers the network's.
    pub resize: Option<Side>,
    /// How other proportions are brought to the network's size.
    pub fit: Fit,
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
            fit: Fit::Stretch,
            channels: Channels::Rgb,
            scale: 1.0,
            mean: Vec::new(),
            std: Vec::new(),
        }
    }
}

impl From<&ops::Picture> for Options {
    fn from(layer: &ops::Picture) -> Self {
        let ops::Picture { fit, resize, channels, scale } = layer.clone();
        Self { resize, fit, channels, scale, ..Self::default() }
    }
}

/// Where a picture lies in a network's input: `picture = (input - offset) * scale` on each axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Pixels of the picture for one of the input, across and down.
    pub scale: [f64; 2],
    /// Where in the input the picture's corner lies, across and down; negative where the picture is cut.
    pub offset: [f64; 2],
}

/// A value of one or three channels, first or last.
struct Map {
    channels: usize,
    /// Width and height.
    size: (u32, u32),
    /// From a pixel to the next, and from a channel to the next.
    step: usize,
    plane: usize,
}

fn map(dims: &[usize]) -> Option<Map> {
    let &[_, a, b, c] = dims else { return None };
    let side = |it: usize| u32::try_from(it).ok().filter(|it| *it <= SIDE_MAX);
    let (channels, rows, columns, step, plane) = match (a, c) {
        (1 | 3, _) => (a, b, c, 1, b * c),
        (_, 1 | 3) => (c, a, b, c, 1),
        _ => return None,
    };
    Some(Map { channels, size: (side(columns)?, side(rows)?), step, plane })
}

/// Whether [`encode`] makes a picture of a value with these extents.
pub fn is_map(dims: &[usize]) -> bool {
    map(dims).is_some()
}

/// The first sample of a map with one or three channels, first or last, as a PNG or JPEG file; `full` is what a full
/// channel is, and what lies outside 0 to that is cut. `None` if the value is no such map.
pub fn encode(
    dims: &[usize],
    data: &[f32],
    full: f32,
    as_jpeg: bool,
) -> Option<Result<Vec<u8>, String>> {
    let Map { channels, size: (width, height), step, plane } = map(dims)?;
    let (rows, columns) = (height as usize, width as usize);
    let byte = |it: f32| (it / full * FULL).round() as u8;
    let pixel = |at: usize| (0..channels).map(move |it| byte(data[at * step + it * plane]));
    let bytes: Vec<u8> = (0..rows * columns).flat_map(pixel).collect();
    let picture = match channels {
        1 => image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        _ => image::RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
    };
    let mut file = Cursor::new(Vec::new());
    let format = if as_jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
    let written = picture?.write_to(&mut file, format);
    Some(written.map(|()| file.into_inner()).map_err(|it| it.to_string()))
}

impl Picture {
    /// Decodes PNG or JPEG, turned upright as the file's Exif data say. Fails on anything else, on broken files, on sides above 16,384 and on what
    /// would take more than 256 MiB.
    pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(SIDE_MAX);
        limits.max_image_height = Some(SIDE_MAX);
        limits.max_alloc = Some(DECODED_MAX);
        let mut reader = ImageReader::new(Cursor::new(bytes));
        reader.limits(limits.clone());
        let reader = reader.with_guessed_format().map_err(|it| it.to_string())?;
        match reader.format() {
            // The decoder makes up what is missing.
            Some(ImageFormat::Jpeg) if !ends_as_jpeg(bytes) => {
                return Err("the picture is cut off".to_owned());
            }
            Some(ImageFormat::Png) if !has_whole_palette(bytes) => {
                return Err("the palette is not a list of colours of three bytes".to_owned());
            }
            Some(ImageFormat::Jpeg | ImageFormat::Png) => {}
            _ => return Err("this is neither PNG nor JPEG: convert it to .png or .jpg".to_owned()),
        }
        let decoded = reader.into_decoder().and_then(|mut decoder| {
            limits.reserve(decoder.total_bytes())?;
            decoder.set_limits(limits)?;
            let orientation = decoder.orientation()?;
            let mut picture = DynamicImage::from_decoder(decoder)?;
            picture.apply_orientation(orientation);
            Ok(Picture(picture))
        });
        decoded.map_err(|it| it.to_string())
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    /// The picture as the value of an input `[N, 1, H, W]` (ITU-R 601 luma) or `[N, 3, H, W]`; every item
    /// of the batch is the same. Resizing is bilinear with antialiasing, but for a letterbox.
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
        let mut sample = Vec::with_capacity(channels * width as usize * height as usize);
        let mut push = |pixels: &[f32]| {
            for c in 0..channels {
                let from = if options.channels == Channels::Bgr { channels - 1 - c } else { c };
                let value = |it: &[f32]| (it[from] * options.scale / FULL - mean[c]) / std[c];
                sample.extend(pixels.chunks_exact(channels).map(value));
            }
        };
        let bytes = self.bytes(channels);
        match options.fit {
            Fit::Letterbox => push(&letterbox(&bytes, channels, self.size(), (width, height))),
            Fit::Stretch | Fit::Crop => {
                let pixels = self.resized(bytes, channels, (width, height), options)?;
                push(&pixels.into_iter().map(f32::from).collect::<Vec<_>>());
            }
        }
        Ok(Tensor::new(shape.clone(), sample.repeat(shape.batch())))
    }

    /// Where the picture lies in an input of this width and height; see [`Picture::tensor`].
    pub fn placement(&self, to: (u32, u32), options: &Options) -> Result<Placement, String> {
        let (inner, corner) = match options.fit {
            Fit::Letterbox => {
                let inner = inside(self.size(), to);
                let [left, top] = [(to.0 - inner.0) / 2, (to.1 - inner.1) / 2].map(f64::from);
                (inner, [left, top])
            }
            Fit::Stretch | Fit::Crop => {
                let outer = self.outer(to, options)?;
                (outer, [-middle(outer.0, to.0), -middle(outer.1, to.1)])
            }
        };
        let (width, height) = self.size();
        let ratio = |from: u32, to: u32| f64::from(from) / f64::from(to);
        Ok(Placement { scale: [ratio(width, inner.0), ratio(height, inner.1)], offset: corner })
    }

    /// The picture with marks on it, the first on top, as a file: PNG, or JPEG.
    pub fn marked(&self, marks: &[Mark], as_jpeg: bool) -> Result<Vec<u8>, String> {
        let format = if as_jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
        let mut file = Cursor::new(Vec::new());
        draw::marks(self.0.to_rgb8(), marks)
            .write_to(&mut file, format)
            .map_err(|it| it.to_string())?;
        Ok(file.into_inner())
    }

    /// Bytes, channels last.
    fn bytes(&self, channels: usize) -> Vec<u8> {
        if channels == 1 { self.grey() } else { self.0.to_rgb8().into_raw() }
    }

    /// The size that the picture is resized to, of which the input is the middle.
    fn outer(&self, (width, height): (u32, u32), options: &Options) -> Result<(u32, u32), String> {
        let (from_width, from_height) = self.size();
        let crops = options.fit == Fit::Crop;
        let outer = match (options.resize, crops) {
            (Some(Side::To(width, height)), _) => (width, height),
            (Some(Side::Shorter(side)), _) => shorter(from_width, from_height, side),
            (None, false) => (width, height),
            (None, true) => covering(from_width, from_height, width, height),
        };
        if outer.0 == 0 || outer.1 == 0 || outer.0 > SIDE_MAX || outer.1 > SIDE_MAX {
            return Err(format!("cannot resize to {}x{}", outer.0, outer.1));
        }
        if (outer.0 < width || outer.1 < height) || (!crops && outer != (width, height)) {
            return Err(format!(
                "the picture would be {}x{}, the input takes {width}x{height}",
                outer.0, outer.1
            ));
        }
        Ok(outer)
    }

    /// Pixels of the network's size, channels last.
    fn resized(
        &self,
        bytes: Vec<u8>,
        channels: usize,
        (width, height): (u32, u32),
        options: &Options,
    ) -> Result<Vec<u8>, String> {
        let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let outer = self.outer((width, height), options)?;
        // Rows first, then columns, as Pillow does: the bytes between the two are rounded.
        let (from, between) = (self.size(), (outer.0, self.size().1));
        let rows = resize(bytes, kind, from, between)?;
        let resized = resize(rows, kind, between, outer)?;
        let (left, top) = (middle(outer.0, width) as usize, middle(outer.1, height) as usize);
        let row_bytes = outer.0 as usize * channels;
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

/// What comes before the middle; halves are rounded to even, as Python's `round` does in torchvision's
/// `center_crop`.
fn middle(outer: u32, inner: u32) -> f64 {
    (f64::from(outer - inner) / 2.0).round_ties_even()
}

/// The largest size of the picture's proportions inside another; its shorter side is rounded down.
fn inside((from_width, from_height): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    let [fw, fh, w, h] = [from_width, from_height, width, height].map(u64::from);
    let side = |it: u64| u32::try_from(it.max(1)).unwrap_or(u32::MAX);
    if w * fh < h * fw { (width, side(fh * w / fw)) } else { (side(fw * h / fh), height) }
}

/// The picture in the middle of grey, as Darknet has it: resized by linear interpolation, corners on corners,
/// across first.
fn letterbox(bytes: &[u8], channels: usize, from: (u32, u32), to: (u32, u32)) -> Vec<f32> {
    let (width, height) = inside(from, to);
    let line = |from: u32, to: u32| -> Vec<(usize, usize, f32)> {
        let step = if to > 1 { f64::from(from - 1) / f64::from(to - 1) } else { 0.0 };
        let last = from as usize - 1;
        let place = |at: u32| {
            let place = f64::from(at) * step;
            let first = (place as usize).min(last);
            (first, (first + 1).min(last), (place - first as f64) as f32)
        };
        (0..to).map(place).collect()
    };
    let mix = |a: f32, b: f32, share: f32| (1.0 - share) * a + share * b;
    let [from_width, to_width] = [from.0, to.0].map(|it| it as usize * channels);
    let columns = line(from.0, width);
    let mut rows = Vec::with_capacity(bytes.len() / from_width * columns.len() * channels);
    for row in bytes.chunks_exact(from_width) {
        for &(a, b, share) in &columns {
            let pixel =
                |c: usize| mix(row[a * channels + c].into(), row[b * channels + c].into(), share);
            rows.extend((0..channels).map(pixel));
        }
    }
    let inner = columns.len() * channels;
    let left = (to.0 - width) as usize / 2 * channels;
    let top = (to.1 - height) as usize / 2;
    let mut pixels = vec![FULL / 2.0; to_width * to.1 as usize];
    for (y, (a, b, share)) in line(from.1, height).into_iter().enumerate() {
        let (a, b) = (&rows[a * inner..][..inner], &rows[b * inner..][..inner]);
        let target = &mut pixels[(top + y) * to_width + left..][..inner];
        for ((pixel, &a), &b) in target.iter_mut().zip(a).zip(b) {
            *pixel = mix(a, b, share);
        }
    }
    pixels
}

/// Whether the segments of a JPEG file lead to its end marker.
fn ends_as_jpeg(bytes: &[u8]) -> bool {
    const START: u8 = 0xd8;
    const END: u8 = 0xd9;
    let mut at = 0;
    loop {
        // Between segments stands coded data, in which 0xff is followed by 0 or a restart marker.
        let Some(found) = bytes.get(at..).and_then(|it| it.iter().position(|&it| it == 0xff))
        else {
            return false;
        };
        at += found + 1;
        at += match bytes.get(at..) {
            Some([END, ..]) => return true,
            Some([0 | 1 | 0xd0..=0xd7 | START, ..]) => 1,
            Some([0xff, ..]) => 0,
            Some([_, high, low, ..]) => 1 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => return false,
        };
    }
}

/// Whether the palette of a PNG file, if it has one, is whole colours: the decoder takes that for granted.
fn has_whole_palette(png: &[u8]) -> bool {
    let mut rest = png.get(8..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if head[4..] == *b"PLTE" && !length.is_multiple_of(3) {
            return false;
        }
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    true
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
    fn exif_data_turn_a_picture_upright() {
        let image = RgbImage::from_fn(32, 16, |x, _| image::Rgb([if x < 16 { 0 } else { 255 }; 3]));
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, ImageFormat::Jpeg).unwrap();
        let bytes = file.into_inner();
        // One field in one directory: the orientation (274), a number of 16 bits.
        let turned = |orientation: u8| {
            let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
            let mut file = bytes[..2].to_vec();
            file.extend([0xff, 0xe1, 0, exif.len() as u8 + 2]);
            file.extend(exif);
            file.extend(&bytes[2..]);
            Picture::decode(&file).unwrap().0.to_luma8()
        };
        assert_eq!((turned(1).dimensions(), turned(1).get_pixel(2, 8)[0] < 9), ((32, 16), true));
        assert!(turned(3).get_pixel(2, 8)[0] > 246, "half a turn");
        let quarter = turned(6);
        assert_eq!(quarter.dimensions(), (16, 32));
        assert!(quarter.get_pixel(8, 2)[0] < 9 && quarter.get_pixel(8, 29)[0] > 246);
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
    fn maps_are_drawn_as_they_would_be_read() {
        let numbers = [0.0, 1.0, 0.2, 0.6, 0.4, 0.8, -3.0, f32::NAN, 7.0, 0.1, 0.2, 0.3];
        let read = |file: Option<Result<Vec<u8>, String>>| Picture::decode(&file.unwrap().unwrap());
        let first = read(encode(&[1, 3, 2, 2], &numbers, 1.0, false)).unwrap().0.to_rgb8();
        assert_eq!(first.get_pixel(0, 0).0, [0, 102, 255]);
        assert_eq!(first.get_pixel(1, 1).0, [153, 0, 77]);
        let last = read(encode(&[1, 2, 2, 3], &numbers, 1.0, false)).unwrap().0.to_rgb8();
        assert_eq!(last.get_pixel(1, 0).0, [153, 102, 204]);
        let grey = read(encode(&[2, 1, 1, 6], &numbers, 2.0, false)).unwrap();
        assert_eq!(grey.grey(), [0, 128, 26, 77, 51, 102]);
        assert!(encode(&[1, 2, 3, 2], &numbers, 1.0, false).is_none());
        assert!(encode(&[1, 12], &numbers, 1.0, false).is_none());
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
        let options = Options { fit: Fit::Crop, ..Options::default() };
        let tensor = picture().tensor(&Shape::of(&[1, 3, 2, 2]), &options).unwrap();
        assert_eq!(tensor.data[..2], [60.0 / 255.0, 120.0 / 255.0]);
        let wide = Options { resize: Some(Side::To(8, 2)), ..Options::default() };
        picture().tensor(&Shape::of(&[1, 3, 2, 4]), &wide).unwrap_err();
        assert_eq!(shorter(500, 375, 256), (341, 256));
        assert_eq!(covering(4, 2, 3, 3), (6, 3));
    }

    #[test]
    fn letterboxes_keep_proportions_in_grey() {
        let options = Options { fit: Fit::Letterbox, ..Options::default() };
        let tensor = picture().tensor(&Shape::of(&[1, 3, 6, 7]), &options).unwrap();
        // 4x2 becomes 7x3 in 7x6: one row of grey above, two below; red rises from 0 to 180 in 7 steps.
        assert_eq!(tensor.data[..7], [0.5; 7]);
        assert_eq!(tensor.data[28..42], [0.5; 14]);
        let red: Vec<f32> = (0..7).map(|it| 30.0 * it as f32 / 255.0).collect();
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&tensor.data[7..14], &red));
        assert!(near(&tensor.data[42 + 14..42 + 21], &[50.0 / 255.0; 7]));
        let placement = picture().placement((7, 6), &options).unwrap();
        assert_eq!(placement, Placement { scale: [4.0 / 7.0, 2.0 / 3.0], offset: [0.0, 1.0] });
        let crop = Options { fit: Fit::Crop, ..Options::default() };
        let placement = picture().placement((2, 2), &crop).unwrap();
        assert_eq!(placement, Placement { scale: [1.0, 1.0], offset: [-1.0, 0.0] });
    }

    /// The decoder panics at the last colour of such a palette.
    #[test]
    fn palettes_with_half_a_colour_are_refused() {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let chunks: [(&[u8; 4], &[u8]); 4] = [
            (b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0]),
            (b"PLTE", &[1, 2, 3, 4]),
            (b"IDAT", &[0x78, 1, 1, 2, 0, 0xfd, 0xff, 0, 0, 0, 2, 0, 1]),
            (b"IEND", &[]),
        ];
        for (name, data) in chunks {
            let body = [&name[..], data].concat();
            png.extend((data.len() as u32).to_be_bytes());
            png.extend(&body);
            png.extend(crc32fast::hash(&body).to_be_bytes());
        }
        assert!(Picture::decode(&png).unwrap_err().contains("palette"));
    }

    #[test]
    fn what_is_no_picture_and_what_takes_none_is_refused() {
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"hello"] {
            Picture::decode(bytes).unwrap_err();
        }
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let mut file = Cursor::new(Vec::new());
            picture().0.write_to(&mut file, format).unwrap();
            let whole = file.into_inner();
            Picture::decode(&whole).unwrap();
            let cut = whole.len() - if format == ImageFormat::Png { 13 } else { 1 };
            for length in 0..cut {
                Picture::decode(&whole[..length]).unwrap_err();
            }
        }
        for dims in [&[1, 2, 4, 4][..], &[1, 3, 4], &[1, 10]] {
            picture().tensor(&Shape::of(dims), &Options::default()).unwrap_err();
        }
    }
}
