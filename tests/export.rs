//! Nets as ONNX files: what is read back is the net that was written.

#[path = "support/nets.rs"]
mod nets;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use netc::diag::{Source, Sources};
use netc::elaborate::{self, Options};
use netc::graph::{Graph, NodeId, ParamId};
use netc::onnx::export::Draft;
use netc::onnx::{self, Imported};
use netc::ops::Op;
use netc::tensor::Tensor;
use netc::weights::Weights;
use netc::{interpret, passes};
use nets::{Numbers, random_net};

/// Nets of the corpus that come back in other layers, each with the reason. They compute the same.
const RESPELLED: &[(&str, &str)] = &[
    ("Filled1", "ONNX counts no rows"),
    ("Filled2", "ONNX counts no rows"),
    ("Mul6", "ONNX multiplies two values at a time"),
    ("Region1", HEAD),
    ("Region2", HEAD),
    ("Region3", HEAD),
    ("Reorg4", "a stride of 1 moves nothing"),
    ("Reshape2", "to one vector a sample is `flatten`"),
    ("Yolo1", HEAD),
    ("Yolo2", HEAD),
    ("Yolo3", HEAD),
];
const HEAD: &str = "ONNX has no heads of detectors";

/// The most parameters of a model that is sent out and back.
const PARAMS_MAX: usize = 4_000_000;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|it| it.expect("it can be listed").path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "net"));
    paths.sort();
    paths
}

/// The names of the nets of a text.
fn names(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|it| it.strip_prefix("net "));
    let end = |it: char| !it.is_alphanumeric() && it != '_';
    names.map(|it| it[..it.find(end).unwrap_or(it.len())].to_owned()).collect()
}

fn graph(text: &str, net: Option<&str>, batch: usize) -> Graph {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "a.net".to_owned(), text: text.to_owned() });
    let mut read = |_: &str| Err("stands alone".to_owned());
    let options = Options { net: net.map(str::to_owned), batch, ..Options::default() };
    let built = elaborate::elaborate(&mut sources, root, &mut read, &options);
    built.unwrap_or_else(|it| panic!("{it:#?}\n{text}")).graph
}

fn bytes(draft: &Draft, graph: &Graph, weights: &Weights) -> Vec<u8> {
    let mut bytes = Vec::new();
    draft.write(&|id| weights.tensor(graph, id), &mut bytes).expect("a vector grows");
    assert_eq!(bytes.len() as u64, draft.bytes(), "the size is known before");
    bytes
}

fn round_trip(graph: &Graph, weights: &Weights) -> Imported {
    let bytes = bytes(&Draft::of(graph), graph, weights);
    onnx::import(bytes, &graph.name, &onnx::Options::default())
        .unwrap_or_else(|it| panic!("{it}\n{graph}"))
}

/// A graph without layers that change nothing.
fn bare(graph: &Graph) -> Graph {
    let mut bare = None;
    passes::optimise(graph.clone(), &mut |pass, it| {
        if pass == "drop-identities" {
            bare = Some(it.clone());
        }
    });
    bare.expect("there is such a pass")
}

/// Operators, operands, parameters (those that layers share by number) and shapes of a graph without layers that change nothing, whatever its
/// layers are called; and inputs and results by name.
fn skeleton(graph: &Graph) -> String {
    let graph = bare(graph);
    let order = graph.order();
    let numbers: HashMap<NodeId, usize> = order.iter().copied().zip(0..).collect();
    let mut params = HashMap::new();
    let mut text = String::new();
    for &id in &order {
        let node = graph.node(id);
        let operands: Vec<usize> = node.operands().iter().map(|it| numbers[it]).collect();
        let _ = match node.layer() {
            None => write!(text, "{} = input {}", numbers[&id], node.path),
            Some(layer) => {
                let name = layer.op.entry().name;
                let number = |it: &ParamId| {
                    let next = params.len();
                    (*params.entry(*it).or_insert(next), graph.param(*it).shape.dims())
                };
                let params: Vec<_> = layer.params.iter().map(number).collect();
                write!(text, "{} = {name} {operands:?} {params:?}", numbers[&id])
            }
        };
        let _ = writeln!(text, " : {:?}", node.shape.dims());
    }
    for output in graph.outputs() {
        let _ = writeln!(text, "output {} = {}", output.name, numbers[&output.node]);
    }
    text
}

/// Panics unless the layers of two graphs of one skeleton do the same: their arguments are equal, or make the same nest.
fn assert_same_arguments(sent: &Graph, received: &Graph) {
    let (one, other) = (bare(sent), bare(received));
    for (a, b) in one.order().into_iter().zip(other.order()) {
        let (Some(sent_layer), Some(received_layer)) = (one.layer(a), other.layer(b)) else {
            continue;
        };
        let [written, back] = [sent_layer, received_layer].map(|it| {
            let mut written = it.op.written();
            // Filters are sent in the order in which they are used.
            written.retain(|it| it.0 != "flip");
            written
        });
        let [nest, nest_back] = [(&one, a), (&other, b)].map(|(graph, id)| {
            let (shapes, output) = (graph.operand_shapes(id), &graph.node(id).shape);
            let op = &graph.layer(id).expect("it is a layer").op;
            move || (op.lower(&shapes, output), op.suppress(&shapes))
        });
        let same = written == back || nest() == nest_back();
        assert!(same, "{written:?} became {back:?} in\n{sent}");
    }
}

