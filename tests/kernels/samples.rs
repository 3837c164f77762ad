//! Every algorithm on every tail of channels, stride and padding, any two of which meet: small nets in all ways.

use netc::diag::Span;
use netc::graph::NodeId;
use netc::ops::{Op, Value};
use netc::plan::{Algorithms, Kernel};

use crate::case::Random;
use crate::net::Net;
use crate::ways;

/// Counts of channels: parts of a block of eight, blocks and pairs of blocks, one more, one fewer.
const TAILS: [usize; 10] = [1, 3, 8, 9, 15, 16, 17, 24, 31, 40];

/// How windows go over the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pad {
    /// Not at all.
    None,
    /// As far on both sides as keeps the extent.
    Same,
    /// Farther on one side.
    Uneven,
    /// So far that there is more padding than map.
    Wide,
}

const PADS: [Pad; 4] = [Pad::None, Pad::Same, Pad::Uneven, Pad::Wide];

/// What is given; all else is drawn.
struct Sample {
    channels: usize,
    stride: usize,
    pad: Pad,
    random: Random,
}

/// Windows on a map.
struct Windows {
    /// Extents of the map.
    space: Vec<usize>,
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    pad: Vec<(usize, usize)>,
}

/// A net and the layer of it that is meant.
type Made = (Net, NodeId);

/// Every two of a tail, a stride and a padding, in forty samples.
fn samples(family: u64) -> impl Iterator<Item = Sample> {
    let pairs = (0..TAILS.len()).flat_map(|tail| (0..PADS.len()).map(move |pad| (tail, pad)));
    (1000 * family + 1..).zip(pairs).map(|(seed, (tail, pad))| Sample {
        channels: TAILS[tail],
        stride: 1 + (tail + pad) % 3,
        pad: PADS[pad],
        random: Random::seeded(seed),
    })
}

/// Checks a layer in its forty samples, followed by what else tiles do; gives how often a kernel computes it, of eighty
/// times.
fn check(
    family: u64,
    algorithms: fn(&Sample) -> Algorithms,
    make: fn(&mut Sample) -> Made,
    is_meant: fn(&Kernel) -> bool,
) -> usize {
    let mut meant = 0;
    for (seed, mut sample) in samples(family).enumerate() {
        let (mut net, node) = make(&mut sample);
        let path = net.graph.node(node).path.clone();
        let last = sample.follow(&mut net, node);
        let graph = net.with_output(last).graph;
        for plan in ways::check(graph, 1 + seed as u64, algorithms(&sample)) {
            let kernels = plan.steps.iter().filter(|it| it.path == path).map(|it| &it.kernel);
            meant += usize::from(kernels.into_iter().any(is_meant));
        }
    }
    meant
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap())
}

fn list(numbers: &[usize]) -> Value {
    Value::List(numbers.iter().map(|&it| int(it)).collect())
}

impl Windows {
    fn args(&self) -> Vec<(&'static str, Value)> {
        let pair = |it: &(usize, usize)| Value::Tuple(vec![int(it.0), int(it.1)]);
        vec![
            ("kernel", list(&self.kernel)),
            ("stride", list(&self.stride)),
            ("dilation", list(&self.dilation)),
            ("pad", Value::List(self.pad.iter().map(pair).collect())),
        ]
    }
}

impl Sample {
    /// One to three axes with kernels of these; the stride is that of the sample at least on the last axis.
    fn windows(&mut self, kernels: &[usize]) -> Windows {
        let rank = self.random.one_of(&[1, 2, 2, 2, 3]);
        let kernel: Vec<_> = (0..rank).map(|_| self.random.one_of(kernels)).collect();
        let last = rank - 1;
        let stride = (0..rank)
            .map(|it| if it == last || self.random.flip() { self.stride } else { 1 })
            .collect();
        let dilation = kernel.iter().map(|&it| if it < 5 { self.random.between(1, 2) } else { 1 });
        let dilation = dilation.collect();
        self.on_a_map(Windows { space: Vec::new(), kernel, stride, dilation, pad: Vec::new() })
    }

    /// The windows with padding, on a map that is small.
    fn on_a_map(&mut self, mut windows: Windows) -> Windows {
        let room = if windows.kernel.len() == 3 { 2 } else { 9 };
        for (kernel, dilation) in windows.kernel.iter().zip(&windows.dilation) {
            let reach = (kernel - 1) * dilation + 1;
            let pad = match self.pad {
                Pad::None => (0, 0),
                Pad::Same => ((reach - 1) / 2, reach / 2),
                Pad::Uneven if self.random.flip() => (self.random.between(0, reach / 3), reach - 1),
                Pad::Uneven => (reach - 1, 0),
                Pad::Wide => (reach - 1, reach - 1),
            };
            let least = reach.saturating_sub(pad.0 + pad.1).max(1);
            let most = if self.pad == Pad::Wide { 2.max(least) } else { least + room };
            windows.pad.push(pad);
            windows.space.push(self.random.between(least, most));
        }
        windows
    }

