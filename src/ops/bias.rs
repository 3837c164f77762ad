//! The bias of convolutions, transposed convolutions and fully connected layers.

use std::sync::Arc;

use super::args::{Args, Value};
use super::{Init, ParamSpec, Role, Violation};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What is added to every sum of a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Bias {
    /// Nothing.
    Absent,
    /// A learned number for each channel.
    Learned,
    /// Numbers written in the `.net` file.
    Fixed(Arc<Tensor>),
}

impl Bias {
    /// Reads `bias=true`, `bias=false` or `bias=[..]`. Beside weights written in the file it is off unless given.
    pub(super) fn parse(args: &mut Args<'_>) -> Self {
        match args.raw("bias") {
            Some(Value::List(_)) => args.tensor("bias").map_or(Bias::Absent, Bias::Fixed),
            _ if args.flag("bias") && (args.has("bias") || !args.has("weight")) => Bias::Learned,
            _ => Bias::Absent,
        }
    }

    /// The inverse of [`Bias::parse`], beside weights written in the file or not.
    pub(super) fn written(&self, beside_weight: bool) -> Option<(&'static str, Value)> {
        let value = match self {
            Bias::Fixed(bias) => Value::of_tensor(bias),
            Bias::Learned if beside_weight => true.into(),
            Bias::Absent if !beside_weight => false.into(),
            Bias::Learned | Bias::Absent => return None,
        };
        Some(("bias", value))
    }

    /// Whether there is one.
    pub fn is_present(&self) -> bool {
        *self != Bias::Absent
    }

    /// A written bias has one number for each channel.
    pub(super) fn check(&self, constraint: &'static str, channels: usize) -> Result<(), Violation> {
        match self {
            Bias::Fixed(bias) if bias.shape.dims() != [channels] => {
                let message = format!(
                    "`bias` is a list of {:?} numbers, but there are {channels} channels",
                    bias.shape.dims()
                );
                Err(Violation::new(constraint, message).help("give one number a channel"))
            }
            Bias::Absent | Bias::Learned | Bias::Fixed(_) => Ok(()),
        }
    }

    /// The parameter, if there is one. Random ones are uniform within `1 / sqrt(fan_in)`.
    pub(super) fn spec(&self, channels: usize, fan_in: usize) -> Option<ParamSpec> {
        let role = match self {
            Bias::Absent => return None,
            Bias::Learned => Role::Learned,
            Bias::Fixed(bias) => Role::Fixed(bias.clone()),
        };
        let bound = 1.0 / (fan_in as f32).sqrt();
        let init = Init::Uniform(-bound, bound);
        Some(ParamSpec { name: "bias", shape: Shape::of(&[channels]), role, init })
    }
}
