//! Commands that compile: `run`, `verify`, `bench`.

use super::{Folder, SMALL, command, fed, netc};

#[test]
fn a_run_gives_the_outputs_as_json() {
    let args = ["run", "-", "--random-weights", "3", "--top", "2", "--format", "json"];
    let run = fed(&args, SMALL.as_bytes()).exits(0).json();
    assert_eq!(run["schema"], 1);
    assert!(run["time_ns"].as_u64() > Some(0));
    let scores = &run["outputs"]["scores"];
    assert_eq!(scores["shape"], serde_json::json!([1, 3]));
    let values: Vec<f64> = scores["values"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it.as_f64().expect("a number"))
        .collect();
    let top = scores["top"].as_array().expect("a list");
    assert_eq!(top.len(), 2);
    let best = top[0]["index"].as_u64().expect("a number") as usize;
    assert!(values.iter().all(|&it| it <= values[best]));
    let sum: f64 = values.iter().map(|it| it.exp()).sum();
    let score = top[0]["score"].as_f64().expect("a number");
    assert!((score - values[best].exp() / sum).abs() < 1e-6);
}

#[test]
fn scores_are_the_values_where_the_net_ends_in_a_softmax() {
    for end in ["softmax", "softmax -> dropout(0.5)", "reshape([3, 1]) -> softmax -> flatten"] {
        let net = SMALL.replace("fc(classes)", &format!("fc(classes) -> {end}"));
        let args = ["run", "-", "--random-weights", "3", "--top", "3", "--format", "json"];
        let run = fed(&args, net.as_bytes()).exits(0).json();
        for it in run["outputs"]["scores"]["top"].as_array().expect("a list") {
            let number = |key: &str| it[key].as_f64().expect("a number");
            assert!((number("score") - number("value")).abs() < 1e-7, "{end}: {it}");
        }
    }
}

#[test]
fn results_depend_on_the_seeds_alone() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let values = |args: &[&str]| {
        let args = [&["run", &net, "--format", "json"], args].concat();
        netc(&args).exits(0).json()["outputs"]["scores"]["values"].clone()
    };
    let one = values(&["--random-weights", "3"]);
    assert_eq!(one, values(&["--random-weights", "3", "--seed", "0", "--threads", "3"]));
    assert_ne!(one, values(&["--random-weights", "4"]));
    assert_ne!(one, values(&["--random-weights", "3", "--seed", "1"]));
}

#[test]
fn equal_arrays_give_equal_archives_and_arrays_go_in() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let save = |name: &str, threads: &str| {
        let path = folder.path(name);
        let args = ["run", &net, "--random-weights", "3", "--threads", threads, "--save", &path];
        netc(&args).exits(0);
        std::fs::read(&path).expect("the archive is there")
    };
    let first = save("a.npz", "1");
    assert!(first.starts_with(b"PK"));
    assert_eq!(first, save("b.npz", "2"));

    let array = folder.write("x.npy", bytes_array(&[2, 1, 8, 8], &[7; 128]));
    let flags = ["--random-weights", "3", "--format", "json", "--top", "1", "--input"];
    let named = format!("image={array}");
    let run = netc(&[&["run", &net], &flags[..], &[&named]].concat()).exits(0).json();
    assert_eq!(run["outputs"]["scores"]["shape"], serde_json::json!([2, 3]));
    assert_eq!(run["outputs"]["scores"]["top"].as_array().map(Vec::len), Some(2));
    let sole = netc(&[&["run", &net], &flags[..], &[&array]].concat()).exits(0).json();
    assert_eq!(sole["outputs"], run["outputs"], "the only input needs no name");
    let other = folder.write("y.npy", bytes_array(&[1, 1, 9, 9], &[7; 81]));
    netc(&[&["run", &net], &flags[..], &[&other]].concat()).exits(1);
    let args = [&["run", "-"], &flags[..], &[&named]].concat();
    let piped = fed(&args, SMALL.as_bytes()).exits(0).json();
    assert_eq!(piped["outputs"], run["outputs"], "a piped net takes the array's size too");
}

