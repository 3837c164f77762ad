//! One layer at a time on one thread: native code for this machine, for any x86-64, and the reference.

use criterion::Criterion;

use crate::compare::compare_runs;
use crate::net::Net;

const LAYERS: &[(&str, &str, &str)] = &[
    ("conv 3x3 64->64 28x28", "64, 28, 28", "conv(64, 3, pad=1) -> relu"),
    ("conv 1x1 256->64 28x28", "256, 28, 28", "conv(64, 1) -> relu"),
    ("conv 7x7/2 3->64 112x112", "3, 112, 112", "conv(64, 7, 2, pad=3)"),
    ("depthwise 3x3 144 28x28", "144, 28, 28", "conv(144, 3, pad=1, groups=144) -> relu6"),
    ("deconv 2x2/2 64->32 28x28", "64, 28, 28", "deconv(32, 2, 2)"),
    ("fc 2048->1000", "2048", "fc(1000)"),
    // Pools are tiles behind a layer.
    ("relu, maxpool 3x3/2 64 56x56", "64, 56, 56", "relu -> maxpool(3, 2, pad=1)"),
    ("relu, gap 512 14x14", "512, 14, 14", "relu -> gap"),
    ("lrn 5 96 27x27", "96, 27, 27", "lrn(5)"),
    ("silu 64 56x56", "64, 56, 56", "silu"),
    ("softmax 1000", "1000", "softmax"),
    ("conv3d 3x3x3 8->16 14x14x14", "8, 14, 14, 14", "conv(16, 3, pad=1)"),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    for (name, shape, chain) in LAYERS {
        let net =
            Net::of(&format!("net A {{\n  input x: f32[N, {shape}]\n  {chain}\n  output y\n}}\n"));
        compare_runs(criterion, &format!("layers/{name}"), &net);
    }
}
