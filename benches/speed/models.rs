//! Whole networks on one thread: native code for this machine, for any x86-64, and the reference. Large ones
//! see smaller pictures, so that the reference ends in time.

use criterion::Criterion;

use crate::compare::compare_runs;
use crate::net::Net;

const MODELS: &[(&str, &str, Option<&[usize]>)] = &[
    ("lenet5.net", "LeNet5", None),
    ("squeezenet1_1.net", "SqueezeNet", Some(&[1, 3, 96, 96])),
    ("mobilenet_v2.net", "MobileNetV2", Some(&[1, 3, 96, 96])),
    ("resnet.net", "ResNet18", Some(&[1, 3, 64, 64])),
    ("conv1d.net", "Signal", None),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    for (file, name, input) in MODELS {
        let net = Net::model(file, name, *input);
        compare_runs(criterion, &format!("models/{name}"), &net);
    }
}
