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

    let mut array = b"\x93NUMPY\x01\0".to_vec();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 8, 8), }\n";
    array.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    array.extend(header.bytes());
    array.extend([7; 128]);
    let array = folder.write("x.npy", array);
    let flags = ["--random-weights", "3", "--format", "json", "--top", "1", "--input"];
    let named = format!("image={array}");
    let run = netc(&[&["run", &net], &flags[..], &[&named]].concat()).exits(0).json();
    assert_eq!(run["outputs"]["scores"]["shape"], serde_json::json!([2, 3]));
    assert_eq!(run["outputs"]["scores"]["top"].as_array().map(Vec::len), Some(2));
    let sole = netc(&[&["run", &net], &flags[..], &[&array]].concat()).exits(0).json();
    assert_eq!(sole["outputs"], run["outputs"], "the only input needs no name");
    let args = [&["run", "-"], &flags[..], &[&named]].concat();
    let piped = fed(&args, SMALL.as_bytes()).exits(0).json();
    assert_eq!(piped["outputs"], run["outputs"], "a piped net takes the array's size too");
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
    netc(&["run", &model, "--input", "image=2x1x8x8"]).exits(1);
    netc(&["export", &net, "-o", &folder.path("nowhere/a.onnx")]).exits(2);
}
