//! `--half-weights`: what it changes, and what it says.

use serde_json::Value;

use super::{Folder, SMALL, netc};

const LENET: [&str; 3] = ["models/lenet5.net", "--weights", "models/lenet5.safetensors"];

fn lenet(command: &str, more: &[&str]) -> Value {
    let args = [&[command][..], &LENET, &["--format", "json"], more].concat();
    netc(&args).exits(0).json()
}

fn logits(more: &[&str]) -> Vec<f64> {
    let values = &lenet("run", more)["outputs"]["logits"]["values"];
    let values = values.as_array().expect("a list").iter();
    values.map(|it| it.as_f64().expect("a number")).collect()
}

#[test]
fn rounded_weights_are_verified_as_such() {
    for more in [&[][..], &["--cpu", "avx2"], &["--cpu", "baseline"], &["--exact"]] {
        let checked = lenet("verify", &[more, &["--half-weights"]].concat());
        assert_eq!(checked["ok"], true, "{checked}");
    }
}

#[test]
fn results_are_near_those_of_whole_weights() {
    let (whole, half) = (logits(&[]), logits(&["--half-weights"]));
    assert_ne!(whole, half);
    let most = whole.iter().fold(0.0, |most, it| if it.abs() > most { it.abs() } else { most });
    for (whole, half) in whole.iter().zip(&half) {
        assert!((whole - half).abs() <= 2e-3 * most, "{whole} became {half}");
    }
}

#[test]
fn they_take_half_the_memory() {
    let bytes = |more: &[&str]| {
        let more = [&["--runs", "1", "--seconds", "0"], more].concat();
        lenet("bench", &more)["weight_bytes"].as_u64().expect("bytes")
    };
    let (whole, half) = (bytes(&[]), bytes(&["--half-weights"]));
    assert!(10 * half < 6 * whole, "{half} of {whole} bytes");
}

#[test]
fn why_and_dump_name_the_layers() {
    let why = |more: &[&str]| netc(&[&["why", LENET[0]], more].concat()).exits(0).out;
    let half = why(&["--half-weights"]);
    let named: Vec<&str> = half.lines().filter(|it| it.contains("f16 weights")).collect();
    assert!(!named.is_empty() && named.iter().all(|it| it.starts_with("= fc")), "{half}");
    assert!(!why(&[]).contains("f16"));
    let plan = netc(&["dump", LENET[0], "--stage", "plan", "--half-weights"]).exits(0).out;
    assert_eq!(plan.matches("f16 weights").count(), named.len(), "{plan}");
}

#[test]
fn packed_weights_are_kept_apart() {
    let folder = Folder::new();
    let kept = folder.path("kept");
    let (whole, half) = (logits(&[]), logits(&["--half-weights"]));
    for _ in 0..2 {
        assert_eq!(logits(&["--cache", &kept]), whole);
        assert_eq!(logits(&["--cache", &kept, "--half-weights"]), half);
    }
    assert_eq!(std::fs::read_dir(&kept).expect("the folder was made").count(), 2);
}

#[test]
fn what_f16_does_not_reach_is_said() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let file = folder.path("w.safetensors");
    netc(&["weights", &net, "--random-weights", "1", "-o", &file]).exits(0);
    let mut bytes = std::fs::read(&file).expect("the file was written");
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    for number in bytes[header..].chunks_exact_mut(4) {
        number.copy_from_slice(&1e6_f32.to_le_bytes());
    }
    let file = folder.write("great.safetensors", bytes);
    let run = |more: &[&str]| netc(&[&["run", &net, "--weights", &file], more].concat()).exits(0);
    assert_eq!(run(&[]).err, "");
    let said = run(&["--half-weights"]).err;
    // 3 classes of 2 channels of 3 by 3.
    assert!(said.contains("f16 ends at 65504, and 54 weights are beyond"), "{said}");
    netc(&["verify", &net, "--weights", &file, "--half-weights"]).exits(0);
}
