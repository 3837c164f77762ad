//! Graphs written as text mean the same again: random nets, the nets in `models/`, and odd ones.

#[path = "support/nets.rs"]
mod nets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netc::codegen;
use netc::diag::{Source, Sources};
use netc::elaborate::{self, elaborate};
use netc::graph::Graph;
use netc::lift::{Lifted, lift};
use netc::program::Program;
use netc::report::Report;
use netc::tensor::Tensor;
use netc::weights::Weights;
use netc::{passes, plan, syntax};
use nets::{Numbers, random_net};

/// Nets in one run of the suite; every eighth is compiled and run in both forms.
const NETS: u64 = 240;

fn graph_of(name: &str, text: &str, net: Option<&str>) -> Graph {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: name.to_owned(), text: text.to_owned() });
    let mut read = |path: &str| {
        let text = std::fs::read_to_string(path).map_err(|it| it.to_string())?;
        Ok(Source { name: path.to_owned(), text })
    };
    let options = elaborate::Options { net: net.map(str::to_owned), ..Default::default() };
    match elaborate(&mut sources, root, &mut read, &options) {
        Ok(elaborated) => elaborated.graph,
        Err(found) => panic!("{name} is valid, but {found:#?}\n{text}"),
    }
}

/// Writes a graph as text, checks what holds of every text, and gives it.
fn lifted(graph: &Graph) -> Lifted {
    let lifted = lift(graph, &[]).unwrap_or_else(|fault| panic!("{fault}\n{graph}"));
    assert_eq!(lifted.fault, None, "the structure was not kept\n{}\n{graph}", lifted.text);
    assert_eq!(syntax::format(&lifted.text).as_ref(), Ok(&lifted.text), "it is formatted");
    let again = graph_of("again.net", &lifted.text, None);
    assert_eq!(again.to_string(), lifted.graph.to_string(), "it says which graph it means");
    let (before, after) = (totals(graph), totals(&lifted.graph));
    assert_eq!(before, after, "in\n{}\n{graph}", lifted.text);
    lifted
}

/// What a report sums up, with the layers counted by operator.
fn totals(graph: &Graph) -> (u64, u64, u64, BTreeMap<&'static str, usize>) {
    let report = Report::of(graph, None);
    let mut layers = BTreeMap::new();
    for id in graph.order() {
        if let Some(layer) = graph.layer(id) {
            *layers.entry(layer.op.entry().name).or_default() += 1;
        }
    }
    (report.totals.params, report.totals.buffers, report.totals.macs, layers)
}

fn run(graph: &Graph, weights: &Weights, inputs: &[Tensor]) -> Vec<(String, Vec<u32>)> {
    let optimised = passes::optimise(graph.clone(), &mut |_, _| {});
    let tensor = |id| weights.tensor(&optimised, id);
    let planned = plan::plan(&optimised, &plan::Options::default());
    let program = Program::compile(&planned, &tensor, &codegen::Options::default());
    let slices: Vec<&[f32]> = inputs.iter().map(|it| it.data.as_slice()).collect();
    let outputs = program.run(&slices, 1).expect("the inputs are the net's");
    let names = graph.outputs().iter().map(|it| it.name.clone());
    names.zip(outputs.iter().map(|it| it.data.iter().map(|x| x.to_bits()).collect())).collect()
}

/// Runs both forms with the same weights: the same bits.
fn same_bits(graph: &Graph, lifted: &Lifted, seed: u64) {
    let weights = Weights::random(seed);
    let moved = weights.moved(graph, &lifted.graph, &lifted.params);
    let mut numbers = Numbers::new(seed);
    let input = |it: &netc::graph::NodeId| {
        let shape = graph.node(*it).shape.clone();
        let data = (0..shape.elements()).map(|_| numbers.normal()).collect();
        Tensor::new(shape, data)
    };
    let inputs: Vec<Tensor> = graph.inputs().iter().map(input).collect();
    let (before, after) = (run(graph, &weights, &inputs), run(&lifted.graph, &moved, &inputs));
    assert_eq!(before, after, "\n{}\n{graph}", lifted.text);
}

#[test]
fn random_nets_mean_the_same() {
    for seed in 0..NETS {
        let text = random_net(seed);
        let graph = graph_of("random.net", &text, None);
        let lifted = lifted(&graph);
        if seed.is_multiple_of(8) {
            same_bits(&graph, &lifted, seed);
        }
    }
}

/// The net files of a folder.
fn files(folder: &str) -> BTreeSet<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|it| it.expect("an entry").path());
    paths.filter(|it| it.extension().is_some_and(|it| it == "net")).collect()
}