fn inputs(graph: &Graph) -> Vec<Tensor> {
    let mut numbers = Numbers::new(3);
    // Logarithms, roots and powers of negative numbers are no numbers, which would hide what comes after them.
    let wants_positive = |op: &Op| matches!(op, Op::Log(_) | Op::Sqrt(_) | Op::Pow(_));
    let mut layers = graph.order().into_iter().filter_map(|it| graph.layer(it));
    let is_positive = layers.any(|it| wants_positive(&it.op));
    let tensor = |id: &NodeId| {
        let shape = graph.node(*id).shape.clone();
        let number = |it: f32| if is_positive { it.abs() + 0.1 } else { it };
        let data = (0..shape.elements()).map(|_| number(numbers.normal())).collect();
        Tensor::new(shape, data)
    };
    graph.inputs().iter().map(tensor).collect()
}

fn outputs(graph: &Graph, weights: &Weights) -> Vec<Tensor> {
    interpret::outputs(graph, &|id| weights.tensor(graph, id), &inputs(graph))
}

fn assert_same_bits(graph: &Graph, weights: &Weights, back: &Imported) {
    let (sent, received) = (outputs(graph, weights), outputs(&back.graph, &back.weights));
    for (sent, received) in sent.iter().zip(&received) {
        assert_eq!(sent.shape, received.shape, "{graph}");
        let bits = |it: &Tensor| it.data.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(sent), bits(received), "{graph}\nbecame\n{}", back.graph);
    }
}

/// Panics unless the numbers agree to a few units in the last place of the largest.
fn assert_close(graph: &Graph, weights: &Weights, back: &Imported) {
    for (sent, received) in outputs(graph, weights).iter().zip(&outputs(&back.graph, &back.weights))
    {
        assert_eq!(sent.shape, received.shape, "{graph}");
        let size = sent.data.iter().fold(0.0, |size: f32, it| size.max(it.abs()));
        for (a, b) in sent.data.iter().zip(&received.data) {
            assert!((a - b).abs() <= 2e-6 * size, "{a} {b} in\n{graph}\nbecame\n{}", back.graph);
        }
    }
}

#[test]
fn every_operator_comes_back() {
    let mut found = BTreeSet::new();
    for path in files("tests/corpus/ops") {
        let text = std::fs::read_to_string(&path).expect("a corpus file is readable");
        for net in names(&text) {
            let graph = graph(&text, Some(&net), 1);
            let weights = Weights::random(1);
            let back = round_trip(&graph, &weights);
            if skeleton(&graph) == skeleton(&back.graph) {
                assert_same_arguments(&graph, &back.graph);
                assert_same_bits(&graph, &weights, &back);
            } else {
                println!("{net} became\n{}", skeleton(&back.graph));
                assert_close(&graph, &weights, &back);
                found.insert(net);
            }
        }
    }
    let known: BTreeSet<String> = RESPELLED.iter().map(|it| it.0.to_owned()).collect();
    assert_eq!(found, known, "the nets that come back in other layers are listed");
}

#[test]
fn random_nets_come_back() {
    for seed in 0..300 {
        let text = random_net(seed);
        let graph = graph(&text, None, 1 + (seed % 3) as usize);
        let weights = Weights::random(seed);
        let back = round_trip(&graph, &weights);
        assert_eq!(skeleton(&graph), skeleton(&back.graph), "{text}");
        assert_same_arguments(&graph, &back.graph);
        assert_same_bits(&graph, &weights, &back);
    }
}

#[test]
fn models_come_back() {
    for path in files("models") {
        let text = std::fs::read_to_string(&path).expect("a model is readable");
        // Of several depths of one net the first stands for all.
        for net in names(&text).into_iter().take(2) {
            let graph = graph(&text, Some(&net), 1);
            let elements: usize = graph.params().iter().map(|it| it.shape.elements()).sum();
            if elements > PARAMS_MAX {
                continue;
            }
            if elements > 1_000_000 {
                let zeros = Weights::of(
                    graph
                        .params()
                        .iter()
                        .map(|it| (it.path.clone(), Tensor::filled(it.shape.clone(), 0.0))),
                );
                let back = round_trip(&graph, &zeros);
                assert_eq!(skeleton(&graph), skeleton(&back.graph), "{net}");
                assert_same_arguments(&graph, &back.graph);
                continue;
            }
            let weights = Weights::random(1);
            let back = round_trip(&graph, &weights);
            assert_eq!(skeleton(&graph), skeleton(&back.graph), "{net}");
            assert_same_arguments(&graph, &back.graph);
            assert_same_bits(&graph, &weights, &back);
        }
    }
}

#[test]
fn weights_keep_their_paths() {
    let text = "net A {\n  input x: f32[N, 3, 8, 8]\n  block1 = conv(4, 3) -> bn -> relu\n  gap -> fc(2)\n  output y\n}\n";
    let graph = graph(text, None, 1);
    let back = round_trip(&graph, &Weights::random(1));
    let paths = |it: &Graph| it.params().iter().map(|it| it.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&graph), paths(&back.graph));
}

/// Whether the batch of a net's only input is left open.
fn is_open(text: &str) -> bool {
    let draft = Draft::of(&graph(text, None, 1));
    draft.open(&Draft::of(&graph(text, None, 2))).is_open()
}

#[test]
fn the_batch_stays_open_where_nothing_depends_on_it() {
    let net = |input: &str, layers: &str| {
        format!("net A {{\n  input x: f32[{input}, 2, 4, 4]\n  {layers}\n  output y\n}}\n")
    };
    assert!(is_open(&net("N", "conv(3, 3) -> relu -> flatten -> fc(2)")));
    assert!(is_open(&net("N", "reshape([-1, 4]) -> permute([0, 2, 1])")));
    assert!(is_open(&net("N", "reduce(\"sum\", [0])")));
    assert!(!is_open(&net("2", "relu")), "the net says 2");
    assert!(!is_open(&net("N", "reshape([-1], batch=1)")), "all samples become one");
}
