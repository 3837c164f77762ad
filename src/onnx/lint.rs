//! What is legal in a model and a common reason why two versions of one net give other numbers: each with the
//! size of the effect.

use super::net::{Call, Net};
use crate::diag::{Diagnostic, Diagnostics, Severity, Span};
use crate::ops::{Frame, Op};
use crate::shape::{Padding, Shape, Window};

/// The most layers that one remark names.
const LAYERS_MAX: usize = 5;

/// What PyTorch adds to the variance unless told otherwise, and netc too.
const EPS: f32 = 1e-5;

/// A layer of the net and the shape of what it reads.
struct Layer<'a> {
    name: &'a str,
    call: &'a Call,
    input: &'a Shape,
    output: &'a Shape,
}

/// One remark for each habit that the net has.
pub(super) fn lints(net: &Net) -> Diagnostics {
    let layers: Vec<Layer<'_>> = layers(net).collect();
    [same_padding(&layers), rounded_up(&layers), epsilon(&layers), first_version(net)]
        .into_iter()
        .flatten()
        .collect()
}

/// Layers with one operand.
fn layers(net: &Net) -> impl Iterator<Item = Layer<'_>> {
    net.values.iter().filter_map(|it| {
        let call = it.call.as_ref()?;
        let &[input] = call.operands.as_slice() else { return None };
        let input = &net.values[input.0].shape;
        Some(Layer { name: &it.name, call, input, output: &it.shape })
    })
}

fn frame(op: &Op) -> Option<&Frame> {
    match op {
        Op::Conv(it) => Some(&it.frame),
        Op::MaxPool(it) => Some(&it.frame),
        Op::AvgPool(it) => Some(&it.frame),
        _ => None,
    }
}

/// A remark about layers; `None` if there are none.
fn remark(code: &'static str, found: &[String], message: &str, help: &str) -> Option<Diagnostic> {
    let mut shown: Vec<String> = found.iter().take(LAYERS_MAX).cloned().collect();
    if let Some(more @ 1..) = found.len().checked_sub(LAYERS_MAX) {
        shown.push(format!("and {more} more"));
    }
    let mut remark = Diagnostic::warning(code, Span::default(), message);
    remark.severity = Severity::Remark;
    (!found.is_empty()).then(|| remark.note(shown.join("\n")).help(help))
}

