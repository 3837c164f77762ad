//! What is asked for and cannot be done is refused, and what is left out is told.

use std::path::Path;

use netc::onnx::proto::element;
use prost::Message as _;

use super::onnx::{input, model, node};
use super::running::bytes_array;
use super::{Folder, SMALL, fed, netc};

/// A net of two inputs.
const PAIR: &str = "net Pair {
  input a, b: f32[N, 1, 4, 4]
  output sum = a + b
}
";

/// A net of open extents.
const OPEN: &str = "net Open {
  input image: f32[N, 1, H, W]
  relu
  output y
}
";

/// The command is wrong, and standard error says so in these words.
#[track_caller]
fn refused(args: &[&str], words: &str) {
    let done = netc(args).exits(2);
    assert!(done.err.starts_with("error: ") && done.err.contains(words), "{args:?}: {}", done.err);
}

fn picture(folder: &Folder, name: &str) -> String {
    let path = folder.path(name);
    image::RgbImage::from_pixel(8, 8, image::Rgb([9, 200, 30])).save(&path).expect("a file");
    path
}

#[test]
fn nothing_is_said_twice() {
    let folder = Folder::new();
    let (net, pair) = (folder.write("a.net", SMALL), folder.write("pair.net", PAIR));
    let array = folder.write("x.npy", bytes_array(&[1, 1, 8, 8], &[7; 64]));
    let named = format!("image={array}");
    refused(
        &["run", &net, "--input", &named, "--input", &named],
        "`--input image=..` is given twice",
    );
    refused(&["run", &net, "--input", &named, "--input", "image=1x1x8x8"], "@cat.npy");
    refused(&["run", &net, "--input", &array, "--input", &array], "NAME=PATH");
    refused(&["run", &net, "--input", &array, "--input", &named], "NAME=PATH");
    refused(&["report", &net, "--set", "classes=4", "--set", "classes=5"], "`--set classes=..`");
    netc(&["report", &pair, "--input", "a=1x1x4x4", "--input", "b=1x1x4x4"]).exits(0);
    for args in [&["check", "-", "-"][..], &["run", "-", "--weights", "-"]] {
        let done = fed(args, SMALL.as_bytes()).exits(2);
        assert!(done.err.contains("it can be read once"), "{}", done.err);
    }
}

#[test]
fn an_input_that_nobody_gives_is_told() {
    let folder = Folder::new();
    let net = folder.write("a.net", PAIR);
    let given = format!("a={}", folder.write("x.npy", bytes_array(&[1, 1, 4, 4], &[7; 16])));
    let done = netc(&["run", &net, "--input", &given]).exits(0);
    assert!(done.err.contains("note: no --input for `b`"), "{}", done.err);
    let other = format!("b={}", folder.path("x.npy"));
    assert_eq!(netc(&["run", &net, "--input", &given, "--input", &other]).exits(0).err, "");
}

#[test]
fn a_file_has_the_format_of_its_name() {
    let folder = Folder::new();
    let net = folder.write("a.net", OPEN);
    let sized = ["run", &net, "--input", "image=1x1x8x8"];
    let with = |more: [&str; 2]| netc(&[&sized[..], &more].concat());
    for (flag, name) in [("--save", "o.npy"), ("--picture", "o.gif"), ("--picture", "o.webp")] {
        let done = with([flag, &folder.path(name)]).exits(2);
        assert!(done.err.contains("files, not"), "{}", done.err);
    }
    for (name, start) in
        [("o.png", &b"\x89PNG"[..]), ("o.jpg", b"\xff\xd8"), ("o.jpeg", b"\xff\xd8")]
    {
        with(["--picture", &folder.path(name)]).exits(0);
        let written = std::fs::read(folder.path(name)).expect("a picture");
        assert!(written.starts_with(start), "{name}");
    }
    let small = folder.write("small.net", SMALL);
    refused(&["graph", &small, "-o", &folder.path("g.png")], ".svg");
    refused(&["export", &small, "-o", &folder.path("m.net")], ".onnx");
    refused(&["weights", &small, "--random-weights", "1", "-o", &folder.path("w.npy")], ".npz");
    let weights = folder.path("w.safetensors");
    netc(&["weights", &small, "--random-weights", "1", "-o", &weights]).exits(0);
    refused(
        &["weights", &small, &weights, "-o", &folder.path("v.safetensors")],
        "--random-weights",
    );
    refused(&["run", &small, "--picture", &folder.path("o.png")], "[N, C, H, W]");
    for name in ["o.npy", "o.gif", "g.png", "m.net", "w.npy", "v.safetensors"] {
        assert!(!Path::new(&folder.path(name)).exists(), "{name} is written");
    }
    let done = netc(&["graph", &small, "-o", &folder.path("none/g.svg")]).exits(2);
    assert!(
        done.err.contains("there is no folder `") && !done.err.contains(".netc"),
        "{}",
        done.err
    );
}