    /// A net of one input and perhaps a layer behind it: `[batch, channels, space..]`.
    fn net(&mut self, channels: usize, space: &[usize]) -> Made {
        let batch = self.random.one_of(&[1, 1, 2]);
        let (mut net, x) = Net::new(&[&[batch, channels], space].concat());
        let node = if self.random.between(0, 2) > 0 { blocked(&mut net, x) } else { x };
        (net, node)
    }

    /// A convolution; one of channels fewer than tiles need for groups is loops.
    fn conv(&mut self, from: usize, groups: usize, windows: &Windows) -> Made {
        let (mut net, x) = self.net(from, &windows.space);
        let mut args = windows.args();
        args.push(("channels", int(self.channels)));
        args.push(("groups", int(groups)));
        args.push(("bias", Value::Bool(self.random.between(0, 3) > 0)));
        let node = net.add("conv", &args, &[x]);
        (net, node)
    }

    /// What may follow a sum before its store, and perhaps a layer that reads the result beyond its border.
    fn follow(&mut self, net: &mut Net, node: NodeId) -> NodeId {
        let slope = [("slope", Value::Number(0.1))];
        let mut last = match self.random.between(0, 7) {
            0 => node,
            1 => net.add("relu", &[], &[node]),
            2 => net.add("relu6", &[], &[node]),
            3 => net.add("leaky", &slope, &[node]),
            4 | 5 => {
                let all = ["tanh", "silu", "hardswish", "gelu", "sigmoid", "elu", "mish"];
                net.add(self.random.one_of(&all), &[], &[node])
            }
            _ => {
                let shape = net.shape(node).clone();
                let mut other = net.add_input("other", &shape);
                if self.random.flip() {
                    other = blocked(net, other);
                }
                net.add("add", &[], &[node, other])
            }
        };
        if self.random.between(0, 3) == 0 {
            last = net.add("relu", &[], &[last]);
        }
        let has_space = !net.shape(last).spatial().is_empty();
        if has_space && self.random.flip() {
            let reader = net.conv(last, 9, [self.random.between(1, 3), 1, 1, 1, 1]);
            net.graph.add_output("reader", reader);
        }
        last
    }
}

/// A layer, so that its value is blocked.
fn blocked(net: &mut Net, node: NodeId) -> NodeId {
    net.add("affine", &[("scale", Value::Number(0.75))], &[node])
}

#[test]
fn direct_convolutions() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[2, 3, 4]);
        // More than one pass over the channels, too.
        let from = it.random.one_of(&[1, 3, 5, 8, 9, 16, 17, 24, 31, 136]);
        it.conv(from, 1, &windows)
    };
    let meant = check(1, |_| Algorithms::Exact, make, |it| matches!(it, Kernel::Contract(_)));
    assert_eq!(meant, 80);
}

#[test]
fn pointwise_convolutions() {
    let make = |it: &mut Sample| {
        let mut windows = it.windows(&[1]);
        if it.pad != Pad::None {
            windows.pad.fill(if it.pad == Pad::Same { (1, 1) } else { (0, 2) });
        }
        let from = it.random.one_of(&[1, 3, 7, 8, 16, 17, 40, 130, 264]);
        it.conv(from, 1, &windows)
    };
    let meant = check(2, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert_eq!(meant, 80);
}

#[test]
fn first_layers() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[3, 5, 7, 11]);
        let from = it.random.between(1, 4);
        let (mut net, x) = Net::new(&[&[1, from], windows.space.as_slice()].concat());
        let mut args = windows.args();
        args.push(("channels", int(it.channels)));
        let node = net.add("conv", &args, &[x]);
        (net, node)
    };
    let meant = check(3, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert_eq!(meant, 80);
}

/// A stride stands for a scheme.
#[test]
fn winograd_convolutions() {
    let make = |it: &mut Sample| {
        let taps = if it.stride == 3 { 5 } else { 3 };
        let axes = |number| vec![number; 2];
        let (kernel, stride, dilation) = (axes(taps), axes(1), axes(1));
        let mut windows =
            it.on_a_map(Windows { space: Vec::new(), kernel, stride, dilation, pad: Vec::new() });
        // On smaller maps some taps meet nothing but padding, and are left out.
        windows.space.iter_mut().for_each(|it| *it = taps.max(*it));
        let from = it.random.one_of(&[16, 17, 24, 31, 40]);
        it.conv(from, 1, &windows)
    };
    let scheme = |it: &Sample| Algorithms::Winograd(if it.stride == 2 { 4 } else { 2 });
    let meant = check(4, scheme, make, |it| matches!(it, Kernel::Winograd(_)));
    assert_eq!(meant, 80);
}

