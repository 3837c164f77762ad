//! Random valid nets, as text: small, awkward, and of every operator next to every other.

/// A generator of numbers that depend on nothing but a seed (splitmix64, Steele, Lea and Flood 2014).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// About normal, of variance 1: the sum of twelve uniform numbers (Irwin and Hall).
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: f64 = (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum();
        (sum - 6.0) as f32
    }
}

/// A value's channels and space while a net is being written.
#[derive(Clone, Debug, PartialEq)]
struct Value {
    channels: usize,
    space: Vec<usize>,
}

/// Writes one net.
pub(crate) fn random_net(seed: u64) -> String {
    let mut writer = Writer { numbers: Numbers::new(seed), text: String::new(), indent: 1 };
    let axes = writer.numbers.one_of(&[2, 2, 2, 2, 1, 3]);
    let most = if axes == 3 { 6 } else { 13 };
    let space = (0..axes).map(|_| 1 + writer.numbers.below(most)).collect();
    let mut value =
        Value { channels: writer.numbers.one_of(&[1, 2, 3, 4, 5, 8, 9, 16, 17, 24]), space };
    let dims: Vec<_> =
        [value.channels].iter().chain(&value.space).map(ToString::to_string).collect();
    writer.line(&format!("input x: f32[N, {}]", dims.join(", ")));
    let layers = 1 + writer.numbers.below(6);
    for _ in 0..layers {
        value = writer.layer(value);
    }
    if writer.numbers.chance(3) {
        writer.head(&value);
    }
    writer.line("output y");
    format!("# seed {seed}\nnet Random {{\n{}}}\n", writer.text)
}

struct Writer {
    numbers: Numbers,
    text: String,
    indent: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn layer(&mut self, value: Value) -> Value {
        match self.numbers.below(16) {
            0..=3 => self.conv(value),
            4 => self.depthwise(value),
            5 => self.grouped(value),
            6 => self.pool(value),
            7 => self.branches(value),
            8 => self.dense(value),
            9 => self.deconv(value),
            10 => self.upsample(value),
            11 | 12 => self.activation(value),
            13 => self.squeeze(value),
            14 => self.pad(value),
            _ => self.norm(value),
        }
    }

    fn follow(&mut self) -> String {
        let norm = if self.numbers.chance(2) { " -> bn" } else { "" };
        let activation = self.numbers.one_of(&[
            "",
            "",
            " -> relu",
            " -> relu6",
            " -> leaky(0.1)",
            " -> silu",
            " -> prelu",
        ]);
        format!("{norm}{activation}")
    }

    /// One count for each axis, each small enough to fit.
    fn kernel(&mut self, value: &Value) -> Vec<usize> {
        value.space.iter().map(|&extent| 1 + self.numbers.below(extent.min(5))).collect()
    }

