//! Weights files as they come, whole and broken.

use std::io::Cursor;

use super::*;
use crate::graph::{Derived, Norm, Param};
use crate::ops::Init;
use crate::shape::Shape;

const INIT: Init = Init::Uniform(-1.0, 1.0);

fn graph(params: &[(&str, &[usize])]) -> Graph {
    let mut graph = Graph::new("A");
    for (path, dims) in params {
        let path = (*path).to_owned();
        graph.add_param(Param { path, shape: Shape::of(dims), source: Source::Learned(INIT) });
    }
    graph
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn small() -> Vec<u8> {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[1],"data_offsets":[8,10]},"a.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[10,18]}}"#;
    let mut data = Vec::new();
    data.extend(1.5_f32.to_le_bytes());
    data.extend((-2.0_f32).to_le_bytes());
    data.extend([0, 0x3e]);
    data.extend([0; 8]);
    safetensors(header, &data)
}

fn message(bytes: Vec<u8>) -> String {
    File::read("w.safetensors", bytes).expect_err("a broken file").message
}

#[test]
fn tensors_are_bound_and_converted() {
    let graph = graph(&[("a", &[2]), ("b", &[1])]);
    let file = File::read("w.safetensors", small()).unwrap();
    let bound = bind(&graph, &[], &file, None).unwrap();
    assert_eq!(bound.table.to_string(), "2 bound");
    assert_eq!(bound.weights.tensor(&graph, ParamId(0)).data, [1.5, -2.0]);
    assert_eq!(bound.weights.tensor(&graph, ParamId(1)).data, [1.5]);
}

#[test]
fn a_misfit_is_refused_with_a_table_unless_partial() {
    let graph = graph(&[("a", &[3]), ("b", &[1]), ("c", &[1])]);
    let file = File::read("w.safetensors", small()).unwrap();
    let error = bind(&graph, &[], &file, None).unwrap_err();
    assert_eq!(error.table.to_string(), "1 bound, 1 missing, 1 of the wrong shape");
    let bound = bind(&graph, &[], &file, Some(7)).unwrap();
    let drawn = Weights::random(7);
    assert_eq!(bound.weights.tensor(&graph, ParamId(1)).data, [1.5]);
    for id in [ParamId(0), ParamId(2)] {
        assert_eq!(bound.weights.tensor(&graph, id), drawn.tensor(&graph, id));
    }
}

#[test]
fn every_truncation_is_an_error_that_names_what_is_cut() {
    let whole = small();
    for length in 0..whole.len() {
        message(whole[..length].to_vec());
    }
    assert!(message(whole[..whole.len() - 9].to_vec()).contains("tensor `b` ends at byte 10"));
    let mut longer = whole;
    longer.push(0);
    assert!(message(longer).contains("end at byte 18"));
}

#[test]
fn hostile_headers_are_errors() {
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    assert!(message(safetensors(twice, &[0; 4])).contains("`a` is there twice"));
    let vast = r#"{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}"#;
    assert!(message(safetensors(vast, &[])).contains("extent of 9223372036854775807"));
    let wraps = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#;
    message(safetensors(wraps, &[]));
    let overlaps = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#;
    message(safetensors(overlaps, &[0; 6]));
    let mut claims = vec![0xff; 7];
    claims.push(0x7f);
    claims.extend([b'{'; 100]);
    message(claims);
    message(safetensors(&"[".repeat(100_000), &[]));
    message(safetensors(&format!("{{\"a\":{}", "[".repeat(100_000)), &[]));
    message(Vec::new());
    message(b"PK\x03\x04".to_vec());
}

fn archive() -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let a = npz::Array { name: "a", dims: &[2], element: Element::F32, data: &[1.5, -2.0] };
    let b = npz::Array { name: "b", dims: &[1, 1], element: Element::I64, data: &[3.0] };
    npz::write(&mut out, [a, b]).unwrap();
    out.into_inner()
}

#[test]
fn archives_come_back_and_equal_arrays_give_equal_bytes() {
    assert_eq!(archive(), archive());
    let file = File::read("w.npz", archive()).unwrap();
    let graph = graph(&[("a", &[2]), ("b", &[1, 1])]);
    let bound = bind(&graph, &[], &file, None).unwrap();
    assert_eq!(bound.weights.tensor(&graph, ParamId(0)).data, [1.5, -2.0]);
    assert_eq!(bound.weights.tensor(&graph, ParamId(1)).data, [3.0]);
}