/// Groups that are no whole blocks are taken together.
#[test]
fn grouped_convolutions() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[1, 2, 3]);
        let groups = it.random.between(2, 3);
        let from = it.random.one_of(&[1, 2, 8, 16]);
        it.channels *= groups;
        it.conv(from * groups, groups, &windows)
    };
    let meant = check(5, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert!(meant >= 72, "all but those that are depthwise, but not {meant} of 80");
}

/// Windows that reach far past a small map: parts that see the same taps, without those that meet nothing.
#[test]
fn convolutions_of_little_but_padding() {
    let make = |it: &mut Sample| {
        let rank = it.random.one_of(&[1, 2, 2]);
        let each = |number: usize| vec![number; rank];
        let dilation = it.random.between(3, 7);
        let side = dilation + it.random.between(0, dilation / 2);
        let pad = match it.pad {
            Pad::None => (dilation * 2, dilation),
            Pad::Same => (dilation, dilation),
            Pad::Uneven => (0, dilation * 2),
            Pad::Wide => (dilation * 2, dilation * 2),
        };
        let windows = Windows {
            space: each(side),
            kernel: each(3),
            stride: each(it.stride),
            dilation: each(dilation),
            pad: vec![pad; rank],
        };
        let groups = it.random.one_of(&[1, 1, it.channels]);
        let from = if groups == 1 { it.random.one_of(&[3, 8, 17]) } else { it.channels };
        it.conv(from, groups, &windows)
    };
    let tiled = |it: &Kernel| match it {
        Kernel::Contract(it) => !it.parts.is_empty(),
        Kernel::Depthwise(it) => !it.parts.is_empty(),
        _ => false,
    };
    let meant = check(16, |_| Algorithms::Fastest, make, tiled);
    assert!(meant >= 40, "{meant} of 80");
}

#[test]
fn depthwise_convolutions() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[2, 3, 5]);
        it.conv(it.channels, it.channels, &windows)
    };
    let meant = check(6, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Depthwise(_)));
    assert_eq!(meant, 72, "all but those of one channel");
}

/// A transposed convolution, on a map that its padding leaves something of.
fn deconv(it: &mut Sample, from: usize, groups: usize, windows: &Windows) -> Made {
    let more = if it.pad == Pad::Wide { 6 } else { 2 };
    let space: Vec<_> = windows.space.iter().map(|it| it.min(&4) + more).collect();
    let (mut net, x) = it.net(from, &space);
    let mut args = windows.args();
    let rows = windows.stride.iter().map(|&stride| it.random.between(0, stride - 1));
    args.push(("output_pad", list(&rows.collect::<Vec<_>>())));
    args.push(("channels", int(it.channels)));
    args.push(("groups", int(groups)));
    args.push(("bias", Value::Bool(it.random.between(0, 3) > 0)));
    let node = net.add("deconv", &args, &[x]);
    (net, node)
}

/// Tiles for each phase of the strides; loops where a phase has no taps, or begins inside the map.
#[test]
fn transposed_convolutions() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[3, 4]);
        // More than one pass over the channels, too.
        let from = it.random.one_of(&[1, 3, 8, 17, 136]);
        deconv(it, from, 1, &windows)
    };
    let meant = check(7, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert!(meant >= 40, "{meant} of 80");
}

#[test]
fn transposed_convolutions_in_groups() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[3, 4]);
        let groups = it.random.between(2, 3);
        let from = it.random.one_of(&[1, 8, 16]);
        it.channels *= groups;
        deconv(it, from * groups, groups, &windows)
    };
    let meant = check(14, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert!(meant >= 32, "{meant} of 80");
}

#[test]
fn transposed_depthwise_convolutions() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[2, 3, 5]);
        deconv(it, it.channels, it.channels, &windows)
    };
    let meant = check(15, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Depthwise(_)));
    assert!(meant >= 36, "{meant} of 80");
}

/// A stride stands for a batch; the padding for where the operand comes from.
#[test]
fn products() {
    let make = |it: &mut Sample| {
        let batch = [1, 2, 9][it.stride - 1];
        let from = it.random.one_of(&[1, 7, 8, 31, 130, 300]);
        let (mut net, x) = Net::new(&[batch, from]);
        let x = if matches!(it.pad, Pad::None | Pad::Same) { x } else { blocked(&mut net, x) };
        let bias = it.random.between(0, 3) > 0;
        let args = [("features", int(it.channels)), ("bias", Value::Bool(bias))];
        let node = net.add("fc", &args, &[x]);
        (net, node)
    };
    let meant = check(8, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Contract(_)));
    assert_eq!(meant, 80);
}