#[test]
fn an_array_changes_nothing_that_the_net_states() {
    let folder = Folder::new();
    let (fixed, open) = (folder.write("a.net", SMALL), folder.write("open.net", OPEN));
    let large = folder.write("x.npy", bytes_array(&[2, 1, 9, 9], &[7; 162]));
    let given = format!("image={large}");
    let done = netc(&["run", &fixed, "--input", &given]).exits(1);
    let words = "the array is [2, 1, 9, 9], the input `image` is [1, 1, 8, 8]";
    assert!(done.err.contains(words) && done.err.contains("x.npy"), "{}", done.err);
    let run = netc(&["run", &open, "--input", &given, "--format", "json"]).exits(0).json();
    assert_eq!(run["outputs"]["y"]["shape"], serde_json::json!([2, 1, 9, 9]));
    // The user may.
    let both = format!("image=2x1x9x9@{large}");
    netc(&["run", &fixed, "--input", &both]).exits(0);
    refused(&["run", &fixed, "--batch", "3", "--input", &both], "`--batch 3` does nothing");
}

#[test]
fn flags_about_pictures_want_one_and_fit_it() {
    let folder = Folder::new();
    let net = folder.write("a.net", OPEN.replace("N, 1, H, W", "N, 3, 8, 8"));
    let normalised =
        OPEN.replace("N, 1, H, W", "N, 3, 8, 8").replace("relu", "normalise(mean=[1, 2, 3])");
    let normalised = folder.write("b.net", normalised);
    let array = folder.write("x.npy", bytes_array(&[1, 3, 8, 8], &[7; 192]));
    let (array, photo) = (format!("image={array}"), format!("image={}", picture(&folder, "p.png")));
    refused(&["run", &net, "--input", &array, "--scale", "255"], "`--scale` is about pictures");
    refused(&["run", &net, "--crop"], "`--crop` is about pictures");
    refused(
        &["run", &net, "--input", &photo, "--mean", "1,2"],
        "`--mean` has 2 numbers, the input `image` has 3",
    );
    refused(&["run", &normalised, "--input", &photo, "--std", "2"], "`normalise`");
    let done = netc(&["run", &normalised, "--input", &photo, "--scale", "255"]).exits(0);
    assert!(done.err.contains("note: the `normalise` layer"), "{}", done.err);
    netc(&["run", &net, "--input", &photo, "--scale", "0"]).exits(2);
    let bitmap = folder.write("p.bmp", b"BM123456");
    let done = netc(&["run", &net, "--input", &format!("image={bitmap}")]).exits(1);
    assert!(done.err.contains(".png or .jpg"), "{}", done.err);
}

#[test]
fn every_file_is_checked_whatever_was_wrong_before() {
    let folder = Folder::new();
    let bad = folder.write("bad.net", SMALL.replace("relu", "rellu"));
    let missing = folder.path("missing.net");
    let done = netc(&["check", &missing, &bad, &missing]).exits(2);
    assert_eq!(done.err.matches("cannot read").count(), 2, "{}", done.err);
    assert!(done.err.contains("unknown-layer"), "{}", done.err);
    let loose = folder.write("loose.net", SMALL.replace("  conv", "      conv"));
    let done = netc(&["fmt", "--check", &missing, &loose]).exits(2);
    assert!(done.err.contains("cannot read") && done.err.contains("loose.net"), "{}", done.err);
}