fn nets_of(path: &Path) -> Vec<(String, Graph)> {
    let name = path.to_str().expect("a plain name");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let nets = text.lines().filter_map(|it| it.strip_prefix("net "));
    let names = nets.map(|it| it.split([' ', '(']).next().expect("a name").to_owned());
    names.map(|net| (net.clone(), graph_of(name, &text, Some(&net)))).collect()
}

#[test]
fn models_mean_the_same_and_read_well() {
    for path in files("models") {
        for (net, graph) in nets_of(&path) {
            let lifted = lifted(&graph);
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("lift__{net}"), lifted.text);
            });
        }
    }
}

#[test]
fn every_operator_is_written_and_read_back() {
    for path in files("tests/corpus/ops") {
        for (_, graph) in nets_of(&path) {
            let lifted = lifted(&graph);
            same_bits(&graph, &lifted, 1);
        }
    }
}

/// What nets from elsewhere have that those of the project have not.
#[test]
fn odd_nets_mean_the_same() {
    let odd = [
        // Names that are no identifiers, or mean something else.
        "net A { input \"in:0\": f32[N, 3, 8, 8]\n \"a/b.c\": conv(4, 3) -> \"relu\": relu\n output \"out 1\" }",
        "net A { input relu_: f32[N, 3, 8, 8]\n conv2: conv(4, 3) -> q: conv(4, 3)\n output conv }",
        // The same weights, once and again.
        "net A { input a, b: f32[N, 3, 8, 8]\n shared f: conv(4, 3)\n x = a -> f -> relu\n y = b -> f\n output d = x - y }",
        // Results that are inputs, one another, or in the middle.
        "net A { input x: f32[N, 3, 8, 8]\n output x\n y = conv(4, 3)\n output y\n relu\n output z\n output w }",
        "net A { input x: f32[N, 3, 8, 8]\n conv(4, 3)\n output y = it\n output z = it }",
        // No chain at all: every value is read by several.
        "net A { input x: f32[N, 4, 8, 8]\n a = conv(4, 1)\n b = x -> relu\n c1 = add(a, b)\n e = mul(b, a)\n f = sub(c1, e)\n output g = max(f, a) }",
        // A value with itself; an operand that is not the first.
        "net A { input x: f32[N, 4, 8, 8]\n y = conv(4, 1)\n add(it, it)\n sub(y, it)\n output z }",
        "net A { input x, y: f32[N, 4, 8, 8]\n x -> conv(4, 1) -> add(y)\n sub(y, it)\n output z }",
        // Constants of the file.
        "net A { input x: f32[N, 2, 4, 4]\n mul { | param([2, 1, 1]) } -> add { | param([2, 1, 1], weight=[[[0.5]], [[-1e-7]]]) }\n output z }",
        "net A { input x: f32[N, 2, 4, 4]\n conv(2, 3, weight=[[1, 0, -1], [1, 0, -1], [1, 0, -1]]) -> conv(1, 1, bias=[0.25])\n output z }",
        // Arguments at other than their defaults.
        "net A { input x: f32[N, 4, 9, 9]\n conv(4, [3, 1], pad=[(0, 1), (2, 0)]) -> bn(eps=1e-3) -> maxpool(3, 2, ceil=true) -> avgpool(2, 1, count_pad=false, pad=1)\n concat(it, it, axis=2) -> softmax(axis=-1) -> lrn(3, alpha=0.5, beta=1, k=2) -> slice(1, 1, 3) -> reshape([-1, 4])\n output z }",
        // Blocks that differ in shortcuts, strides and flags.
        "block b(c, s = 1, p = false) { add { conv(c, 3, s, pad=1) -> bn -> relu -> conv(c, 3, pad=1) -> bn | if p or s != 1 { conv(c, 1, s) } } -> relu }\nnet A { input x: f32[N, 8, 16, 16]\n b(8) -> b(8, p=true) -> b(8) -> b(16, 2, true) -> b(16, 1, true)\n output z }",
        // More of a kind than a label allows for.
        "net A { input x: f32[N, 4, 4, 4]\n for _ in 0..62 { relu -> abs }\n p: relu6 -> q: relu6\n output z }",
        // Input alone, and vectors.
        "net A { input x: f32[N]\n output y = x }",
        "net A { input x: f32[3, 5]\n fc(4) -> tanh -> fc(4) -> tanh -> fc(4) -> tanh\n output y }",
    ];
    for text in odd {
        let graph = graph_of("odd.net", text, None);
        let lifted = lifted(&graph);
        same_bits(&graph, &lifted, 3);
    }
}
