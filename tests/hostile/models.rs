//! Models that ask for much with few bytes, or for what there is none of: each is refused, or imported without
//! making what it asks for.

use netc::onnx::proto::{
    Attribute, Dimension, Extent, Graph, Model, Node, OperatorSet, Tensor, TensorShape, TensorType,
    Type, ValueInfo, element,
};
use netc::onnx::{self, Imported, Options};
use prost::Message as _;

fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|&it| it.to_owned()).collect(),
        output: output.split(' ').map(str::to_owned).collect(),
        ..Node::default()
    }
}

fn with(mut node: Node, name: &str, change: impl FnOnce(&mut Attribute)) -> Node {
    let mut attribute = Attribute { name: name.to_owned(), ..Attribute::default() };
    change(&mut attribute);
    node.attribute.push(attribute);
    node
}

fn ints(node: Node, name: &str, list: &[i64]) -> Node {
    with(node, name, |it| it.ints = list.to_vec())
}

fn whole(name: &str, list: &[i64]) -> Tensor {
    let dims = vec![list.len() as i64];
    let name = name.to_owned();
    Tensor { name, dims, data_type: element::I64, int64_data: list.to_vec(), ..Tensor::default() }
}

fn real(name: &str, dims: &[i64], list: &[f32]) -> Tensor {
    let (name, dims) = (name.to_owned(), dims.to_vec());
    Tensor { name, dims, data_type: element::F32, float_data: list.to_vec(), ..Tensor::default() }
}

/// Imports nodes from `x` of these extents to `y`.
fn import(x: &[i64], nodes: Vec<Node>, constants: Vec<Tensor>) -> Result<Imported, String> {
    let dim = |&it: &i64| Dimension { value: Some(Extent::Size(it)) };
    let shape = Some(TensorShape { dim: x.iter().map(dim).collect() });
    let value = |name: &str, shape| ValueInfo {
        name: name.to_owned(),
        r#type: Some(Type { tensor_type: Some(TensorType { elem_type: element::F32, shape }) }),
    };
    let graph = Graph {
        node: nodes,
        initializer: constants,
        input: vec![value("x", shape)],
        output: vec![value("y", None)],
        ..Graph::default()
    };
    let sets = vec![OperatorSet { domain: String::new(), version: 18 }];
    let model = Model { ir_version: 8, opset_import: sets, graph: Some(graph), ..Model::default() };
    onnx::import(model.encode_to_vec(), "hostile", &Options::default()).map_err(|it| it.to_string())
}

#[track_caller]
fn refused(imported: Result<Imported, String>, why: &str) {
    let Err(fault) = imported else { panic!("this is refused") };
    assert!(fault.contains(why), "{fault}");
    assert!(fault.len() < 1000, "{} bytes of message", fault.len());
}

/// So many ones.
fn ones(shape: &'static str, output: &str) -> Node {
    with(node("ConstantOfShape", &[shape], output), "value", |it| {
        it.t = Some(real("", &[1], &[1.0]))
    })
}

#[test]
fn slices_list_no_positions_of_huge_axes() {
    let slice = |from, to, by| {
        let lists = [("from", from), ("to", to), ("axes", 1), ("by", by)];
        let lists = lists.map(|(name, it): (&str, i64)| whole(name, &[it])).to_vec();
        import(&[1, 1 << 30], vec![node("Slice", &["x", "from", "to", "axes", "by"], "y")], lists)
    };
    refused(slice(-1, i64::MIN, -1), "positions");
    let extent = |it: Result<Imported, String>| it.expect("it is imported").outputs[0].dims[1];
    assert_eq!(extent(slice(1, i64::MAX, 1)), (1 << 30) - 1);
    assert_eq!(extent(slice(3, i64::MAX, i64::MAX)), 1);
    assert_eq!(extent(slice(-1, i64::MIN, i64::MIN)), 1);
}

#[test]
fn slices_of_constants_run_both_ways() {
    let lists = [("from", 4), ("to", -6), ("axes", 0), ("by", -2)];
    let mut constants = lists.map(|(name, it)| whole(name, &[it])).to_vec();
    constants.push(real("c", &[5], &[0.0, 1.0, 2.0, 3.0, 4.0]));
    let slice = node("Slice", &["c", "from", "to", "axes", "by"], "s");
    let imported = import(&[1, 3], vec![slice, node("Add", &["x", "s"], "y")], constants);
    let imported = imported.expect("it is imported");
    let param = netc::weights::stored(&imported.graph).next().expect("a constant");
    assert_eq!(imported.weights.tensor(&imported.graph, param).data, [4.0, 2.0, 0.0]);
}

