//! What a `.net` file means, form by form: the paths of its layers, their shapes, its weights.

use std::path::Path;

use netc::diag::{Source, Sources, render};
use netc::elaborate::{self, Elaborated, Options};
use netc::syntax;

fn try_elaborate(options: &Options, text: &str) -> Result<Elaborated, String> {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "a.net".into(), text: text.to_owned() });
    let mut read = |name: &str| match name {
        "blocks.net" => Ok(Source {
            name: name.to_owned(),
            text: "defaults { conv(bias=false) }\nblock stem(c) { conv(c, 1) }\n".to_owned(),
        }),
        _ => Err("not found".to_owned()),
    };
    elaborate::elaborate(&mut sources, root, &mut read, options)
        .map_err(|found| render::all(&sources, &found, render::Format::Human { color: false }, 20))
}

fn build(text: &str) -> Elaborated {
    try_elaborate(&Options::default(), text).unwrap_or_else(|it| panic!("{it}"))
}

/// `path shape` of every layer, in order.
fn layers(elaborated: &Elaborated) -> Vec<String> {
    let graph = &elaborated.graph;
    let order = graph.order();
    let layers = order.iter().filter(|it| graph.layer(**it).is_some());
    layers.map(|&it| format!("{} {}", graph.node(it).path, graph.node(it).shape)).collect()
}

fn paths(body: &str) -> Vec<String> {
    let text = format!("net A {{\n  input x: f32[N, 4, 8, 8]\n  {body}\n  output y\n}}\n");
    let paths = layers(&build(&text)).into_iter();
    paths.map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn params(elaborated: &Elaborated) -> Vec<&str> {
    elaborated.graph.params().iter().map(|it| it.path.as_str()).collect()
}

#[test]
fn unlabelled_layers_are_called_by_kind_and_count() {
    assert_eq!(paths("conv(4, 1) -> relu -> conv(4, 1)"), ["conv1", "relu1", "conv2"]);
    assert_eq!(paths("stem: conv(4, 1) -> conv(4, 1)"), ["stem", "conv2"]);
}

#[test]
fn repetition_counts_from_zero_under_its_label() {
    assert_eq!(paths("layer: 2 * conv(4, 1)"), ["layer.0", "layer.1"]);
    assert_eq!(paths("2 * conv(4, 1)"), ["conv1.0", "conv1.1"]);
    let want = ["r.0.conv1", "r.0.relu1", "r.1.conv1", "r.1.relu1"];
    assert_eq!(paths("r: 2 * (conv(4, 1) -> relu)"), want);
}

#[test]
fn in_seq_every_child_takes_a_position() {
    let want = ["s.0", "s.1", "s.act", "s.3.conv1", "s.3", "s.4", "s.5"];
    let body = "s: seq { conv(4, 1) -> relu -> act: relu\n add { conv(4, 1) | }\n 2 * relu }";
    assert_eq!(paths(body), want);
}

#[test]
fn branches_loops_and_conditions_are_transparent() {
    let body = "for c in [4, 8] { if c > 4 { conv(c, 1) } else { relu } }\n  add { conv(8, 1) | }";
    assert_eq!(paths(body), ["relu1", "conv1", "conv2", "add1"]);
}

#[test]
fn first_follows_the_innermost_repetition() {
    let body = "2 * conv(4, 3, first(2, 1), pad=1)";
    let text = format!("net A {{\n  input x: f32[N, 4, 8, 8]\n  {body}\n  output y\n}}\n");
    assert_eq!(layers(&build(&text)), ["conv1.0 [4, 4, 4]", "conv1.1 [4, 4, 4]"]);
}

#[test]
fn values_are_named_and_joined() {
    let body = "a = conv(4, 1)\n  b = x -> conv(4, 1)\n  2 * (a - b) + 1 -> concat(x)";
    assert_eq!(paths(body), ["conv1", "conv2", "sub1", "affine1", "affine2", "concat1"]);
    assert_eq!(paths("-x * it"), ["affine1", "mul1"]);
    assert_eq!(paths("x * (gap(keep=true) -> conv(4, 1) -> sigmoid)").len(), 4);
}

#[test]
fn shared_weights_are_one_set() {
    let elaborated = build(
        "block encoder(d) { conv(d, 1) -> gap }
         net A { input a, b: f32[N, 4, 8, 8]
           shared f: encoder(8)
           p = a -> f
           q = f(b)
           output d = abs(p - q) }",
    );
    assert_eq!(params(&elaborated), ["f.conv1.weight", "f.conv1.bias"]);
    let applied = layers(&elaborated).iter().filter(|it| it.starts_with("f.conv1 ")).count();
    assert_eq!(applied, 2);
}

#[test]
fn fields_of_an_application_are_taps() {
    let elaborated = build(
        "block trunk { low: conv(4, 1) -> relu -> high: conv(8, 1) -> relu }
         net A { input x: f32[N, 4, 8, 8]
           g = t: trunk
           output low = g.low
           output y = g -> gap }",
    );
    let names: Vec<_> = elaborated.graph.outputs().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["low", "y"]);
    assert_eq!(elaborated.graph.node(elaborated.graph.outputs()[0].node).path, "t.low");
    assert!(elaborated.warnings.is_empty());
}