/// A `.npy` file of bytes.
pub(super) fn bytes_array(dims: &[usize], data: &[u8]) -> Vec<u8> {
    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
    let dims = dims.join(", ");
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({dims}), }}\n");
    let mut array = b"\x93NUMPY\x01\0".to_vec();
    array.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    array.extend(header.bytes());
    array.extend(data);
    array
}

/// One pass of the net with convolutions gives what the net with `fc` gives for each window on its own,
/// with the same file of weights.
#[test]
fn a_window_slides_as_one_pass() {
    let folder = Folder::new();
    let weights = folder.path("w.safetensors");
    let model = "models/sliding_window.net";
    netc(&["weights", model, "--net", "Window", "--random-weights", "7", "-o", &weights]).exits(0);
    let scores = |net: &str, dims: &[usize], data: &[u8]| -> Vec<f64> {
        let shape: Vec<String> = dims.iter().map(ToString::to_string).collect();
        let array = folder.write("x.npy", bytes_array(dims, data));
        let input = format!("image={}@{array}", shape.join("x"));
        let flags = ["--weights", &weights, "--input", &input, "--format", "json"];
        let run = netc(&[&["run", model, "--net", net], &flags[..]].concat()).exits(0).json();
        let values = run["outputs"]["probabilities"]["values"].as_array().expect("a list").clone();
        values.iter().map(|it| it.as_f64().expect("a number")).collect()
    };
    for (side, places) in [(16, 2), (28, 8)] {
        let pixel = |c: usize, y: usize, x: usize| ((c * 31 + y * 17 + x * x * 5) % 4) as u8;
        let patch = |top: usize, left: usize, side: usize| -> Vec<u8> {
            let rows = (0..3).flat_map(|c| (0..side).map(move |y| (c, y)));
            let row = |(c, y)| (0..side).map(move |x| pixel(c, top + y, left + x));
            rows.flat_map(row).collect()
        };
        let whole = scores("Windows", &[1, 3, side, side], &patch(0, 0, side));
        assert_eq!(whole.len(), 4 * places * places);
        let windows = (0..places * places).map(|it| patch(it / places * 2, it % places * 2, 14));
        let crops: Vec<u8> = windows.flatten().collect();
        let alone = scores("Window", &[places * places, 3, 14, 14], &crops);
        for (at, score) in alone.iter().enumerate() {
            let same = whole[at % 4 * places * places + at / 4];
            assert!((score - same).abs() < 1e-5, "window {}: {score} and {same}", at / 4);
        }
    }
}

#[test]
fn lenet_reads_digits() {
    let label = |file: &str| {
        let input = format!("image=models/digits/{file}");
        let weights = "models/lenet5.safetensors";
        let args = [
            "run",
            "models/lenet5.net",
            "--weights",
            weights,
            "--input",
            &input,
            "--top",
            "1",
            "--format",
            "json",
        ];
        netc(&args).exits(0).json()["outputs"]["logits"]["top"][0]["index"].clone()
    };
    assert_eq!(label("7_1.png"), 7);
}

#[test]
fn compiled_code_is_verified() {
    for args in [&["--cpu", "native"], &["--cpu", "baseline"]] {
        let args =
            [&["verify", "-", "--random-weights", "3", "--format", "json"], &args[..]].concat();
        let found = fed(&args, SMALL.as_bytes()).exits(0).json();
        assert_eq!((&found["schema"], &found["ok"]), (&1.into(), &true.into()));
        let layers = found["layers"].as_array().expect("a list");
        assert!(!layers.is_empty());
        for layer in layers {
            assert!(
                layer["max_abs"].is_f64() && layer["max_rel"].is_f64() && layer["bound"].is_f64()
            );
        }
    }
}