/// `same`, where it puts more rows after than before (or the other way round).
fn same_padding(layers: &[Layer<'_>]) -> Option<Diagnostic> {
    let found = layers.iter().filter_map(|it| {
        let frame = frame(&it.call.op)?;
        let same = matches!(frame.pad, Padding::Same | Padding::SameLower);
        let windows = it.call.op.windows(it.input);
        let odd: &Window = windows.iter().find(|it| it.before != it.after).filter(|_| same)?;
        let Window { kernel, before, after, .. } = *odd;
        Some(format!("`{}`: {before} before and {after} after, kernel {kernel}", it.name))
    });
    remark(
        "same-padding",
        &found.collect::<Vec<_>>(),
        "`same` pads one row more on one side, as TensorFlow does",
        "keep `pad=\"same\"`: with `half`, as PyTorch pads, every window would read one row or column earlier",
    )
}

/// Pools that round up, where rounding down gives fewer places.
fn rounded_up(layers: &[Layer<'_>]) -> Option<Diagnostic> {
    let found = layers.iter().filter_map(|it| {
        let up = it.call.op.windows(it.input);
        let places = |ceil: bool| -> Vec<usize> {
            let extents = up.iter().zip(it.input.spatial());
            extents.map(|(window, &extent)| Window { ceil, ..*window }.places(extent)).collect()
        };
        let down = places(false);
        let differs = up.iter().any(|it| it.ceil) && down != it.output.spatial();
        differs.then(|| format!("`{}`: {:?}, rounded down {down:?}", it.name, it.output.spatial()))
    });
    remark(
        "pool-ceil",
        &found.collect::<Vec<_>>(),
        "pools round their extents up, as Caffe does",
        "keep `ceil=true`: rounded down, the last rows and columns would be ignored, and later maps would be smaller",
    )
}

/// Batch normalisation with another epsilon than PyTorch's, and what that changes.
fn epsilon(layers: &[Layer<'_>]) -> Option<Diagnostic> {
    let found = layers.iter().filter_map(|it| {
        let Op::Bn(bn) = &it.call.op else { return None };
        let variance = it.call.params.get(3).filter(|_| bn.eps != EPS)?;
        let change = |variance: f32| {
            let [own, other] = [bn.eps, EPS].map(|it| (f64::from(variance) + f64::from(it)).sqrt());
            (own / other - 1.0).abs()
        };
        let most = variance.floats().into_iter().map(change).filter(|it| it.is_finite());
        let most = most.reduce(|a, b| if b > a { b } else { a })?;
        Some(format!(
            "`{}`: eps={:e}; with 1e-5 its output scales by up to {:.2} %",
            it.name,
            bn.eps,
            100.0 * most
        ))
    });
    remark(
        "bn-epsilon",
        &found.collect::<Vec<_>>(),
        "batch normalisation adds another epsilon than 1e-5 to the variance",
        "keep `eps`: TensorFlow's default is 1e-3, PyTorch's and netc's is 1e-5",
    )
}

/// A 1x1 convolution with a stride whose value a 3x3 convolution reads: the first version of ResNet.
fn first_version(net: &Net) -> Option<Diagnostic> {
    let mut reads = vec![Vec::new(); net.values.len()];
    for (at, item) in net.values.iter().enumerate() {
        for operand in item.call.iter().flat_map(|it| &it.operands) {
            reads[operand.0].push(at);
        }
    }
    let conv = |call: &Call, kernel: usize, strided: bool| match &call.op {
        Op::Conv(it) => {
            (0..2).all(|axis| {
                let [k, s] = [it.frame.kernel.get(axis), it.frame.stride.get(axis)];
                k == Some(kernel) && (s.is_some_and(|it| it > 1)) == strided
            }) && it.groups == 1
        }
        _ => false,
    };
    let strided = net.values.iter().enumerate().filter(|(_, it)| {
        it.shape.rank() == 4 && it.call.as_ref().is_some_and(|it| conv(it, 1, true))
    });
    let found = strided.filter_map(|(at, item)| {
        // Past what keeps the shape, to the one convolution that reads it.
        let mut value = at;
        let after = loop {
            let [next] = reads[value].as_slice() else { return None };
            let call = net.values[*next].call.as_ref()?;
            match &call.op {
                Op::Conv(_) => break call,
                op if matches!(op, Op::Bn(_)) || op.pointwise().is_some() => value = *next,
                _ => return None,
            }
        };
        let [input] = item.call.as_ref()?.operands.as_slice() else { return None };
        let positions = |it: &Shape| it.spatial().iter().product::<usize>() as f64;
        let share = 100.0 * positions(&item.shape) / positions(&net.values[input.0].shape);
        conv(after, 3, false)
            .then(|| format!("`{}` reads {share:.0} % of the positions of its input", item.name))
    });
    remark(
        "resnet-v1",
        &found.collect::<Vec<_>>(),
        "a residual block strides in its 1x1 convolution: this is the first version of ResNet",
        "torchvision's (v1.5) strides in the 3x3 that follows: the same weights fit, and give other results",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Constant;
    use super::super::net::{Arguments, Id, Item, args};
    use super::*;

    /// A net of layers one after another, each with its arguments and parameters.
    fn chain(input: &[usize], calls: Vec<(&str, Arguments, Vec<Constant>)>) -> Net {
        let mut net = Net::default();
        net.add(Item { name: "x".to_owned(), shape: Shape::of(input), call: None });
        for (i, (layer, args, params)) in calls.into_iter().enumerate() {
            let op =
                Op::parse(layer, Span::default(), &args.0).expect("a layer").expect("arguments");
            let shape = op.infer(&[&net.values[i].shape]).expect("it fits");
            let call = Call { op, given: args.0, operands: vec![Id(i)], params };
            net.add(Item { name: format!("{layer}{i}"), shape, call: Some(call) });
        }
        net
    }

    /// The codes of what is said, with the layers.
    fn said(net: &Net) -> Vec<String> {
        lints(net).iter().map(|it| format!("{}: {}", it.code, it.notes.join("; "))).collect()
    }

    fn conv(kernel: i64, stride: i64, pad: &str) -> (&'static str, Arguments, Vec<Constant>) {
        let args = args().int("channels", 4).int("kernel", kernel).int("stride", stride);
        ("conv", args.word("pad", pad), Vec::new())
    }

    #[test]
    fn padding_on_one_side_is_told_with_its_rows() {
        let net = chain(&[1, 3, 8, 8], vec![conv(3, 2, "same"), conv(3, 1, "same")]);
        assert_eq!(said(&net), ["same-padding: `conv0`: 0 before and 1 after, kernel 3"]);
        assert!(said(&chain(&[1, 3, 8, 8], vec![conv(3, 2, "half")])).is_empty());
    }

    #[test]
    fn pools_that_round_up_are_told_where_it_matters() {
        let pool = || args().int("kernel", 3).int("stride", 2).flag("ceil", true);
        let net = |size| chain(&[1, 3, size, 7], vec![("maxpool", pool(), Vec::new())]);
        assert_eq!(said(&net(8)), ["pool-ceil: `maxpool0`: [4, 3], rounded down [3, 3]"]);
        assert!(said(&net(7)).is_empty());
    }

    #[test]
    fn another_epsilon_is_told_with_its_effect() {
        let of = |variance: f32| vec![Constant::real(vec![1], vec![variance])];
        let params = || [of(1.0), of(0.0), of(0.0), of(0.01)].concat();
        let bn = |eps| chain(&[1, 1, 2, 2], vec![("bn", args().number("eps", eps), params())]);
        assert_eq!(
            said(&bn(1e-3)),
            ["bn-epsilon: `bn0`: eps=1e-3; with 1e-5 its output scales by up to 4.83 %"]
        );
        assert!(said(&bn(1e-5)).is_empty());
    }

    #[test]
    fn a_stride_before_the_window_is_the_first_resnet() {
        let relu = || ("relu", args(), Vec::new());
        let net = |a, b| chain(&[1, 3, 8, 8], vec![conv(1, a, "half"), relu(), conv(3, b, "half")]);
        assert_eq!(
            said(&net(2, 1)),
            ["resnet-v1: `conv0` reads 25 % of the positions of its input"]
        );
        assert!(said(&net(1, 2)).is_empty());
    }
}