#[test]
fn a_net_is_applied_like_a_block() {
    let text = "net B(c = 4) { input x: f32[N, 4, 8, 8]
           low: conv(c, 1)
           output tap = it -> relu
           output y = it -> gap }
         net A { input x: f32[N, 4, 8, 8]
           g = b: B(c=6)
           output y = g.y -> fc(2) }";
    let options = Options { net: Some("A".into()), ..Options::default() };
    let elaborated = try_elaborate(&options, text).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(layers(&elaborated), ["b.low [6, 8, 8]", "b.gap1 [6]", "fc1 [2]"]);
}

#[test]
fn train_outputs_vanish_with_their_layers() {
    let text = "net A { input x: f32[N, 4, 8, 8]
           conv(4, 1)
           output aux @train = gap -> fc(2)
           output y }";
    assert_eq!(layers(&build(text)), ["conv1 [4, 8, 8]"]);
    let train = Options { train: true, ..Options::default() };
    let elaborated = try_elaborate(&train, text).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(elaborated.graph.outputs().len(), 2);
    assert_eq!(params(&elaborated).len(), 4);
}

#[test]
fn defaults_hold_for_their_own_file() {
    let elaborated = build(
        "use \"blocks.net\"
         net A { input x: f32[N, 4, 8, 8]
           stem(8) -> conv(8, 1)
           output y }",
    );
    assert_eq!(params(&elaborated), ["stem1.conv1.weight", "conv1.weight", "conv1.bias"]);
}

#[test]
fn inputs_take_sizes_from_outside() {
    let text = "net A { input x: f32[N, 3, H, W]
           conv(4, 3, pad=same)  => [4, H, W]
           output y }";
    let inputs = vec![("x".to_owned(), vec![2, 3, 10, 12])];
    let options = Options { inputs, ..Options::default() };
    let elaborated = try_elaborate(&options, text).unwrap_or_else(|it| panic!("{it}"));
    let graph = &elaborated.graph;
    assert_eq!(graph.node(graph.outputs()[0].node).shape.dims(), [2, 4, 10, 12]);
}

#[test]
fn parameters_take_values_from_outside() {
    let text = "const half_width = 8
         net A(width = 4, mode = \"nearest\") { input x: f32[N, 3, 8, 8]
           conv(width, 1) -> upsample(2, mode=mode)
           output y }";
    let set = |value: &str| Options {
        set: vec![("width".into(), value.into()), ("mode".into(), "bilinear".into())],
        ..Options::default()
    };
    let shape = |value: &str| {
        let elaborated = try_elaborate(&set(value), text).unwrap_or_else(|it| panic!("{it}"));
        elaborated.graph.node(elaborated.graph.outputs()[0].node).shape.dims().to_vec()
    };
    assert_eq!(shape("2 * half_width"), [1, 16, 16, 16]);
    assert!(try_elaborate(&set("\"a\""), text).is_err());
    assert!(try_elaborate(&set("3 }"), text).is_err());
}

