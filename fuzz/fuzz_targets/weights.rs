//! Any bytes as a weights file bound to a small net: a clear error, or a value for every parameter.
//!
//! Each input is tried as it is; as a safetensors header with its length put before it; and as the array of
//! an archive. So mutation need not guess lengths and checksums.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use netc::elaborate::Elaborated;
use netc::model::parse;
use netc::weights::{self, File, npy};
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

const NET: &str = r#"bind { "old" <- "fc1" }
net Small {
  input x: f32[N, 2, 4, 4]
  conv(2, 3) -> bn -> relu -> flatten
  old: fc(3)
  output y
}
"#;

static SMALL: LazyLock<Elaborated> =
    LazyLock::new(|| parse("small.net", NET).expect("the net is right"));

fn bind(bytes: Vec<u8>) {
    let Ok(file) = File::read("fuzz", bytes) else { return };
    let graph = &SMALL.graph;
    for partial in [None, Some(1)] {
        match weights::bind(graph, &SMALL.rules, &file, partial) {
            Ok(bound) => {
                let _ = bound.table.to_string();
                for param in weights::stored(graph) {
                    let _ = bound.weights.tensor(graph, param);
                }
            }
            Err(fault) => drop(fault.to_string()),
        }
    }
}

/// The text up to its last brace as a header, the rest as data.
fn safetensors(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|&it| it == b'}').map_or(bytes.len(), |it| it + 1);
    [&(end as u64).to_le_bytes(), bytes].concat()
}

fn npz(array: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = FileOptions::default().compression_method(method);
    for name in ["conv1.bias.npy", "fc1.weight.npy"] {
        zip.start_file(name, options).expect("memory has no faults");
        zip.write_all(array).expect("memory has no faults");
    }
    zip.finish().expect("memory has no faults").into_inner()
}

fuzz_target!(|bytes: &[u8]| {
    bind(bytes.to_vec());
    bind(safetensors(bytes));
    if bytes.starts_with(b"\x93NUMPY") {
        bind(npz(bytes, CompressionMethod::Stored));
        bind(npz(bytes, CompressionMethod::Deflated));
    }
    if let Err(fault) = npy::read("fuzz.npy", bytes) {
        let _ = fault.to_string();
    }
});
