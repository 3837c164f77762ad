//! ONNX models through compiled code: what operators mean, constants and shape arithmetic, and what is refused.
//!
//! `tests/onnx_backend.sh` runs the cases of ONNX itself. What is expected here follows from the operators'
//! definitions; the values are small enough to see it.

#[path = "onnx/stored.rs"]
mod stored;
#[path = "support/onnx.rs"]
mod support;

use netc::model::Model;
use netc::onnx::proto::{self, element};
use netc::onnx::{self, Constant, Error, File, Options};
use prost::Message;
use support::{float, floats, input, int, ints, list, model, node, text};

/// The only output of a model of one input of f32, and its extents.
#[track_caller]
fn run(model: &proto::Model, x: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let file = File::read(model.encode_to_vec()).expect("it is a model");
    let imported = file.import("Net", &Options::default()).unwrap_or_else(|it| panic!("{it}"));
    imported.graph.verify();
    let outputs = Model::compile(&imported.graph, &imported.weights).run(&[x]).expect("an input");
    (imported.outputs[0].dims.clone(), outputs[0].data.clone())
}

fn fault(model: &proto::Model) -> Error {
    onnx::import(model.encode_to_vec(), "Net", &Options::default()).expect_err("it is refused")
}

fn x(dims: &[i64]) -> proto::ValueInfo {
    input("x", element::F32, dims)
}

#[test]
fn convolutions_take_their_weights_from_constants() {
    let nodes = [
        node("Conv", "x w b", "c", &[ints("kernel_shape", &[1, 2]), ints("pads", &[0, 1, 0, 0])]),
        node("Relu", "c", "y", &[]),
    ];
    let weights =
        [floats("w", &[2, 1, 1, 2], &[1.0, 2.0, 0.0, -1.0]), floats("b", &[2], &[0.5, 1.0])];
    let model = model(13, &[x(&[1, 1, 1, 3])], &nodes, &weights, &["y"]);
    let expected = vec![2.5, 5.5, 8.5, 0.0, 0.0, 0.0];
    assert_eq!(run(&model, &[1.0, 2.0, 3.0]), (vec![1, 2, 1, 3], expected));
}