#[test]
fn numbers_of_a_flag_are_sensible() {
    let refused = |args: &[&str], says: &str| {
        let done = fed(&[args, &["--random-weights", "3"]].concat(), SMALL.as_bytes()).exits(2);
        assert!(done.err.contains(says), "{args:?}: {}", done.err);
    };
    for seconds in ["nan", "-1", "1e30", "inf", "ten"] {
        let flag = format!("--seconds={seconds}");
        refused(&["bench", "-", &flag], "write a number of seconds from 0 to 86400");
    }
    for full in ["0", "-1", "nan", "inf"] {
        let flag = format!("--full={full}");
        refused(&["run", "-", "--picture", "-", &flag], "write a number above 0");
    }
}

/// What is no text has standard output to itself.
#[test]
fn a_file_on_standard_output_is_alone_there() {
    let folder = Folder::new();
    let (net, path) = (folder.write("a.net", SMALL), folder.path("a.npz"));
    let args = ["run", &net, "--random-weights", "3", "--save"];
    netc(&[&args[..], &[&path]].concat()).exits(0);
    let piped = command(&[&args[..], &["-"]].concat()).output().expect("netc runs");
    assert!(piped.stdout == std::fs::read(&path).expect("a file"), "the archive and nothing else");
    let told = String::from_utf8_lossy(&piped.stderr);
    assert!(told.contains("scores [1, 3]"), "{told}");
    for (more, says) in [
        (["--picture", "-"], "`--save` and `--picture` both write to standard output"),
        (["--boxes", "-"], "`--save` and `--boxes` both write to standard output"),
        (["--format", "json"], "`--save` and `--format json` both write to standard output"),
    ] {
        let done = netc(&[&args[..], &["-"], &more].concat()).exits(2);
        assert!(done.err.contains(says) && done.out.is_empty(), "{}", done.err);
    }
}

#[test]
fn a_bench_gives_whole_nanoseconds_and_bytes() {
    let flags = "--random-weights 3 --seconds 0 --runs 5 --threads 1 --per-layer --format json";
    let args: Vec<&str> = ["bench", "-"].into_iter().chain(flags.split(' ')).collect();
    let bench = fed(&args, SMALL.as_bytes()).exits(0).json();
    for key in [
        "threads",
        "batch",
        "runs",
        "min_ns",
        "median_ns",
        "compile_ns",
        "arena_bytes",
        "weight_bytes",
    ] {
        assert!(bench[key].is_u64(), "{key}: {bench}");
    }
    assert!(bench["min_ns"].as_u64() <= bench["median_ns"].as_u64());
    assert_eq!(bench["runs"], 5);
    let layers = bench["layers"].as_array().expect("a list");
    assert!(layers.iter().any(|it| it["macs"] == 2 * 9 * 36 && it["path"] == "conv1"), "{bench}");
    assert!(layers.iter().all(|it| it["ns"].is_u64() && it["kernel"].is_string()));
    let layers = bench["layers"].as_array().expect("a list");
    assert!(layers.iter().any(|it| it["macs"] == 2 * 9 * 36 && it["path"] == "conv1"), "{bench}");
    assert!(layers.iter().all(|it| it["ns"].is_u64() && it["kernel"].is_string()));
}

#[test]
fn an_export_runs_as_its_net_does() {
    let folder = Folder::new();
    let (net, model) = (folder.write("a.net", SMALL), folder.path("a.onnx"));
    let values = |args: &[&str]| {
        let args = [&["run", "--format", "json"], args].concat();
        netc(&args).exits(0).json()["outputs"].clone()
    };
    netc(&["export", &net, "--random-weights", "3", "-o", &model]).exits(0);
    assert_eq!(values(&[&net, "--random-weights", "3"]), values(&[&model]));
    let piped = command(&["export", &net, "--random-weights", "3", "-o", "-"]).output();
    let file = std::fs::read(&model).expect("the model is there");
    assert!(piped.expect("netc runs").stdout == file, "a pipe gets the same bytes");
    // The batch is open unless it is asked for: only then does the file say what it is.
    assert_eq!(values(&[&model, "--input", "image=2x1x8x8"])["scores"]["shape"][0], 2);
    netc(&["export", &net, "--random-weights", "3", "--fixed-batch", "-o", &model]).exits(0);
    let refused = netc(&["run", &model, "--input", "image=2x1x8x8"]).exits(2).err;
    assert!(refused.contains("`--input image=2x1x8x8`: the input is 1x1x8x8"), "{refused}");
    for (batch, code) in [("1", 0), ("2", 2)] {
        netc(&["run", &model, "--batch", batch]).exits(code);
    }
    netc(&["export", &net, "-o", &folder.path("nowhere/a.onnx")]).exits(2);
}