    fn list(items: &[usize]) -> String {
        match items {
            [one] => format!("[{one}]"),
            items if items.iter().all(|it| *it == items[0]) => items[0].to_string(),
            items => format!(
                "[{}]",
                items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    fn conv(&mut self, value: Value) -> Value {
        let channels = self.numbers.one_of(&[1, 3, 4, 8, 9, 10, 16, 17, 24, 25, 32, 40]);
        let kernel = self.kernel(&value);
        let stride: Vec<_> = kernel.iter().map(|_| 1 + self.numbers.below(3)).collect();
        let pad: Vec<_> = kernel.iter().map(|&k| self.numbers.below(k)).collect();
        let follow = self.follow();
        let bias = self.numbers.one_of(&["", ", bias=false"]);
        let call = format!(
            "conv({channels}, {}, {}, pad={}{bias}){follow}",
            Self::list(&kernel),
            Self::list(&stride),
            Self::list(&pad)
        );
        self.line(&call);
        let space = windows(&value.space, &kernel, &stride, &pad);
        Value { channels, space }
    }

    fn depthwise(&mut self, value: Value) -> Value {
        let kernel = self.kernel(&value);
        let pad: Vec<_> = kernel.iter().map(|&k| self.numbers.below(k)).collect();
        let stride = vec![1 + self.numbers.below(2); kernel.len()];
        let follow = self.follow();
        let call = format!(
            "conv({c}, {}, {}, pad={}, groups={c}){follow}",
            Self::list(&kernel),
            Self::list(&stride),
            Self::list(&pad),
            c = value.channels
        );
        self.line(&call);
        Value { space: windows(&value.space, &kernel, &stride, &pad), ..value }
    }

    fn grouped(&mut self, value: Value) -> Value {
        let groups = (2..=4).rev().find(|it| value.channels.is_multiple_of(*it)).unwrap_or(1);
        let channels = groups * self.numbers.one_of(&[1, 3, 8, 16]);
        let dilation = if value.space.iter().all(|it| *it >= 5) { 2 } else { 1 };
        let kernel = vec![if dilation == 2 { 3 } else { 1 }; value.space.len()];
        let call = format!(
            "conv({channels}, {}, dilation={dilation}, groups={groups})",
            Self::list(&kernel)
        );
        self.line(&call);
        let reach: Vec<_> = kernel.iter().map(|it| (it - 1) * dilation + 1).collect();
        let ones = vec![1; kernel.len()];
        Value { channels, space: windows(&value.space, &reach, &ones, &vec![0; kernel.len()]) }
    }

    fn pool(&mut self, value: Value) -> Value {
        let kernel: Vec<_> =
            value.space.iter().map(|&it| 1 + self.numbers.below(it.min(3))).collect();
        let stride: Vec<_> = kernel.iter().map(|_| 1 + self.numbers.below(2)).collect();
        let pad: Vec<_> = kernel.iter().map(|&k| self.numbers.below(k / 2 + 1)).collect();
        let name = self.numbers.one_of(&["maxpool", "avgpool"]);
        let count =
            if name == "avgpool" && self.numbers.chance(2) { ", count_pad=false" } else { "" };
        let call = format!(
            "{name}({}, {}, pad={}{count})",
            Self::list(&kernel),
            Self::list(&stride),
            Self::list(&pad)
        );
        self.line(&call);
        Value { space: windows(&value.space, &kernel, &stride, &pad), ..value }
    }

    /// A residual block: the arms agree because both are padded alike.
    fn branches(&mut self, value: Value) -> Value {
        let channels = self.numbers.one_of(&[3, 8, 16, 24]);
        let activation = self.numbers.one_of(&["relu", "sigmoid", "tanh"]);
        let join = self.numbers.one_of(&["add", "mul", "add"]);
        let projected = channels != value.channels || self.numbers.chance(2);
        let first = format!("conv({channels}, 1) -> {activation} -> conv({channels}, 1) -> bn");
        let second = if projected { format!("conv({channels}, 1)") } else { String::new() };
        self.line(&format!("{join} {{ {first} | {second} }}"));
        if self.numbers.chance(2) {
            self.line("relu");
        }
        Value { channels, ..value }
    }

    fn dense(&mut self, value: Value) -> Value {
        let growth: Vec<usize> = (0..2).map(|_| self.numbers.one_of(&[3, 8, 16])).collect();
        let keep = self.numbers.chance(2);
        let own = if keep { "" } else { " relu " };
        self.line(&format!(
            "concat {{ {own} | conv({}, 1) | conv({}, 1) -> relu }}",
            growth[0], growth[1]
        ));
        Value { channels: value.channels + growth[0] + growth[1], ..value }
    }

    fn deconv(&mut self, value: Value) -> Value {
        let channels = self.numbers.one_of(&[1, 3, 8, 9]);
        let kernel = 1 + self.numbers.below(3);
        let stride = 1 + self.numbers.below(2);
        let axes = value.space.len();
        self.line(&format!(
            "deconv({channels}, {}, {})",
            Self::list(&vec![kernel; axes]),
            Self::list(&vec![stride; axes])
        ));
        Value { channels, space: value.space.iter().map(|it| (it - 1) * stride + kernel).collect() }
    }

    fn upsample(&mut self, value: Value) -> Value {
        if value.space.iter().any(|it| *it > 13) || value.space.len() != 2 {
            return self.activation(value);
        }
        let mode = self.numbers.one_of(&["", ", mode=\"bilinear\""]);
        self.line(&format!("upsample(2{mode})"));
        Value { space: value.space.iter().map(|it| it * 2).collect(), ..value }
    }

    fn activation(&mut self, value: Value) -> Value {
        let name = self.numbers.one_of(&[
            "relu",
            "elu",
            "tanh",
            "sigmoid",
            "hardswish",
            "abs",
            "leaky(0.2)",
            "dropout(0.5)",
            "softmax",
        ]);
        self.line(name);
        value
    }

    fn squeeze(&mut self, value: Value) -> Value {
        let inner = 1 + self.numbers.below(value.channels);
        self.line(&format!(
            "mul {{ | gap(keep=true) -> conv({inner}, 1) -> relu -> conv({}, 1) -> sigmoid }}",
            value.channels
        ));
        value
    }

    fn pad(&mut self, value: Value) -> Value {
        let pairs: Vec<(usize, usize)> =
            value.space.iter().map(|_| (self.numbers.below(2), self.numbers.below(3))).collect();
        let text: Vec<_> = pairs.iter().map(|(a, b)| format!("({a}, {b})")).collect();
        self.line(&format!("pad([{}])", text.join(", ")));
        Value {
            space: value.space.iter().zip(&pairs).map(|(it, (a, b))| it + a + b).collect(),
            ..value
        }
    }

    fn norm(&mut self, value: Value) -> Value {
        let name = self.numbers.one_of(&["bn", "lrn(3)", "l2norm", "bn -> relu"]);
        self.line(name);
        value
    }

    fn head(&mut self, value: &Value) {
        let features = self.numbers.one_of(&[1, 7, 10, 64, 65]);
        let middle = if value.space.iter().product::<usize>() * value.channels < 4096
            && self.numbers.chance(2)
        {
            "flatten"
        } else {
            self.numbers.one_of(&["gap", "gmp"])
        };
        let end = self.numbers.one_of(&["", " -> softmax", " -> relu", " -> logsoftmax"]);
        self.line(&format!("{middle} -> fc({features}){end}"));
    }
}

/// floor((extent + 2 pad - kernel) / stride) + 1 on each axis.
fn windows(space: &[usize], kernel: &[usize], stride: &[usize], pad: &[usize]) -> Vec<usize> {
    (0..space.len())
        .map(|axis| (space[axis] + 2 * pad[axis] - kernel[axis]) / stride[axis] + 1)
        .collect()
}