#[test]
fn constants_cost_what_the_file_can_pay() {
    let large = vec![whole("shape", &[1 << 15, 1 << 14])];
    refused(
        import(&[1, 1], vec![ones("shape", "a"), node("Add", &["x", "a"], "y")], large),
        "far too many",
    );
    // A number for each of many operands that are all the same.
    let wide = vec!["a"; 1 << 16];
    let join = with(node("Concat", &wide, "b"), "axis", |it| it.i = 0);
    let shape = vec![whole("shape", &[1 << 13])];
    let nodes = vec![ones("shape", "a"), join, node("Add", &["x", "b"], "y")];
    refused(import(&[1, 1], nodes, shape), "far more");
    // One weight, read by every node.
    let mut nodes = vec![ones("shape", "w")];
    for at in 0..100 {
        let from = if at == 0 { "x".to_owned() } else { format!("v{at}") };
        let to = if at == 99 { "y".to_owned() } else { format!("v{}", at + 1) };
        nodes.push(node("MatMul", &[&from, "w"], &to));
    }
    refused(import(&[1, 2048], nodes, vec![whole("shape", &[1 << 11, 1 << 11])]), "far more");
    refused(import(&[1, 1 << 30], vec![node("Dropout", &["x"], "d y")], Vec::new()), "far more");
}

#[test]
fn costly_layers_of_constants_are_left_to_the_net() {
    let pool = ints(node("MaxPool", &["a"], "p"), "kernel_shape", &[1000, 1000]);
    let nodes = vec![ones("shape", "a"), pool, node("Add", &["x", "p"], "y")];
    let imported = import(&[1, 1, 1, 1], nodes, vec![whole("shape", &[1, 1, 2000, 2000])]);
    assert!(imported.expect("it is imported").graph.order().len() > 3);
}

