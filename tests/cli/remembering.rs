//! What a run leaves for later ones: packed weights and measured choices.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Folder, netc};

/// Enough channels that there is something to choose between.
const WIDE: &str = "net Wide {
  input image: f32[N, 3, 12, 12]
  conv(40, 3, pad = 1) -> bn -> relu -> conv(24, 3, pad = 1) -> relu
  flatten -> fc(10)
  output scores
}
";

/// The values that LeNet-5 gives, with further arguments. Its weights have not changed for a while: a file that has
/// just changed may change again within the same tick of the clock, so that nothing is kept of it.
fn lenet(weights: &str, more: &[&str]) -> Value {
    let args = ["run", "models/lenet5.net", "--weights", weights, "--format", "json"];
    netc(&[&args[..], more].concat()).exits(0).json()["outputs"]["logits"]["values"].clone()
}

const WEIGHTS: &str = "models/lenet5.safetensors";

fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder was made");
    entries.map(|it| it.expect("an entry").path()).collect()
}

#[test]
fn packed_weights_are_kept_and_distrusted() {
    let folder = Folder::new();
    let kept = folder.path("kept");
    let plain = lenet(WEIGHTS, &[]);
    let cached = || lenet(WEIGHTS, &["--cache", &kept]);
    assert_eq!(cached(), plain);
    let [entry] = entries(&kept).try_into().expect("one entry");
    let whole = std::fs::read(&entry).expect("the entry is there");
    assert!(whole.starts_with(b"netcpack"));
    assert_eq!(cached(), plain, "the entry holds what was packed");
    assert_eq!(entries(&kept), std::slice::from_ref(&entry), "nothing is left beside it");

    let mut changed = whole.clone();
    let last = changed.len() - 64;
    changed[last..].fill(0x40);
    let broken = [
        changed,
        Vec::new(),
        whole[..40].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], &[0]].concat(),
        vec![0xff; whole.len()],
    ];
    for bytes in broken {
        std::fs::write(&entry, &bytes).expect("the entry can be written");
        assert_eq!(cached(), plain);
        assert_eq!(std::fs::read(&entry).expect("an entry"), whole, "it was written anew");
    }
}

#[test]
fn other_weights_do_not_get_the_entry() {
    let folder = Folder::new();
    let (kept, other) = (folder.path("kept"), folder.path("w.safetensors"));
    lenet(WEIGHTS, &["--cache", &kept]);
    for seed in ["7", "8"] {
        netc(&["weights", "models/lenet5.net", "--random-weights", seed, "-o", &other]).exits(0);
        assert_eq!(lenet(&other, &["--cache", &kept]), lenet(&other, &[]));
    }
    assert_eq!(entries(&kept).len(), 1, "nothing is kept of a file that has just changed");
}

#[test]
fn a_cache_that_cannot_be_written_is_a_note() {
    let folder = Folder::new();
    let file = folder.write("kept", "a file, no folder");
    let args = ["run", "models/lenet5.net", "--weights", WEIGHTS, "--cache", &file];
    let done = netc(&args).exits(0);
    assert!(done.err.contains("note: the packed weights cannot be kept"), "{}", done.err);
}

#[test]
fn choices_are_measured_once_and_then_taken() {
    let folder = Folder::new();
    let net = folder.write("a.net", WIDE);
    let file = folder.path("tuned.json");
    let dump = ["dump", &net, "--stage", "plan", "--cpu", "avx2", "--tune", &file];
    let plan = || netc(&dump).exits(0).out;
    let first = plan();
    let text = std::fs::read_to_string(&file).expect("the file was written");
    assert_eq!(plan(), first);
    assert_eq!(
        std::fs::read_to_string(&file).expect("the file is there"),
        text,
        "nothing is left to measure"
    );

    let mut tuned: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(tuned["schema"], 1);
    let key = "[1, 3, 12, 12] to [1, 40, 12, 12], kernel 3x3, 8 lanes";
    let measured = tuned["choices"][key]["measured_ns"].as_object().expect("measurements").clone();
    assert!(measured.len() > 1 && measured.values().all(Value::is_u64), "{text}");
    for name in measured.keys() {
        tuned["choices"][key]["choice"] = json!(name);
        std::fs::write(&file, tuned.to_string()).expect("the file can be written");
        assert!(plan().contains(&format!("contract 3x40 3x3 {name} ")), "{name}");
        let args = ["why", &net, "conv1", "--cpu", "avx2", "--tune", &file, "--format", "json"];
        let why = netc(&args).exits(0).json();
        assert_eq!(why["steps"][0]["choice"]["taken"], json!(name));
        let args = ["verify", &net, "--random-weights", "3", "--cpu", "avx2", "--tune", &file];
        netc(&args).exits(0);
        // Other candidates are other entries.
        netc(&[&args[..], &["--exact"]].concat()).exits(0);
    }
}

#[test]
fn a_broken_file_of_choices_says_so() {
    let folder = Folder::new();
    let net = folder.write("a.net", WIDE);
    let key = "[1, 3, 12, 12] to [1, 40, 12, 12], kernel 3x3, 8 lanes";
    let cases = [
        (String::new(), "not JSON"),
        ("{\"schema\": 2, \"choices\": {}}".to_owned(), "schema"),
        ("{\"schema\": 1, \"choices\": []}".to_owned(), "no object `choices`"),
        (json!({"schema": 1, "choices": {key: 3}}).to_string(), "no text `choice`"),
        (
            json!({"schema": 1, "choices": {key: {"choice": "tile 9x9"}}}).to_string(),
            "`tile 9x9` is not a candidate",
        ),
    ];
    for (text, says) in cases {
        let file = folder.write("tuned.json", &text);
        let args = ["run", &net, "--random-weights", "0", "--cpu", "avx2", "--tune", &file];
        let done = netc(&args).exits(1);
        assert!(done.err.contains("broken-tuning") && done.err.contains(says), "{}", done.err);
        assert_eq!(std::fs::read_to_string(&file).expect("the file is there"), text);
    }
}