#[test]
fn denied_warnings_and_wrong_limits_are_said() {
    let folder = Folder::new();
    let uneven = "net A {\n  input x: f32[N, 1, 8, 8]\n  conv(2, 3, 2)\n  output y\n}\n";
    let file = folder.write("a.net", uneven);
    let done = netc(&["check", "-q", "--deny", "warnings", &file]).exits(1);
    assert!(done.err.contains("warning[") && done.err.contains("denied"), "{}", done.err);
    refused(&["check", "--limit", "foo=1", &file], "foo");
    let done = netc(&["check", "--limit", "foo=1", "--error-format", "json", &file]).exits(2);
    let fault: serde_json::Value = serde_json::from_str(done.err.trim()).expect("JSON");
    assert_eq!(fault["code"], "command");
}

#[test]
fn a_model_says_what_it_lacks_and_what_it_wants() {
    let folder = Folder::new();
    let unknown = [node("Frobnicate", "x", "y", &[]), node("Wiggle", "y", "z", &[])];
    let bytes =
        model(14, &[input("x", element::F32, &[1, 3])], &unknown, &[], &["z"]).encode_to_vec();
    let done = netc(&["check", &folder.write("a.onnx", bytes)]).exits(1);
    let said = done.err.replace(folder.0.path().to_str().expect("text"), ".");
    let want = "error[broken-model]: the model uses operators that netc does not have:
--> ./a.onnx
 = note: Frobnicate: `Frobnicate y`
 = note: Wiggle: `Wiggle z`

";
    assert_eq!(said, want);
    let relu = [node("Relu", "input_1", "y", &[])];
    let bytes = model(14, &[input("input_1", element::F32, &[-1, -1, -1, 3])], &relu, &[], &["y"]);
    let file = folder.write("b.onnx", bytes.encode_to_vec());
    let done = netc(&["report", &file]).exits(1);
    assert!(done.err.contains("--input input_1=1x?x?x3"), "{}", done.err);
    netc(&["report", &file, "--input", "input_1=1x4x4x3"]).exits(0);
    refused(
        &["report", &file, "--input", "input_1=1x4x4x1"],
        "`--input input_1=1x4x4x1`: the input is ?x?x?x3",
    );
    refused(&["report", &file, "--input", "x=1x4x4x1"], "no input `x`");
    refused(&["report", &file, "--net", "foo"], "`--net foo`");
    let array = folder.write("x.npy", bytes_array(&[1, 4, 4, 1], &[7; 16]));
    let done = netc(&["run", &file, "--input", &format!("input_1={array}")]).exits(1);
    assert!(
        done.err.contains("the array is 1x4x4x1, the input `input_1` is ?x?x?x3"),
        "{}",
        done.err
    );
}

#[test]
fn a_model_is_known_by_its_content() {
    let folder = Folder::new();
    let relu = [node("Relu", "x", "y", &[])];
    let bytes = model(14, &[input("x", element::F32, &[1, 3])], &relu, &[], &["y"]).encode_to_vec();
    let file = folder.write("m.bin", &bytes);
    for args in [&["report", &file][..], &["check", &file], &["run", &file]] {
        netc(args).exits(0);
    }
    fed(&["report", "-"], &bytes).exits(0);
    for args in [&["fmt", &file][..], &["dump", &file, "--stage", "ast"]] {
        let done = netc(args).exits(1);
        assert!(done.err.contains("this is an ONNX model"), "{}", done.err);
    }
    assert_eq!(std::fs::read(&file).expect("the model"), bytes);
}

#[test]
fn labels_are_names_one_for_each_class() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let run = |labels: &[u8]| netc(&["run", &net, "--labels", &folder.write("l.txt", labels)]);
    for labels in [&b"\x7fELF\x02\x01\0\0"[..], b"a\nb\x1b[31m\nc\n", b"a\n\xff\xfe\n"] {
        let done = run(labels).exits(1);
        assert!(done.err.contains("this is not a text") && done.err.len() < 300, "{}", done.err);
    }
    assert!(run(b"a\nb\n").exits(0).err.contains("there are 2 labels for 3 values"));
    assert!(!run(b"a\r\nb\nc d\n").exits(0).err.contains("label"));
}