/// Whatever byte is changed and wherever the archive is cut: an error, a table that does not fit, or
/// numbers, but no panic.
#[test]
fn broken_archives_never_panic() {
    let whole = archive();
    let graph = graph(&[("a", &[2]), ("b", &[1, 1])]);
    let try_it = |bytes: Vec<u8>| {
        let Ok(file) = File::read("w.npz", bytes) else { return };
        if let Ok(bound) = bind(&graph, &[], &file, None) {
            bound.weights.tensor(&graph, ParamId(0));
            bound.weights.tensor(&graph, ParamId(1));
        }
    };
    for at in 0..whole.len() {
        try_it(whole[..at].to_vec());
        for flip in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            try_it(changed);
        }
    }
}

#[test]
fn a_folded_normalisation_scales_and_shifts() {
    let mut graph = graph(&[
        ("conv.weight", &[2, 1]),
        ("conv.bias", &[2]),
        ("bn.weight", &[2]),
        ("bn.bias", &[2]),
        ("bn.running_mean", &[2]),
        ("bn.running_var", &[2]),
    ]);
    let [gamma, beta, mean, var] = [2, 3, 4, 5].map(ParamId);
    let norm = Norm { gamma, beta, mean, var, eps: 0.0 };
    let scaled = Derived::ScaledWeight { weight: ParamId(0), axis: 0, norm };
    let shifted = Derived::ShiftedBias { bias: Some(ParamId(1)), norm };
    let mut derive = |path: &str, dims: &[usize], derived| {
        let source = Source::Derived(derived);
        graph.add_param(Param { path: path.to_owned(), shape: Shape::of(dims), source })
    };
    let weight = derive("folded.weight", &[2, 1], scaled);
    let bias = derive("folded.bias", &[2], shifted);
    let values: [&[f32]; 6] =
        [&[1.0, 2.0], &[3.0, 4.0], &[2.0, 3.0], &[1.0, -1.0], &[1.0, 2.0], &[4.0, 9.0]];
    let tensors = values.iter().enumerate().map(|(i, it)| {
        let param = graph.param(ParamId(i));
        (param.path.clone(), Tensor::new(param.shape.clone(), it.to_vec()))
    });
    let weights = Weights::of(tensors.collect::<Vec<_>>());
    assert_eq!(weights.tensor(&graph, weight).data, [1.0, 2.0]);
    assert_eq!(weights.tensor(&graph, bias).data, [3.0, 1.0]);
}

/// Bytes of a file that is cut off after its header was read.
#[derive(Debug)]
struct Shrinking(Vec<u8>, std::sync::atomic::AtomicUsize);

impl Bytes for Arc<Shrinking> {
    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String> {
        let there = self.1.load(std::sync::atomic::Ordering::Relaxed);
        self.0[..there].to_vec().read(from, to)
    }
}

#[test]
fn bytes_that_vanish_are_a_fault_and_zeros() {
    let graph = graph(&[("a", &[2]), ("b", &[1])]);
    let bytes = small();
    let all = std::sync::atomic::AtomicUsize::new(bytes.len());
    let shrinking = Arc::new(Shrinking(bytes, all));
    let file = File::open("w.safetensors", Box::new(shrinking.clone())).unwrap();
    let bound = bind(&graph, &[], &file, None).unwrap();
    assert_eq!(bound.weights.tensor(&graph, ParamId(0)).data, [1.5, -2.0]);
    assert_eq!(bound.weights.fault(), None);
    shrinking.1.store(100, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bound.weights.tensor(&graph, ParamId(0)).data, [0.0, 0.0]);
    let fault = bound.weights.fault().unwrap();
    assert_eq!(fault.to_string(), "`w.safetensors`: tensor `a` cannot be read: it is cut off");
}

/// However a value is read in parts, the parts are those of the whole.
#[test]
fn parts_are_parts_of_the_whole() {
    let mut graph = graph(&[("w", &[6, 4]), ("g", &[6]), ("b", &[6]), ("m", &[6]), ("v", &[6])]);
    let [gamma, beta, mean, var] = [1, 2, 3, 4].map(ParamId);
    let norm = Norm { gamma, beta, mean, var, eps: 1.0 };
    let scaled = Derived::ScaledWeight { weight: ParamId(0), axis: 0, norm };
    let source = Source::Derived(scaled);
    let param = Param { path: "scaled".to_owned(), shape: Shape::of(&[6, 4]), source };
    let id = graph.add_param(param);
    let weights = Weights::random(5);
    let whole = weights.tensor(&graph, id).data;
    let value = weights.value(&graph, id);
    for from in 0..24 {
        for count in 0..=24 - from {
            let mut part = vec![0.0; count];
            value.read(from, &mut part);
            assert_eq!(part, whole[from..from + count], "{from}, {count}");
        }
    }
}
