use super::args::Value;
use super::onnx::Node;
use super::{Arg, Args, Operator, Violation, pointwise};
use crate::nest::{Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Says how a file's picture becomes the input before it; the value itself passes unchanged.
///
/// `netc run --input image=dog.jpg` reads it where it stands right behind an input, so that nobody has to
/// remember flags; a flag that is given all the same goes before it. `fit` is how a picture of other
/// proportions is brought to the input's size:
///
/// - `"stretch"`: all of it, whatever its proportions;
/// - `"crop"`: the middle of it, after resizing to the smallest size that covers the input, or to `resize`:
///   the length of the shorter side, or `[height, width]`;
/// - `"letterbox"`: all of it in its proportions, in the middle of grey (half of a full channel). It is resized
///   as Darknet does, by linear interpolation between the four pixels around a place, corners on corners.
///
/// `channels` is `"rgb"` or `"bgr"`, and `scale` is what a full channel is: 1, or 255 for nets that take bytes.
/// Means and deviations are a layer of their own, `normalise`.
///
/// Constraints:
/// - (C1) the input is a map `[C, H, W]`.
///
/// Source: Redmon's Darknet (`letterbox_image`); torchvision `Resize`, `CenterCrop`; Caffe (BGR).
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 416, 416]
///   picture(fit="letterbox") -> conv(16, 3, pad=1)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// How a picture of other proportions is brought to the input's size.
    pub fit: Fit,
    /// The size before cropping.
    pub resize: Option<Side>,
    /// The order of channels.
    pub channels: Channels,
    /// What a full channel is.
    pub scale: f32,
}

/// How a picture of other proportions is brought to an input's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// All of it, whatever its proportions.
    #[default]
    Stretch,
    /// The middle of it.
    Crop,
    /// All of it in its proportions, in the middle of grey.
    Letterbox,
}

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
pub enum Side {
    /// Width and height, whatever the proportions.
    To(u32, u32),
    /// The length of the shorter side, proportions kept.
    Shorter(u32),
}

const FITS: &[&str] = &["stretch", "crop", "letterbox"];
const ORDERS: &[&str] = &["rgb", "bgr"];

/// The longest side that a picture is resized to.
const SIDE_MAX: i64 = 16_384;

impl Operator for Picture {
    const NAME: &'static str = "picture";

    const ARGS: &'static [Arg] = &[
        Arg::optional("fit", "a word", "\"stretch\"", "how other proportions are brought in")
            .words(FITS),
        Arg::optional("resize", "a count, or [height, width]", "", "the size before cropping"),
        Arg::optional("channels", "a word", "\"rgb\"", "the order of channels").words(ORDERS),
        Arg::optional("scale", "a number", "1", "what a full channel is"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let fit = match args.word("fit", FITS) {
            "crop" => Fit::Crop,
            "letterbox" => Fit::Letterbox,
            _ => Fit::Stretch,
        };
        let channels = match args.word("channels", ORDERS) {
            "bgr" => Channels::Bgr,
            _ => Channels::Rgb,
        };
        let resize = args.raw("resize").and_then(|it| {
            let size = side(&it);
            if size.is_none() {
                let message =
                    format!("`resize` is a side up to {SIDE_MAX} or [height, width], found {it}");
                args.fault("resize", message);
            } else if fit != Fit::Crop {
                args.fault(
                    "resize",
                    "`resize` goes with `fit=\"crop\"`; the others take the input's size",
                );
            }
            size
        });
        Picture { fit, resize, channels, scale: args.number("scale") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let fit = match self.fit {
            Fit::Stretch => "stretch",
            Fit::Crop => "crop",
            Fit::Letterbox => "letterbox",
        };
        let channels = if self.channels == Channels::Bgr { "bgr" } else { "rgb" };
        let word = |name, it: &str| (name, Value::Text(it.to_owned()));
        let mut args = vec![word("fit", fit), word("channels", channels)];
        args.push(("scale", self.scale.into()));
        args.extend(self.resize.map(|it| match it {
            Side::To(width, height) => {
                let sides = [i64::from(height), i64::from(width)];
                ("resize", sides.as_slice().into())
            }
            Side::Shorter(side) => ("resize", Value::Int(i64::from(side))),
        }));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].rank() != 4 {
            let message =
                format!("`picture` needs a map [C, H, W], here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("leave out `picture`"));
        }
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| x)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It)
    }

    fn is_identity(&self) -> bool {
        true
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Identity")]
    }
}

/// A side, or height and width.
fn side(value: &Value) -> Option<Side> {
    let side = |it: &Value| match it {
        Value::Int(it) if (1..=SIDE_MAX).contains(it) => u32::try_from(*it).ok(),
        _ => None,
    };
    match value {
        Value::List(items) | Value::Tuple(items) => match items.as_slice() {
            [height, width] => Some(Side::To(side(width)?, side(height)?)),
            _ => None,
        },
        one => side(one).map(Side::Shorter),
    }
}
