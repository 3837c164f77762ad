//! ONNX models where a command takes a net: names, element types and extents of their files.

use std::fs;

use netc::onnx::proto::{self, element};
use netc::weights::File;
use prost::Message as _;

use super::onnx::{floats, input, int, list, model, node};
use super::{Folder, netc};

/// A `.npy` file.
fn array(folder: &Folder, name: &str, descr: &str, shape: &str, data: &[u8]) -> String {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    folder.write(name, bytes)
}

#[test]
fn outputs_have_the_types_and_names_of_the_file() {
    let folder = Folder::new();
    let inputs = [input("a=b", element::U8, &[1, 4])];
    let nodes = [
        node("Relu", "a=b", "first/y:0", &[]),
        node("Cast", "a=b", "z", &[int("to", i64::from(element::I64))]),
    ];
    let bytes = model(14, &inputs, &nodes, &[], &["first/y:0", "z"]).encode_to_vec();
    let file = folder.write("a.onnx", bytes);
    let bytes = array(&folder, "a.npy", "|u1", "(4,)", &[0, 1, 200, 255]);
    let saved = folder.path("out.npz");
    let given = format!("a=b={bytes}");
    netc(&["run", &file, "--input", &given, "--save", &saved]).exits(0);
    let saved = File::read("out.npz", fs::read(&saved).expect("it is saved")).expect("an archive");
    let entries: Vec<_> = saved
        .entries()
        .iter()
        .map(|it| (it.name.as_str(), it.element.clone().expect("a type").name(), it.dims.clone()))
        .collect();
    assert_eq!(entries, [("first/y:0", "U8", vec![1, 4]), ("z", "I64", vec![1, 4])]);
}

#[test]
fn arrays_give_values_that_decide_shapes() {
    let folder = Folder::new();
    let inputs = [input("x", element::F32, &[2, 3]), input("to", element::I64, &[2])];
    let nodes = [node("Reshape", "x to", "y", &[])];
    let file = folder.write("a.onnx", model(14, &inputs, &nodes, &[], &["y"]).encode_to_vec());
    let asked = netc(&["run", &file]).exits(1);
    assert!(asked.err.contains("`to`"), "{}", asked.err);
    let to: Vec<u8> = [3_i64, 2].iter().flat_map(|it| it.to_le_bytes()).collect();
    let to = format!("to={}", array(&folder, "to.npy", "<i8", "(2,)", &to));
    let run = netc(&["run", &file, "--input", &to, "--format", "json"]).exits(0).json();
    assert_eq!(run["outputs"]["y"]["shape"], serde_json::json!([3, 2]));
}

#[test]
fn picks_are_saved_without_padding() {
    let folder = Folder::new();
    let boxes = floats("boxes", &[1, 2, 4], &[0., 0., 4., 4., 0., 0., 4., 3.]);
    let constants = [boxes, list("most", &[2]), floats("iou", &[], &[0.5])];
    let nodes = [node("NonMaxSuppression", "boxes x most iou", "y", &[])];
    let inputs = [input("x", element::F32, &[1, 2, 2])];
    let file =
        folder.write("a.onnx", model(11, &inputs, &nodes, &constants, &["y"]).encode_to_vec());
    let run = netc(&["run", &file, "--format", "json"]).exits(0).json();
    assert_eq!(run["outputs"]["y"]["shape"], serde_json::json!([2, 3]));
}

#[test]
fn whole_numbers_go_in_as_they_are_or_not_at_all() {
    let folder = Folder::new();
    let inputs = [input("x", element::I64, &[1, 1])];
    let nodes = [node("Relu", "x", "y", &[])];
    let file = folder.write("a.onnx", model(14, &inputs, &nodes, &[], &["y"]).encode_to_vec());
    let run = |number: i64| {
        let path = array(&folder, "x.npy", "<i8", "(1, 1)", &number.to_le_bytes());
        netc(&["run", &file, "--input", &format!("x={path}")])
    };
    run(1 << 24).exits(0);
    let refused = run((1 << 24) + 1).exits(1);
    assert!(refused.err.contains("16777217"), "{}", refused.err);
}

#[cfg(unix)]
#[test]
fn links_beside_a_model_are_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.path("in")).expect("a folder");
    let entry = |key: &str, it: &str| proto::Entry { key: key.to_owned(), value: it.to_owned() };
    let mut weight = floats("w", &[1], &[]);
    weight.data_location = 1;
    weight.external_data = vec![entry("location", "w.bin")];
    let nodes = [node("Add", "x w", "y", &[])];
    let inputs = [input("x", element::F32, &[1, 1])];
    let bytes = model(14, &inputs, &nodes, &[weight], &["y"]).encode_to_vec();
    let file = folder.write("in/a.onnx", bytes);
    let secret = folder.write("secret.bin", [0_u8; 4]);
    let beside = folder.path("in/w.bin");
    fs::write(&beside, [0_u8; 4]).expect("a file");
    netc(&["check", &file]).exits(0);
    type Link = fn(&str, &str) -> std::io::Result<()>;
    let ways: [Link; 2] = [|a, b| std::os::unix::fs::symlink(a, b), |a, b| fs::hard_link(a, b)];
    for link in ways {
        fs::remove_file(&beside).expect("it was there");
        link(&secret, &beside).expect("a link");
        netc(&["check", &file]).exits(1);
    }
}