#[test]
fn windowed_pools() {
    let make = |it: &mut Sample| {
        let windows = it.windows(&[1, 2, 3, 5]);
        let (mut net, x) = Net::new(&[&[1, it.channels], windows.space.as_slice()].concat());
        let x = blocked(&mut net, x);
        let mut args = windows.args();
        args.push(("ceil", Value::Bool(it.random.flip())));
        let op = it.random.one_of(&["maxpool", "avgpool"]);
        if op == "avgpool" {
            args.push(("count_pad", Value::Bool(it.random.flip())));
        }
        let node = net.add(op, &args, &[x]);
        (net, node)
    };
    let meant = check(9, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Pool(_)));
    assert!(meant >= 64, "windows that are cut off in many ways are loops, but not {meant} of 80");
}

#[test]
fn global_pools() {
    let make = |it: &mut Sample| {
        let rank = it.random.between(1, 3);
        let space: Vec<_> = (0..rank).map(|_| it.random.between(1, 7)).collect();
        let (mut net, x) = Net::new(&[&[it.stride, it.channels], space.as_slice()].concat());
        let x = blocked(&mut net, x);
        let keep = [("keep", Value::Bool(it.random.flip()))];
        let node = net.add(it.random.one_of(&["gap", "gmp"]), &keep, &[x]);
        (net, node)
    };
    let meant = check(10, |_| Algorithms::Fastest, make, |it| matches!(it, Kernel::Pool(_)));
    assert_eq!(meant, 80);
}

/// What sums over channels, or has parameters for each.
#[test]
fn along_channels() {
    let make = |it: &mut Sample| {
        let space: Vec<_> = (0..it.random.between(0, 2)).map(|_| it.random.between(1, 6)).collect();
        let (mut net, x) = it.net(it.channels, &space);
        let axis = [("axis", int(it.random.between(1, 1 + space.len())))];
        let size = [("size", int(2 * it.stride - 1))];
        let node = match it.random.between(0, 6) {
            0 => net.add("softmax", &axis, &[x]),
            1 => net.add("logsoftmax", &axis, &[x]),
            2 => net.add("l2norm", &axis, &[x]),
            3 => net.add("lrn", &size, &[x]),
            4 => net.add("prelu", &[], &[x]),
            5 if !space.is_empty() => net.add("instancenorm", &[], &[x]),
            _ => net.add("bn", &[], &[x]),
        };
        (net, node)
    };
    check(11, |_| Algorithms::Fastest, make, |_| true);
}

/// Every function of one number, as a step of its own and behind a sum, a pool and a layer without tiles.
#[test]
fn functions_of_one_number() {
    let mut seed = 0;
    for entry in Op::TABLE {
        let Some(Ok(op)) = Op::parse(entry.name, Span::default(), &[]) else { continue };
        if op.pointwise().is_none() || op.is_identity() {
            continue;
        }
        seed += 1;
        let mut random = Random::seeded(12_000 + seed);
        let channels = random.one_of(&TAILS);
        let space = [random.between(1, 5), random.between(1, 6)];
        let (mut net, x) = Net::new(&[1, channels, space[0], space[1]]);
        let alone = net.add(entry.name, &[], &[x]);
        let sum = net.conv(x, random.one_of(&TAILS), [1, 1, 0, 1, 1]);
        let sum = net.add(entry.name, &[], &[sum]);
        let pool = net.add("avgpool", &[("kernel", int(1)), ("pad", int(0))], &[alone]);
        let pool = net.add("gap", &[], &[pool]);
        let pool = net.add(entry.name, &[], &[pool]);
        let other = net.add("softmax", &[], &[x]);
        let other = net.add(entry.name, &[], &[other]);
        for (name, node) in [("alone", alone), ("sum", sum), ("pool", pool)] {
            net.graph.add_output(name, node);
        }
        ways::check(net.with_output(other).graph, seed, Algorithms::Fastest);
    }
    assert!(seed > 20, "only {seed} functions");
}

/// Values side by side that end in a block, read by tiles.
#[test]
fn concatenations() {
    for seed in 1..=20 {
        let mut random = Random::seeded(13_000 + seed);
        let space = [random.between(1, 6), random.between(1, 7)];
        let (mut net, x) = Net::new(&[random.between(1, 2), 3, space[0], space[1]]);
        let parts: Vec<NodeId> = (0..random.between(2, 4))
            .map(|_| {
                let part = net.conv(x, random.one_of(&TAILS), [1, 1, 0, 1, 1]);
                let one = [("kernel", int(3)), ("stride", int(1)), ("pad", int(1))];
                if random.flip() { net.add("maxpool", &one, &[part]) } else { part }
            })
            .collect();
        let whole = net.add("concat", &[], &parts);
        let last = net.conv(whole, random.one_of(&TAILS), [3, 1, 1, 1, 1]);
        if random.flip() {
            net.graph.add_output("whole", whole);
        }
        ways::check(net.with_output(last).graph, seed, Algorithms::Fastest);
    }
}