#[test]
fn what_has_no_elements_is_refused_or_passed_over() {
    let none = || real("none", &[1, 0, 4, 4], &[]);
    let scales = real("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let nodes = vec![node("Resize", &["none", "", "scales"], "r"), node("Add", &["x", "r"], "y")];
    assert!(import(&[1, 1, 8, 8], nodes, vec![none(), scales]).is_err());
    for operator in ["Conv", "ConvTranspose"] {
        let weight = real("w", &[1, 1, 0, 3], &[]);
        let nodes = vec![node(operator, &["x", "w"], "y")];
        refused(import(&[1, 1, 8, 8], nodes, vec![weight]), "without elements");
    }
}

/// Where an extent is 0, products and loops over the others must stay small all the same.
#[test]
fn extents_beside_one_of_0_are_bounded() {
    let concat = |name: &str| {
        let join = with(node("Concat", &[name, name, name], "c"), "axis", |it| it.i = 0);
        vec![join, node("Add", &["x", "c"], "y")]
    };
    for dims in [vec![i64::MAX, 0], vec![0, 1 << 40, 1 << 40]] {
        let none = real("none", &dims, &[]);
        refused(import(&[1, 1], concat("none"), vec![none]), "impossible extents");
    }
    let reshape = with(node("Reshape", &["none", "shape"], "r"), "allowzero", |it| it.i = 1);
    let nodes = [vec![reshape], concat("r")].concat();
    let constants = vec![real("none", &[0], &[]), whole("shape", &[0, 1 << 40, 1 << 40])];
    refused(import(&[1, 1], nodes, constants), "has not as many elements");
    let lines = real("none", &[1 << 28, 3, 0], &[]);
    let constants = vec![lines, whole("at", &[0; 1 << 16])];
    let gather = with(node("Gather", &["none", "at"], "g"), "axis", |it| it.i = 1);
    let nodes = vec![gather, node("Add", &["x", "g"], "y")];
    assert!(import(&[1, 1], nodes, constants).is_err());
}

#[test]
fn quantised_numbers_end_with_their_type() {
    let zero = Tensor {
        name: "z".to_owned(),
        dims: vec![1],
        data_type: element::U8,
        int32_data: vec![255],
        ..Tensor::default()
    };
    let constants = vec![
        real("huge", &[2], &[1e30, -1e30]),
        real("s", &[1], &[1e-9]),
        zero,
        real("one", &[1], &[1.0]),
    ];
    let nodes = vec![
        node("QuantizeLinear", &["huge", "s", "z"], "q"),
        node("DequantizeLinear", &["q", "one", "z"], "d"),
        node("Add", &["x", "d"], "y"),
    ];
    let imported = import(&[1, 2], nodes, constants).expect("it is imported");
    let param = netc::weights::stored(&imported.graph).next().expect("a constant");
    assert_eq!(imported.weights.tensor(&imported.graph, param).data, [0.0, -255.0]);
}

#[test]
fn numbers_of_parts_axes_and_slopes_are_held_against_the_node() {
    let split = with(node("Split", &["x"], "y"), "num_outputs", |it| it.i = 1 << 40);
    refused(import(&[1, 8], vec![split], Vec::new()), "num_outputs");
    let axes: Vec<i64> = vec![1; 100_000];
    let nodes = vec![node("Reshape", &["x", "shape"], "y")];
    refused(import(&[1, 1], nodes, vec![whole("shape", &axes)]), "axes");
    let slope = real("slope", &[], &[0.5]);
    import(&[], vec![node("PRelu", &["x", "slope"], "y")], vec![slope])
        .expect("scalars have slopes");
}

#[test]
fn many_nodes_of_one_name_are_named_in_time() {
    let mut nodes = Vec::new();
    for at in 0..50_000 {
        let from = if at == 0 { "x".to_owned() } else { format!("v{at}") };
        let to = if at == 49_999 { "y".to_owned() } else { format!("v{}", at + 1) };
        nodes.push(Node { name: "again".to_owned(), ..node("Relu", &[&from], &to) });
    }
    let imported = import(&[1, 1], nodes, Vec::new()).expect("it is imported");
    assert_eq!(imported.graph.order().len(), 50_001);
}

#[test]
fn a_matrix_has_two_axes() {
    let turned = with(node("Gemm", &["x", "line"], "y"), "transB", |it| it.i = 1);
    let line = node("ReduceMax", &["x"], "line");
    let line = with(ints(line, "axes", &[0]), "keepdims", |it| it.i = 0);
    refused(import(&[2, 3], vec![line, turned], Vec::new()), "has not 2 axes");
}

/// Helpers of operators are as large as what they make, or larger.
#[test]
fn a_bias_is_not_stretched_to_a_matrix_without_elements() {
    let constants = vec![real("w", &[1 << 31, 0], &[]), real("b", &[1], &[1.0])];
    let gemm = with(node("Gemm", &["x", "w", "b"], "y"), "transB", |it| it.i = 1);
    refused(import(&[1, 3], vec![gemm], constants), "without elements");
}

#[test]
fn what_is_made_of_large_constants_is_bounded() {
    // 2^27 elements: 512 MB, and as whole numbers twice that.
    let huge = || whole("huge", &[1 << 14, 1 << 13]);
    let whole_ones =
        with(node("ConstantOfShape", &["huge"], "a"), "value", |it| it.t = Some(whole("", &[1])));
    let negative = node("Neg", &["a"], "b");
    let cast = with(node("Cast", &["b"], "y"), "to", |it| it.i = 1);
    refused(import(&[1], vec![whole_ones, negative, cast], vec![huge()]), "far too many elements");
    // Three operands and a result of 2^26.
    let lines = [node("Where", &["yes", "down", "across"], "y")];
    let constants = vec![
        whole("side", &[1 << 13, 1]),
        whole("other", &[1, 1 << 13]),
        Tensor { dims: vec![1, 1], ..whole("yes", &[1]) },
    ];
    let nodes = [vec![ones("side", "down"), ones("other", "across")], lines.to_vec()].concat();
    refused(import(&[1], nodes, constants), "far more elements");
    // What would be evaluated in f64 stays a layer.
    let nodes = vec![ones("many", "a"), node("Exp", &["a"], "y")];
    let made = import(&[1], nodes, vec![whole("many", &[1 << 12, 1 << 12])]).expect("a net");
    let layers = made.graph.order().into_iter().filter_map(|it| made.graph.layer(it));
    assert!(layers.map(|it| it.op.entry().name).any(|it| it == "exp"), "{}", made.graph);
}
