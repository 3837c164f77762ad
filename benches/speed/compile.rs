//! What compiling costs beside one run of the reference: text to graph, graph to plan, and all the way to code.

use criterion::Criterion;
use netc::codegen::Cpu;
use netc::{passes, plan};

use crate::compare::{Way, compare};
use crate::net::Net;

const MODELS: &[(&str, &str, Option<&[usize]>)] = &[
    ("lenet5.net", "LeNet5", None),
    ("resnet.net", "ResNet18", Some(&[1, 3, 64, 64])),
    ("mobilenet_v2.net", "MobileNetV2", Some(&[1, 3, 64, 64])),
    ("densenet.net", "DenseNet121", Some(&[1, 3, 64, 64])),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    for (file, name, input) in MODELS {
        let net = Net::model(file, name, *input);
        let inputs = net.inputs();
        let planned = || {
            let graph = passes::optimise(net.graph.clone(), &mut |_, _| {});
            plan::plan(&graph, &plan::Options::default())
        };
        let ways: Vec<Way<'_>> = vec![
            ("one reference run", Box::new(|| drop(net.reference(&inputs)))),
            ("text to graph", Box::new(|| drop(Net::model(file, name, *input)))),
            ("graph to plan", Box::new(|| drop(planned()))),
            ("graph to native code", Box::new(|| drop(net.compile(Cpu::Native)))),
            ("graph to portable code", Box::new(|| drop(net.compile(Cpu::Baseline)))),
        ];
        compare(criterion, &format!("compile/{name}"), ways);
    }
}
