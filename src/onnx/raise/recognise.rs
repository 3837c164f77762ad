//! Layers that ONNX spells out in several nodes.
//!
//! A node is taken together with those that made its operands; layers that nobody reads any more disappear.

use super::{Made, Raise, Value};
use crate::onnx::Fault;
use crate::onnx::net::{Call, Id, args};
use crate::ops::{Affine, Combine, Op};

/// The most channels for which constants become arguments of `normalise` rather than values.
const CHANNELS_MAX: usize = 64;

impl Raise<'_> {
    /// The layer that makes a value, and its operands.
    fn maker(&self, value: &Value) -> Option<&Call> {
        let Value::Made(made) = value else { return None };
        self.net.values[made.id.0].call.as_ref()
    }

    /// The operand of the layer that makes a value, if the layer is as asked for.
    fn behind(&self, value: &Value, layer: impl Fn(&Op) -> bool) -> Option<Value> {
        let call = self.maker(value).filter(|it| layer(&it.op))?;
        let &[id] = call.operands.as_slice() else { return None };
        Some(self.of_id(id, value))
    }

    /// An operand of the layer that makes a value.
    fn of_id(&self, id: Id, of: &Value) -> Value {
        let dims = self.net.values[id.0].shape.dims().to_vec();
        Value::Made(Made { id, dims, element: self.element(of) })
    }

    fn same(a: &Value, b: &Value) -> bool {
        matches!((a, b), (Value::Made(a), Value::Made(b)) if a.id == b.id)
    }

    /// `x * sigmoid(x)` is `silu`, `x * hardsigmoid(x)` is `hardswish`.
    pub(super) fn gated(&mut self, a: &Value, b: &Value) -> Result<Option<Value>, Fault> {
        for (x, gate) in [(a, b), (b, a)] {
            let layer = match self.maker(gate).map(|it| &it.op) {
                Some(Op::Sigmoid(_)) => "silu",
                Some(Op::HardSigmoid(it)) if (it.alpha, it.beta) == (1.0 / 6.0, 0.5) => "hardswish",
                _ => continue,
            };
            if self.behind(gate, |_| true).is_some_and(|it| Self::same(&it, x)) {
                return self.map(layer, args(), x).map(Some);
            }
        }
        Ok(None)
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2` is `gelu`, with the half wherever it stands.
    pub(super) fn gaussian(&mut self, a: &Value, b: &Value) -> Result<Option<Value>, Fault> {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(x) = self.gate_of_erf(other)
                && let Some((half, 0.5)) = self.scaled_before(one)
                && Self::same(&half, &x)
            {
                return self.map("gelu", args(), &x).map(Some);
            }
            // Half of a product.
            let half =
                matches!(other, Value::Made(_)) || self.dims(other)?.iter().any(|it| *it > 1);
            if half || self.known(other)?.and_then(|it| it.scalar()) != Some(0.5) {
                continue;
            }
            let Some(Call { op: Op::Mul(_), operands, .. }) = self.maker(one) else { continue };
            let &[left, right] = operands.as_slice() else { continue };
            let [left, right] = [left, right].map(|it| self.of_id(it, one));
            for (x, gate) in [(&left, &right), (&right, &left)] {
                if self.gate_of_erf(gate).is_some_and(|it| Self::same(&it, x)) {
                    return self.map("gelu", args(), x).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// What `x` a value `1 + erf(x / sqrt(2))` is of.
    fn gate_of_erf(&self, value: &Value) -> Option<Value> {
        let erf = self.behind(
            value,
            |op| matches!(op, Op::Affine(Affine { scale, shift }) if (*scale, *shift) == (1.0, 1.0)),
        )?;
        let scaled = self.behind(&erf, |op| matches!(op, Op::Erf(_)))?;
        let (x, scale) = self.scaled_before(&scaled)?;
        ((scale - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6).then_some(x)
    }

    /// A row of constants added to a product with a matrix of constants is the bias of `fc`.
    pub(super) fn biased(&mut self, x: &Value, row: &Value) -> Result<Option<Value>, Fault> {
        let product = self.unshaped(x);
        let Some(Call { op: Op::Fc(fc), operands, params, .. }) = self.maker(&product) else {
            return Ok(None);
        };
        let (features, seen) = (fc.features, self.dims(x)?);
        if fc.bias.is_present() || seen.last() != Some(&features) || matches!(row, Value::Made(_)) {
            return Ok(None);
        }
        let (operand, weight) = (operands[0], params[0].clone());
        let dims = self.dims(row)?;
        let fits = dims.len() <= seen.len() && dims.iter().rev().skip(1).all(|it| *it == 1);
        if !fits || dims.last() != Some(&features) {
            return Ok(None);
        }
        let bias = self.constant(row)?.reshaped(vec![features]);
        let flat = self.of_id(operand, x);
        let args = args().int("features", features);
        let made = self.call("fc", args, &[flat], vec![weight, bias])?;
        self.reshape(&made, &seen).map(Some)
    }

    /// A factor and then a summand are one `affine`: what is scaled, and its factor.
    pub(super) fn scaled_before(&self, value: &Value) -> Option<(Value, f32)> {
        let Op::Affine(Affine { scale, shift: 0.0 }) = self.maker(value)?.op else { return None };
        Some((self.behind(value, |_| true)?, scale))
    }

    /// `(x - mean) / std` with a constant for each channel is `normalise`.
    pub(super) fn normalised(&mut self, a: &Value, b: &Value) -> Result<Option<Value>, Fault> {
        if let Some(Op::Affine(Affine { scale: 1.0, shift })) = self.maker(a).map(|it| &it.op) {
            return self.normalised_by_numbers(a, b, -shift);
        }
        let Some(call) = self.maker(a).filter(|it| matches!(it.op, Op::Sub(_))) else {
            return Ok(None);
        };
        let &[x, mean] = call.operands.as_slice() else { return Ok(None) };
        let value = &self.net.values[x.0].shape;
        let (rank, channels) = (value.rank(), value.channels());
        let per_channel = |dims: &[usize]| {
            let ones = dims.len() + 1 >= rank && dims.len() <= rank;
            ones && dims.iter().product::<usize>() == channels
                && dims[dims.len() + 1 - rank] == channels
        };
        let mean = match &self.net.values[mean.0].call {
            Some(Call { op: Op::Param(_), params, .. }) => params[0].clone(),
            _ => return Ok(None),
        };
        if !(2..=CHANNELS_MAX).contains(&channels) || rank < 2 || matches!(b, Value::Made(_)) {
            return Ok(None);
        }
        if !per_channel(&mean.dims) || !per_channel(&self.dims(b)?) {
            return Ok(None);
        }
        let (mean, std) = (mean.floats(), self.constant(b)?.floats());
        if !std.iter().chain(&mean).all(|it| it.is_finite()) || std.contains(&0.0) {
            return Ok(None);
        }
        let x = Made { id: x, dims: self.dims(a)?, element: self.element(a) };
        let args = args().numbers("mean", &mean).numbers("std", &std);
        self.map("normalise", args, &Value::Made(x)).map(Some)
    }

    /// The same with one channel, where a number is subtracted and another divides.
    fn normalised_by_numbers(
        &mut self,
        a: &Value,
        b: &Value,
        mean: f32,
    ) -> Result<Option<Value>, Fault> {
        let (Some(x), Value::Made(_)) = (self.behind(a, |_| true), a) else { return Ok(None) };
        let one_channel = matches!(self.dims(&x)?.as_slice(), [_, 1, _, ..]);
        if !one_channel || matches!(b, Value::Made(_)) || self.dims(b)?.iter().any(|it| *it != 1) {
            return Ok(None);
        }
        let std = self.constant(b)?.floats();
        if std.len() != 1 || !std[0].is_finite() || std[0] == 0.0 {
            return Ok(None);
        }
        let args = args().numbers("mean", &[mean]).numbers("std", &std);
        self.map("normalise", args, &x).map(Some)
    }

    /// `x / max(sqrt(sum(x^2)), eps)` along one axis is `l2norm`.
    pub(super) fn of_length_one(&mut self, a: &Value, b: &Value) -> Result<Option<Value>, Fault> {
        let Some(Op::Clip(clip)) = self.maker(b).map(|it| &it.op) else { return Ok(None) };
        let (Some(eps), None) = (clip.min, clip.max) else { return Ok(None) };
        let squares = self
            .behind(b, |_| true)
            .and_then(|it| self.behind(&it, |op| matches!(op, Op::Sqrt(_))));
        let Some(sum) = squares else { return Ok(None) };
        let Some(Op::Reduce(reduce)) = self.maker(&sum).map(|it| &it.op) else { return Ok(None) };
        let (Combine::Sum, true, &[axis]) = (reduce.op, reduce.keep, reduce.axes.as_slice()) else {
            return Ok(None);
        };
        let Some(square) = self.behind(&sum, |_| true) else { return Ok(None) };
        let Some(Call { op: Op::Mul(_), operands, .. }) = self.maker(&square) else {
            return Ok(None);
        };
        let of_itself = |x: &Made| operands.iter().all(|it| *it == x.id);
        if axis == 0 || !matches!(a, Value::Made(x) if of_itself(x)) {
            return Ok(None);
        }
        self.map("l2norm", args().int("axis", axis).number("eps", eps), a).map(Some)
    }

    /// What a value was before it was only reshaped.
    pub(super) fn unshaped(&self, value: &Value) -> Value {
        let mut value = value.clone();
        while let Some(before) =
            self.behind(&value, |op| matches!(op, Op::Reshape(_) | Op::Flatten(_)))
        {
            value = before;
        }
        value
    }

    /// `lrn` of a value seen under other extents after its channels is `lrn` of the value itself.
    pub(super) fn seen_by_lrn(
        &mut self,
        value: &Value,
        dims: &[usize],
    ) -> Result<Option<Value>, Fault> {
        let Some(Op::Lrn(lrn)) = self.maker(value).map(|it| &it.op) else { return Ok(None) };
        let args = args().int("size", lrn.size).number("alpha", lrn.alpha);
        let args = args.number("beta", lrn.beta).number("k", lrn.k);
        let seen = self.behind(value, |_| true);
        let Some(x) = seen.and_then(|it| self.behind(&it, |op| matches!(op, Op::Reshape(_))))
        else {
            return Ok(None);
        };
        let (from, seen) = (self.dims(&x)?, self.dims(value)?);
        if from != dims || from.get(..2) != seen.get(..2) {
            return Ok(None);
        }
        self.call("lrn", args, &[x], Vec::new()).map(Some)
    }

    /// Space moved into channels in Darknet's order is `reorg`; `dims` are the extents of the result.
    pub(super) fn reorganised(
        &mut self,
        moved: &Value,
        dims: &[usize],
    ) -> Result<Option<Value>, Fault> {
        let order = |op: &Op| matches!(op, Op::Permute(it) if it.order == [0, 3, 5, 1, 2, 4]);
        let Some(cut) = self.behind(moved, order) else { return Ok(None) };
        let Some(x) = self.behind(&cut, |op| matches!(op, Op::Reshape(_))) else {
            return Ok(None);
        };
        let (from, cut) = (self.dims(&x)?, self.dims(&cut)?);
        let (&[n, c, h, w], &[_, depth, _, s, _, _]) = (from.as_slice(), cut.as_slice()) else {
            return Ok(None);
        };
        let (high, wide) = (h / s, w / s);
        if s < 2 || cut != [n, depth, h, s, w, s] || dims != [n, c * s * s, high, wide] {
            return Ok(None);
        }
        self.call("reorg", args().int("stride", s), &[x], Vec::new()).map(Some)
    }
}