#[test]
fn weights_written_in_the_file_are_not_learned() {
    let elaborated = build(
        "net A { input x: f32[N, 1, 6, 6]
           conv(1, 3, weight=[[1, 0, -1], [1, 0, -1], [1, 0, -1]])
           output y }",
    );
    assert_eq!(params(&elaborated), ["conv1.weight"]);
    let fixed = matches!(elaborated.graph.params()[0].source, netc::graph::Source::Fixed(_));
    assert!(fixed);
}

#[test]
fn names_from_elsewhere_are_quoted() {
    let elaborated = build(
        "net A { input \"0\": f32[N, 4, 8, 8]
           \"layer.1/conv\": conv(4, 1)
           a = \"0\" -> add(it)
           output \"out:0\" = a }",
    );
    assert_eq!(elaborated.graph.outputs()[0].name, "out:0");
    assert_eq!(elaborated.graph.node(elaborated.graph.inputs()[0]).path, "0");
}

#[test]
fn bind_rules_come_along() {
    let elaborated = build(
        "bind { \"backbone.*\" <- \"model.module.*\" }
         net A { input x: f32[N, 8]
           output y = fc(2) }",
    );
    assert_eq!(elaborated.rules.len(), 1);
    assert_eq!(elaborated.rules[0].from, "model.module.*");
}

#[test]
fn a_layer_after_a_broken_one_is_silent_about_shapes() {
    let text = "net A { input x: f32[N, 4, 8, 8]
           conv(4, 99) -> fc(3) -> conv(3, 3) -> dropout(7)
           output y }";
    let Err(found) = try_elaborate(&Options::default(), text) else { panic!("it is broken") };
    assert_eq!(found.matches("error[shape]").count(), 1, "{found}");
    assert_eq!(found.matches("error[argument-value]").count(), 1, "{found}");
}

/// A file with the notes that it can have, in the canonical layout.
fn noted(name: &str, text: &str) -> String {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: name.to_owned(), text: text.to_owned() });
    let mut read = |_: &str| Err("stands alone".to_owned());
    let noted = elaborate::annotate(&mut sources, root, &mut read, &Options::default());
    let noted = noted.unwrap_or_else(|it| panic!("{name}: {it:#?}"));
    syntax::format(&noted).expect("notes are well-formed")
}

#[test]
fn notes_are_written_where_they_hold() {
    insta::glob!("corpus/notes/*.net", |path| {
        let text = std::fs::read_to_string(path).expect("a corpus file is readable");
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_suffix(&name);
        settings.bind(|| insta::assert_snapshot!("notes", noted(&name, &text)));
    });
}

/// With its notes a model is what it was, for other parameters too, and there is nothing more to note.
#[test]
fn models_keep_their_meaning_with_notes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for path in std::fs::read_dir(folder).expect("the models are there") {
        let path = path.expect("an entry").path();
        if path.extension().is_none_or(|it| it != "net") {
            continue;
        }
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).expect("a model is readable");
        let after = noted(&name, &text);
        assert_eq!(noted(&name, &after), after, "{name}");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&text), comments(&after), "{name}");
        for set in [Vec::new(), vec![("classes".to_owned(), "7".to_owned())]] {
            let set = if text.contains("classes") { set } else { Vec::new() };
            // A note of the file's own may hold for the default only.
            let was = graphs(&name, &text, &set);
            assert!(was.is_some() || !set.is_empty(), "{name}");
            assert!(was.is_none() || graphs(&name, &after, &set) == was, "{name}");
        }
    }
}

/// All nets of a file as they print; `None` if one cannot be built.
fn graphs(name: &str, text: &str, set: &[(String, String)]) -> Option<Vec<String>> {
    let nets = text.lines().filter_map(|it| it.strip_prefix("net ")?.split([' ', '(']).next());
    let nets = nets.map(|net| {
        let mut sources = Sources::default();
        let root = sources.add(Source { name: name.to_owned(), text: text.to_owned() });
        let mut read = |_: &str| Err("stands alone".to_owned());
        let options =
            Options { net: Some(net.to_owned()), set: set.to_vec(), ..Options::default() };
        let built = elaborate::elaborate(&mut sources, root, &mut read, &options);
        Some(built.ok()?.graph.to_string())
    });
    nets.collect()
}