#[test]
fn an_import_is_formatted_and_gives_the_same_bits() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let (model, nets) = (folder.path("odd name.onnx"), folder.path("nets"));
    netc(&["export", &net, "--random-weights", "3", "-o", &model]).exits(0);
    let said = netc(&["import", &model, "-o", &nets]).exits(0).err;
    let (text, weights) = (format!("{nets}/odd_name.net"), format!("{nets}/odd_name.safetensors"));
    assert!(said.contains(&text) && said.contains(&weights), "{said}");
    netc(&["fmt", "--check", &text]).exits(0);
    netc(&["check", &text, "--deny", "warnings"]).exits(0);
    let run = |args: &[&str]| netc(args).exits(0).json()["outputs"].clone();
    let before = run(&["run", &model, "--format", "json"]);
    let after = run(&["run", &text, "--weights", &weights, "--format", "json"]);
    assert_eq!(before, after);
    let refused = netc(&["import", &model, "-o", &nets]).exits(2).err;
    assert!(refused.contains("--force"), "{refused}");
    netc(&["import", &model, "-o", &nets, "--force", "-q"]).exits(0);
    netc(&["import", &net, "-o", &nets]).exits(2);
    netc(&["import", &folder.path("none.onnx"), "-o", &nets]).exits(2);
}

#[test]
fn the_proposed_rule_binds_a_checkpoint_under_a_prefix() {
    let folder = Folder::new();
    let wrapped = "block inner(classes) {
  conv1: conv(2, 3) -> relu -> maxpool(2)
  flatten -> fc1: fc(classes)
}

net Wrapped {
  input image: f32[N, 1, 8, 8]
  module: inner(3)
  output scores
}
";
    let (net, checkpoint) = (folder.write("a.net", SMALL), folder.path("a.safetensors"));
    let wrapped = folder.write("wrapped.net", wrapped);
    netc(&["weights", &wrapped, "--random-weights", "3", "-o", &checkpoint]).exits(0);
    let run = |net: &str| netc(&["run", net, "--weights", &checkpoint, "--error-format", "json"]);
    let said: serde_json::Value =
        serde_json::from_str(run(&net).exits(1).err.trim()).expect("one object");
    let help = said["help"].as_str().expect("there is help");
    let rule = &help[help.find("bind {").expect("rules are proposed")..];
    assert_eq!(rule, "bind {\n  \"*\" <- \"module.*\"\n}");
    let bound = folder.write("bound.net", format!("{SMALL}\n{rule}\n"));
    run(&bound).exits(0);
}

#[test]
fn an_output_is_drawn() {
    let folder = Folder::new();
    let (drawn, vector) = (folder.path("drawn.png"), folder.write("b.net", SMALL));
    let net = "net A {\n  input image: f32[N, 1, 32, 32]\n  relu\n  output y\n}\n";
    let net = folder.write("a.net", net);
    let values = |picture: &str, more: &[&str]| {
        let input = format!("image={picture}");
        let args = ["run", &net, "--input", &input, "--format", "json"];
        netc(&[&args, more].concat()).exits(0).json()["outputs"].clone()
    };
    let digit = values("models/digits/7_1.png", &["--picture", &drawn]);
    assert_eq!(
        digit,
        values(&drawn, &[]),
        "the picture that was drawn is the picture that was read"
    );
    netc(&["run", &vector, "--picture", &drawn]).exits(2);
}
