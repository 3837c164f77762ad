//! Any bytes as an ONNX model: a clear error, or a net with a value for every parameter.
//!
//! Most mutations change a decoded model, so that what reaches the importer is mostly well-formed and wrong
//! in one place.
#![no_main]

#[path = "onnx/mutate.rs"]
mod mutate;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use netc::onnx::proto::Model;
use netc::onnx::{self, Error, Options};
use netc::weights;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let mut inputs = Vec::new();
    // Once as the file says, once with the extents that it leaves open.
    for _ in 0..2 {
        let options = Options { inputs: &inputs, ..Options::default() };
        match onnx::import(bytes.to_vec(), "fuzz", &options) {
            Ok(imported) => {
                imported.graph.verify();
                for param in weights::stored(&imported.graph) {
                    let _ = imported.weights.tensor(&imported.graph, param);
                }
                return;
            }
            Err(Error::NeedsExtents(names)) => {
                inputs = names.into_iter().map(|it| (it, vec![1, 3, 8, 8])).collect();
            }
            Err(fault) => return drop(fault.to_string()),
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let model = (seed % 4 != 0).then(|| Model::decode(&data[..size]).ok()).flatten();
    let changed = model.map(|it| mutate::mutate(it, seed).encode_to_vec());
    match changed.filter(|it| it.len() <= max_size) {
        Some(bytes) => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