#[test]
fn shape_arithmetic_of_exporters_disappears() {
    // x.view(x.size(0), -1), and x.expand(..) as PyTorch writes it, with Where and Equal.
    let nodes = [
        node("Shape", "x", "s", &[]),
        node("Gather", "s zero", "n", &[int("axis", 0)]),
        node("Unsqueeze", "n first", "n1", &[]),
        node("Concat", "n1 rest", "to", &[int("axis", 0)]),
        node("Reshape", "x to", "flat", &[]),
        node("Unsqueeze", "flat first", "row", &[]),
        node("ConstantOfShape", "three", "ones", &[]),
        node("Mul", "ones minus", "negative", &[]),
        node("Equal", "asked negative", "same", &[]),
        node("Where", "same ones asked", "wanted", &[]),
        node("Expand", "row wanted", "y", &[]),
    ];
    let mut one = list("", &[1]);
    one.dims = vec![1];
    let mut nodes = nodes.to_vec();
    nodes[6].attribute = vec![proto::Attribute {
        name: "value".to_owned(),
        r#type: 4,
        t: Some(one),
        ..proto::Attribute::default()
    }];
    let mut zero = list("zero", &[0]);
    zero.dims = Vec::new();
    let constants = [
        zero,
        list("first", &[0]),
        list("rest", &[-1]),
        list("three", &[3]),
        list("minus", &[-1]),
        list("asked", &[2, -1, -1]),
    ];
    let model = model(13, &[x(&[1, 2, 2])], &nodes, &constants, &["y"]);
    let (dims, data) = run(&model, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((dims, data), (vec![2, 1, 4], [1.0, 2.0, 3.0, 4.0].repeat(2)));
    let file = File::read(model.encode_to_vec()).expect("it is a model");
    let graph = file.import("Net", &Options::default()).expect("a net").graph;
    assert!(graph.len() <= 4, "an input, two reshapes at most and an expansion:\n{graph}");
}

#[test]
fn old_versions_say_where_an_operand_stretches() {
    let attributes = [int("broadcast", 1), int("axis", 1)];
    let nodes = [node("Add", "x b", "y", &attributes)];
    let model = model(6, &[x(&[1, 2, 2])], &nodes, &[floats("b", &[2], &[10.0, 20.0])], &["y"]);
    assert_eq!(run(&model, &[1.0, 2.0, 3.0, 4.0]).1, [11.0, 12.0, 23.0, 24.0]);
}

#[test]
fn slices_end_where_the_axis_does() {
    let nodes = [node("Slice", "x from to axes steps", "y", &[])];
    let constants = [
        list("from", &[-1, 1]),
        list("to", &[i64::MIN, i64::MAX]),
        list("axes", &[1, 2]),
        list("steps", &[-1, 1]),
    ];
    let model = model(13, &[x(&[1, 2, 3])], &nodes, &constants, &["y"]);
    let (dims, data) = run(&model, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!((dims, data), (vec![1, 2, 2], vec![5.0, 6.0, 2.0, 3.0]));
}

#[test]
fn a_batch_in_training_is_normalised_by_itself() {
    let nodes = [node(
        "BatchNormalization",
        "x s b m v",
        "y mean var",
        &[int("training_mode", 1), float("momentum", 0.75), float("epsilon", 0.0)],
    )];
    let one = |name: &str, it: f32| floats(name, &[1], &[it]);
    let constants = [one("s", 3.0), one("b", 1.0), one("m", 8.0), one("v", 8.0)];
    let of = |output: &str| model(15, &[x(&[2, 1, 2])], &nodes, &constants, &[output]);
    // Mean 2, variance 4.
    let batch = [0.0, 4.0, 0.0, 4.0];
    assert_eq!(run(&of("y"), &batch).1, [-2.0, 4.0, -2.0, 4.0]);
    assert_eq!(run(&of("mean"), &batch), (vec![1], vec![6.5]));
    assert_eq!(run(&of("var"), &batch), (vec![1], vec![7.0]));
}

/// What each exporter spells out in its own way, and what it becomes.
fn layers(model: &proto::Model) -> Vec<String> {
    let imported = onnx::import(model.encode_to_vec(), "Net", &Options::default());
    let graph = imported.expect("it is imported").graph;
    let layers = graph.order().into_iter().filter_map(|it| graph.layer(it));
    layers.map(|it| it.op.entry().name.to_owned()).collect()
}

#[test]
fn products_have_a_bias_and_activations_a_name() {
    let erf = |half: [&str; 2], gate: [&str; 2]| {
        vec![
            node("MatMul", "x w", "m", &[]),
            node("Add", "row m", "b", &[]),
            node("Div", "b root", "scaled", &[]),
            node("Erf", "scaled", "erf", &[]),
            node("Add", "erf one", "more", &[]),
            node("Mul", half[0], half[1], &[]),
            node("Mul", gate[0], gate[1], &[]),
        ]
    };
    let constants = [
        floats("w", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
        floats("row", &[2], &[0.0, 1.0]),
        floats("root", &[], &[std::f32::consts::SQRT_2]),
        floats("one", &[1], &[1.0]),
        floats("half", &[], &[0.5]),
    ];
    for order in [erf(["b more", "p"], ["p half", "y"]), erf(["b half", "p"], ["p more", "y"])] {
        let model = model(13, &[x(&[1, 2, 2])], &order, &constants, &["y"]);
        assert_eq!(layers(&model), ["reshape", "fc", "reshape", "gelu"]);
        let (dims, y) = run(&model, &[0.0, 0.0, 1.0, -1.0]);
        assert_eq!(dims, [1, 2, 2]);
        let expected = [0.0, 0.841_344_8, 0.841_344_8, 0.0];
        assert!(y.iter().zip(expected).all(|(y, it)| (y - it).abs() < 1e-6), "{y:?}");
    }
}

#[test]
fn layers_and_groups_are_normalised_by_themselves() {
    let layer =
        [node("LayerNormalization", "x s b", "y", &[int("axis", 2), float("epsilon", 0.0)])];
    let row = [floats("s", &[2], &[1.0, 2.0]), floats("b", &[2], &[0.0, 10.0])];
    let layer = model(17, &[x(&[1, 2, 2])], &layer, &row, &["y"]);
    assert_eq!(run(&layer, &[1.0, 3.0, 6.0, 2.0]).1, [-1.0, 12.0, 1.0, 8.0]);
    let args = [int("num_groups", 2), float("epsilon", 0.0)];
    let group = [node("GroupNormalization", "x s b", "y", &args)];
    for (version, scale, expected) in [
        (18, floats("s", &[2], &[1.0, 2.0]), [-1.0, 1.0, 2.0, -2.0]),
        (21, floats("s", &[4], &[1.0, 2.0, 3.0, 4.0]), [-1.0, 2.0, 3.0, -4.0]),
    ] {
        let zeros = floats("b", &[scale.dims[0]], &vec![0.0; scale.dims[0] as usize]);
        let model = model(version, &[x(&[1, 4, 1])], &group, &[scale, zeros], &["y"]);
        assert_eq!(run(&model, &[1.0, 3.0, 6.0, 2.0]).1, expected);
    }
}

#[test]
fn space_goes_into_channels_in_both_orders() {
    let of = |mode: &str| {
        let args = [int("blocksize", 2), text("mode", mode)];
        let nodes = [node("SpaceToDepth", "x", "y", &args)];
        run(&model(26, &[x(&[1, 2, 2, 2])], &nodes, &[], &["y"]), &[0., 1., 2., 3., 4., 5., 6., 7.])
            .1
    };
    assert_eq!(of("DCR"), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
    assert_eq!(of("CRD"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn remainders_have_the_sign_that_is_asked_for() {
    let of = |fmod: i64| {
        let nodes = [
            node("Mod", "a b", "m", &[int("fmod", fmod)]),
            node("Cast", "m", "f", &[int("to", 1)]),
            node("Add", "x f", "y", &[]),
        ];
        let constants = [list("a", &[-4, 7, 5]), list("b", &[3, -3, 8])];
        run(&model(13, &[x(&[3])], &nodes, &constants, &["y"]), &[0.0; 3]).1
    };
    assert_eq!(of(0), [2.0, -2.0, 5.0]);
    assert_eq!(of(1), [-1.0, 1.0, 5.0]);
}

#[test]
fn maxima_have_places() {
    let nodes =
        [node("MaxPool", "x", "y at", &[ints("kernel_shape", &[2]), ints("strides", &[2])])];
    let model = model(12, &[x(&[1, 2, 4])], &nodes, &[], &["at"]);
    let (dims, data) = run(&model, &[1.0, 3.0, 5.0, 5.0, -1.0, -2.0, -4.0, -3.0]);
    assert_eq!((dims, data), (vec![1, 2, 2], vec![1.0, 2.0, 4.0, 7.0]));
}

#[test]
fn windows_have_norms() {
    let of = |p: i64| {
        let attributes = [ints("kernel_shape", &[2]), ints("pads", &[1, 0]), int("p", p)];
        model(18, &[x(&[1, 1, 3])], &[node("LpPool", "x", "y", &attributes)], &[], &["y"])
    };
    assert_eq!(run(&of(2), &[3.0, -4.0, 0.0]), (vec![1, 1, 3], vec![3.0, 5.0, 4.0]));
    assert_eq!(run(&of(1), &[3.0, -4.0, 0.0]).1, [3.0, 7.0, 4.0]);
    assert!(fault(&of(3)).to_string().contains("p = 3 is not supported"));
}

#[test]
fn suppression_has_a_row_for_each_possible_pick() {
    // The second box is within the first; the third is alone.
    let boxes = floats("boxes", &[1, 3, 4], &[0., 0., 4., 4., 0., 0., 4., 3., 5., 5., 6., 6.]);
    let scalar = |name: &str, it: f32| floats(name, &[], &[it]);
    let constants = [boxes, list("most", &[2]), scalar("iou", 0.5), scalar("score", 0.25)];
    let nodes = [node("NonMaxSuppression", "boxes x most iou score", "y", &[])];
    let model = model(11, &[x(&[1, 2, 3])], &nodes, &constants, &["y"]);
    let (dims, data) = run(&model, &[0.5, 0.75, 0.25, 0.0, 0.5, 1.0]);
    let picks = [0., 0., 1., 0., 1., 2., 0., 1., 1., -1., -1., -1.];
    assert_eq!((dims, data), (vec![4, 3], picks.to_vec()));
}

#[test]
fn rows_that_only_a_run_counts_are_refused() {
    let constants = [list("most", &[2]), list("places", &[2]), list("ends", &[0, 2])];
    let suppress = node("NonMaxSuppression", "boxes x most", "picks", &[]);
    let columns =
        |which: &str, to: &str| node("Gather", &format!("picks {which}"), to, &[int("axis", 1)]);
    let inputs = [input("boxes", element::F32, &[1, 3, 4]), x(&[1, 2, 3])];
    for (nodes, why) in [
        // The places alone, boxes by places, and scores by sample and place.
        (vec![columns("places", "y")], "known only when the net runs"),
        (vec![columns("places", "at"), node("GatherND", "boxes at", "y", &[])], "known only"),
        (vec![columns("ends", "at"), node("GatherND", "x at", "y", &[])], "known only"),
        (vec![node("Gather", "picks picks", "y", &[int("axis", 1)])], "known only"),
        (vec![node("GatherND", "boxes ends", "y", &[])], "only to gather what a suppression picks"),
    ] {
        let nodes = [vec![suppress.clone()], nodes].concat();
        let fault = fault(&model(13, &inputs, &nodes, &constants, &["y"])).to_string();
        assert!(fault.contains(why), "{fault}");
    }
}

#[test]
fn layout_transposes_disappear() {
    let nodes = [
        node("Transpose", "x", "a", &[ints("perm", &[0, 3, 1, 2])]),
        node("Relu", "a", "b", &[]),
        node("Transpose", "b", "c", &[ints("perm", &[0, 2, 3, 1])]),
        node("Transpose", "c", "d", &[ints("perm", &[0, 3, 1, 2])]),
        node("Sigmoid", "d", "y", &[]),
    ];
    let model = model(13, &[x(&[1, 2, 2, 3])], &nodes, &[], &["y"]);
    let file = File::read(model.encode_to_vec()).expect("it is a model");
    let graph = file.import("Net", &Options::default()).expect("a net").graph;
    let graph = netc::passes::optimise(graph, &mut |_, _| {});
    let moves = graph.order().into_iter().filter_map(|it| graph.layer(it));
    let moves = moves.filter(|it| it.op.entry().name == "permute").count();
    assert_eq!(moves, 1, "only the input is turned:\n{graph}");
}

#[test]
fn what_is_missing_is_said_at_once() {
    let nodes = [
        node("LSTM", "x", "a", &[]),
        node("Relu", "a", "b", &[]),
        node("Einsum", "b", "c", &[]),
        node("LSTM", "c", "y", &[]),
    ];
    let Error::Missing(missing) = fault(&model(13, &[x(&[1, 2])], &nodes, &[], &["y"])) else {
        panic!("operators are missing")
    };
    let names: Vec<(&str, usize)> = missing.iter().map(|it| (it.0.as_str(), it.1.len())).collect();
    assert_eq!(names, [("LSTM", 2), ("Einsum", 1)]);
}

#[test]
fn values_that_decide_shapes_are_asked_for() {
    let nodes = [node("Reshape", "x to", "y", &[])];
    let inputs = [x(&[2, 3]), input("to", element::I64, &[2])];
    let model = model(13, &inputs, &nodes, &[], &["y"]);
    let Error::NeedsValues(names) = fault(&model) else { panic!("a value is needed") };
    assert_eq!(names, ["to"]);
    let values = [("to".to_owned(), Constant::list(vec![3, 2]))];
    let options = Options { values: &values, ..Options::default() };
    let imported = onnx::import(model.encode_to_vec(), "Net", &options).expect("a net");
    assert_eq!(imported.outputs[0].dims, [3, 2]);
}

#[test]
fn open_extents_are_given_or_asked_for() {
    let nodes = [node("Relu", "x", "y", &[])];
    let model = model(13, &[x(&[-1, 3, -1])], &nodes, &[], &["y"]);
    assert!(matches!(fault(&model), Error::NeedsExtents(names) if names == ["x"]));
    let inputs = [("x".to_owned(), vec![2, 3, 4])];
    let options = Options { inputs: &inputs, ..Options::default() };
    let imported = onnx::import(model.encode_to_vec(), "Net", &options).expect("a net");
    assert_eq!(imported.outputs[0].dims, [2, 3, 4]);
    let inputs = [("x".to_owned(), vec![2, 4, 4])];
    let options = Options { inputs: &inputs, ..Options::default() };
    assert!(onnx::import(model.encode_to_vec(), "Net", &options).is_err());
}

#[test]
fn cut_off_models_are_errors() {
    let nodes = [
        node("Conv", "x w", "c", &[ints("kernel_shape", &[1, 1]), text("auto_pad", "NOTSET")]),
        node("Relu", "c", "y", &[]),
    ];
    let weights = [floats("w", &[1, 1, 1, 1], &[2.0])];
    let whole = model(13, &[x(&[1, 1, 2, 2])], &nodes, &weights, &["y"]).encode_to_vec();
    let import = |bytes: &[u8]| onnx::import(bytes.to_vec(), "Net", &Options::default());
    import(&whole).expect("the whole is a model");
    let at_the_end = (0..whole.len()).filter(|&it| import(&whole[..it]).is_ok()).count();
    assert_eq!(at_the_end, 0, "what is cut off is no model");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            // An error or a net; no panic, and no time or memory to speak of.
            let _ = import(&changed);
        }
    }
}

#[test]
fn data_lies_inside_the_models_folder() {
    let nodes = [node("Add", "x w", "y", &[])];
    let entry =
        |key: &str, value: &str| proto::Entry { key: key.to_owned(), value: value.to_owned() };
    for place in ["../w.bin", "/etc/passwd", "a/../../w.bin", "C:\\w.bin", ""] {
        let mut weight = floats("w", &[1], &[]);
        weight.data_location = 1;
        weight.external_data = vec![entry("location", place)];
        let model = model(13, &[x(&[1, 1])], &nodes, &[weight], &["y"]);
        let read = |_: &str| panic!("nobody reads {place}");
        let options = Options { external: Some(&read), ..Options::default() };
        let error = onnx::import(model.encode_to_vec(), "Net", &options).expect_err("outside");
        assert!(error.to_string().contains("not inside"), "{error}");
    }
}

#[test]
fn values_are_quantised_and_back() {
    let mut zero = list("zero", &[]);
    (zero.dims, zero.data_type, zero.int32_data) = (Vec::new(), element::U8, vec![10]);
    let constants = [floats("scale", &[], &[0.5]), zero];
    let nodes = [
        node("QuantizeLinear", "x scale zero", "q", &[]),
        node("DequantizeLinear", "q scale zero", "y", &[]),
    ];
    let of = |output: &str| model(13, &[x(&[1, 4])], &nodes, &constants, &[output]);
    // 0.75 / 0.5 lies between two whole numbers and goes to the even one.
    let values = [0.26, -1.0, 300.0, 0.75];
    assert_eq!(run(&of("q"), &values).1, [11.0, 8.0, 255.0, 12.0]);
    assert_eq!(run(&of("y"), &values).1, [0.5, -1.0, 122.5, 1.0]);
}

#[test]
fn casts_to_whole_numbers_cut_off() {
    for (to, expected) in [(element::I64, [1.0, -1.0, 0.0]), (element::BOOL, [1.0, 1.0, 1.0])] {
        let nodes = [node("Cast", "x", "y", &[int("to", i64::from(to))])];
        let model = model(13, &[x(&[1, 3])], &nodes, &[], &["y"]);
        assert_eq!(run(&model, &[1.75, -1.75, 0.5]).1, expected);
    }
}

#[test]
fn an_input_behind_arithmetic_is_asked_for() {
    let nodes = [node("Add", "n one", "to", &[]), node("Reshape", "x to", "y", &[])];
    let inputs = [x(&[2, 3]), input("n", element::I64, &[2])];
    let model = model(13, &inputs, &nodes, &[list("one", &[1, 1])], &["y"]);
    assert!(matches!(fault(&model), Error::NeedsValues(names) if names == ["n"]));
}