#[test]
fn per_cents_are_those_of_class_scores() {
    let shown = |end: &str, more: &[&str]| {
        let net = SMALL.replace("flatten -> fc(classes)", &format!("flatten -> {end}"));
        let net = net.replace("flatten -> conv", "conv");
        fed(&[&["run", "-"], more].concat(), net.as_bytes()).exits(0).out
    };
    let scores = [
        "fc(classes)",
        "fc(classes) -> softmax",
        "fc(classes) -> dropout(0.5)",
        "conv(3, 1) -> gap",
        "conv(3, 1) -> relu -> gap",
    ];
    for end in scores {
        assert_eq!(shown(end, &[]).matches(" %").count(), 3, "{end}");
    }
    let others = [
        "fc(classes) -> sigmoid",
        "fc(classes) -> relu",
        "fc(classes) -> l2norm",
        "conv(3, 1) -> bn -> relu -> gap",
    ];
    for end in others {
        assert!(!shown(end, &[]).contains('%'), "{end}");
        let sorted = shown(end, &["--top", "2"]);
        assert!(!sorted.contains('%') && sorted.lines().count() == 4, "{end}: {sorted}");
    }
}

#[test]
fn an_extra_tensor_is_told_and_a_partial_load_is_asked_for() {
    let folder = Folder::new();
    let (net, deep) = (folder.write("a.net", SMALL), folder.path("deep.net"));
    std::fs::write(&deep, SMALL.replace("fc(classes)", "fc(classes) -> fc(classes)"))
        .expect("a file");
    let (few, many) = (folder.path("few.safetensors"), folder.path("many.safetensors"));
    netc(&["weights", &net, "--random-weights", "1", "-o", &few]).exits(0);
    netc(&["weights", &deep, "--random-weights", "1", "-o", &many]).exits(0);
    let done = netc(&["run", &net, "--weights", &many]).exits(0);
    assert!(done.err.contains("2 tensors of the file are unused"), "{}", done.err);
    netc(&["run", &deep, "--weights", &few]).exits(1);
    let done = netc(&["run", &deep, "--weights", &few, "--partial"]).exits(0);
    assert!(done.err.contains("2 missing; what is not bound is random (seed 0)"), "{}", done.err);
    netc(&["run", &deep, "--partial"]).exits(2);
}

#[test]
fn one_of_a_thing_is_singular() {
    let folder = Folder::new();
    let net = folder.write("a.net", OPEN.replace("N, 1, H, W", "N, 1, 8, 8"));
    assert!(netc(&["report", &net]).exits(0).out.contains("1 layer "), "report");
    assert!(netc(&["verify", &net]).exits(0).out.contains(" 1 layer,"), "verify");
    let flags = "--runs 1 --seconds 0 --threads 1".split(' ');
    let args: Vec<&str> = ["bench", &net].into_iter().chain(flags).collect();
    let out = netc(&args).exits(0).out;
    assert!(out.contains(": 1 run, 1 thread, batch 1"), "{out}");
}

#[test]
fn a_path_stands_for_the_layers_below_it() {
    let all = ["why", "models/resnet.net", "--net", "ResNet18"];
    let below = netc(&[&all[..], &["layer1.0"]].concat()).exits(0).out;
    for (layer, is_there) in [("layer1.0.conv1", true), ("layer1.1.conv1", false)] {
        assert_eq!(below.contains(layer), is_there, "{layer}: {below}");
    }
    netc(&[&all[..], &["layer1.0.con"]].concat()).exits(2);
}

#[test]
fn paths_are_quoted_for_the_shell() {
    let folder = Folder::new();
    let (net, nets) = (folder.write("a.net", SMALL), folder.path("it's two words"));
    let model = folder.path("a.onnx");
    netc(&["export", &net, "--random-weights", "1", "-o", &model]).exits(0);
    let said = netc(&["import", &model, "-o", &nets]).exits(0).err;
    assert!(said.contains(r"it'\''s two words/a.net'"), "{said}");
}
