//! Weights that stay in the file of their model until somebody looks at them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use half::{bf16, f16};
use netc::onnx::proto::{Model, Tensor, element};
use netc::onnx::{Error, File, Imported, Options};
use netc::weights::{Bytes, stored};
use prost::Message;

use super::support::{floats, ints, list, model, node};
use super::x;

/// Enough numbers of four bytes to be left in the file, and not in what is read around them.
const COUNT: usize = 1 << 14;

/// Bytes that tell how many of them were read, and can be cut off.
#[derive(Clone, Debug)]
struct Watched {
    bytes: Arc<Vec<u8>>,
    read: Arc<AtomicU64>,
    there: Arc<AtomicU64>,
}

impl Watched {
    fn new(bytes: Vec<u8>) -> Watched {
        let there = Arc::new((bytes.len() as u64).into());
        Watched { bytes: Arc::new(bytes), read: Arc::default(), there }
    }

    fn cut_off(&self, there: u64) {
        self.there.store(there, Ordering::Relaxed);
    }
}

impl Bytes for Watched {
    fn count(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String> {
        self.read.fetch_add(to.len() as u64, Ordering::Relaxed);
        if from + to.len() as u64 > self.there.load(Ordering::Relaxed) {
            return Err("it is cut off".to_owned());
        }
        self.bytes.read(from, to)
    }
}

/// Numbers that every element type holds exactly.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|it| (it % 200) as f32 - 100.0).collect()
}

/// `y = conv(x, w)` with one input channel.
fn convolution(weight: Tensor) -> Model {
    let nodes = [node("Conv", "x w", "y", &[])];
    model(13, &[x(&[1, 1, 2, 2])], &nodes, &[weight], &["y"])
}

fn weight(count: usize) -> Tensor {
    floats("w", &[count as i64, 1, 1, 1], &numbers(count))
}

fn import(bytes: impl Bytes + 'static) -> Result<Imported, Error> {
    File::open("a.onnx", Box::new(bytes))?.import("Net", &Options::default())
}

/// The values of the only parameter.
#[track_caller]
fn values(imported: &Imported) -> Vec<f32> {
    let ids: Vec<_> = stored(&imported.graph).collect();
    let [id] = ids.as_slice() else { panic!("one parameter: {}", imported.graph) };
    imported.weights.tensor(&imported.graph, *id).data
}

#[test]
fn weights_are_not_read_before_they_are_asked_for() {
    let file = Watched::new(convolution(weight(COUNT)).encode_to_vec());
    let imported = import(file.clone()).expect("a model");
    let read = file.read.load(Ordering::Relaxed);
    assert!(read < 3 << 14, "{read} bytes of {}", file.count());
    assert_eq!(values(&imported), numbers(COUNT));
    assert_eq!(file.read.load(Ordering::Relaxed) - read, 4 * COUNT as u64);
}

#[test]
fn every_real_type_is_read_from_the_file() {
    let data = numbers(COUNT);
    let halves = data.iter().flat_map(|&it| f16::from_f32(it).to_le_bytes()).collect();
    let brains = data.iter().flat_map(|&it| bf16::from_f32(it).to_le_bytes()).collect();
    let doubles = data.iter().flat_map(|&it| f64::from(it).to_le_bytes()).collect();
    let types: [(i32, Vec<u8>); 3] =
        [(element::F16, halves), (element::BF16, brains), (element::F64, doubles)];
    for (data_type, raw_data) in types {
        let weight = Tensor { data_type, raw_data, ..weight(COUNT) };
        let file = Watched::new(convolution(weight).encode_to_vec());
        let imported = import(file.clone()).expect("a model");
        assert!(file.read.load(Ordering::Relaxed) < 3 << 14, "type {data_type}");
        assert_eq!(values(&imported), data, "type {data_type}");
    }
}

#[test]
fn constants_of_nodes_stay_in_the_file_too() {
    let mut constant = node("Constant", "", "w", &[ints("value", &[])]);
    constant.input.clear();
    constant.attribute[0].t = Some(weight(COUNT));
    let nodes = [constant, node("Conv", "x w", "y", &[])];
    let model = model(13, &[x(&[1, 1, 2, 2])], &nodes, &[], &["y"]);
    let file = Watched::new(model.encode_to_vec());
    let imported = import(file.clone()).expect("a model");
    assert!(file.read.load(Ordering::Relaxed) < 3 << 14);
    assert_eq!(values(&imported), numbers(COUNT));
}

#[test]
fn data_in_the_file_is_data_in_the_message() {
    // Whole numbers in raw data that is left in the file, and a matrix that is turned when importing.
    let axis = COUNT as i64 / 8;
    let picks: Vec<i64> = (0..axis).rev().collect();
    let raw = Tensor {
        int64_data: Vec::new(),
        raw_data: picks.iter().flat_map(|it| it.to_le_bytes()).collect(),
        ..list("picks", &picks)
    };
    let nodes =
        [node("MatMul", "x w", "a", &[]), node("Gather", "a picks", "y", &[ints("axis", &[])])];
    let mut nodes = nodes.to_vec();
    nodes[1].attribute[0].i = 1;
    let matrix = floats("w", &[8, axis], &numbers(COUNT));
    let inline = Tensor { raw_data: Vec::new(), float_data: numbers(COUNT), ..matrix.clone() };
    let of = |constants: &[Tensor]| {
        let model = model(13, &[x(&[1, 8])], &nodes, constants, &["y"]);
        super::run(&model, &numbers(8))
    };
    assert_eq!(of(&[matrix, raw]), of(&[inline, list("picks", &picks)]));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = convolution(weight(300)).encode_to_vec();
    import(whole.clone()).expect("the whole is a model");
    for length in 0..whole.len() {
        import(whole[..length].to_vec()).expect_err("what is cut off is no model");
    }
}

#[test]
fn a_wrong_length_is_an_error() {
    for more in [-4_i64, -1, 1, 4] {
        let mut weight = weight(COUNT);
        weight.raw_data.resize((4 * COUNT as i64 + more) as usize, 0);
        let fault = import(convolution(weight).encode_to_vec()).expect_err("a misfit");
        assert!(fault.to_string().contains("65536 bytes, but holds"), "{fault}");
    }
}

#[test]
fn a_file_that_is_cut_off_later_is_an_error() {
    let file = Watched::new(convolution(weight(COUNT)).encode_to_vec());
    let imported = import(file.clone()).expect("a model");
    file.cut_off(1000);
    assert_eq!(imported.weights.fault(), None);
    assert_eq!(values(&imported), vec![0.0; COUNT]);
    let fault = imported.weights.fault().expect("it is told").to_string();
    assert_eq!(fault, "`a.onnx`: tensor `w` cannot be read: it is cut off");
    // A matrix is turned, and so looked at, when importing.
    let nodes = [node("MatMul", "x w", "y", &[])];
    let matrix = floats("w", &[8, COUNT as i64 / 8], &numbers(COUNT));
    let model = model(13, &[x(&[1, 8])], &nodes, &[matrix], &["y"]);
    let bytes = Watched::new(model.encode_to_vec());
    let file = File::open("a.onnx", Box::new(bytes.clone())).expect("a model");
    bytes.cut_off(1000);
    let fault = file.import("Net", &Options::default()).expect_err("it cannot be read");
    assert_eq!(fault.to_string(), "`a.onnx`: tensor `w` cannot be read: it is cut off");
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// A convolution whose weight is this message.
fn with_weight(message: &[u8]) -> Vec<u8> {
    let mut model = convolution(weight(1));
    let mut graph = model.graph.take().expect("a graph");
    graph.initializer.clear();
    let graph = [graph.encode_to_vec(), field(5, message)].concat();
    [model.encode_to_vec(), field(7, &graph)].concat()
}

#[test]
fn of_several_fields_the_last_counts() {
    let data = |it: Tensor| Tensor { raw_data: it.raw_data, ..Tensor::default() }.encode_to_vec();
    let bare = Tensor { raw_data: Vec::new(), ..weight(1) }.encode_to_vec();
    let imported =
        import(with_weight(&[bare.clone(), data(weight(COUNT)), data(weight(1))].concat()));
    assert_eq!(values(&imported.expect("the last fits")), numbers(1));
    import(with_weight(&[bare, data(weight(1)), data(weight(COUNT))].concat()))
        .expect_err("a misfit");
    let bare = Tensor { raw_data: Vec::new(), ..weight(COUNT) }.encode_to_vec();
    let imported = import(with_weight(&[data(weight(1)), bare, data(weight(COUNT))].concat()));
    assert_eq!(values(&imported.expect("the last fits")), numbers(COUNT));
}

#[test]
fn no_file_says_where_its_data_lies() {
    // The sum reads a constant that says that its data is the other's.
    let forged = Tensor { stored: 1, ..floats("v", &[1], &[5.0]) };
    let empty = Tensor { stored: 1, ..floats("v", &[COUNT as i64, 1, 1], &[]) };
    let nodes = [node("Conv", "x w", "a", &[]), node("Add", "a v", "y", &[])];
    let of = |v: Tensor| {
        let model = model(13, &[x(&[1, 1, 1, 1])], &nodes, &[weight(COUNT), v], &["y"]);
        import(model.encode_to_vec())
    };
    let imported = of(forged).expect("its own data counts");
    let ids: Vec<_> = stored(&imported.graph).collect();
    let sum = imported.graph.layer(imported.graph.outputs()[0].node).expect("a layer");
    assert!(format!("{:?}", sum.op).contains("shift: 5.0"), "{:?}", sum.op);
    assert_eq!(ids.len(), 1);
    of(empty).expect_err("it has no data");
}

#[test]
fn unknown_fields_are_skipped() {
    let weight = weight(COUNT).encode_to_vec();
    // Text of any length, a number of eight bytes, one of four, a whole one with more bytes than it needs.
    let long = field(12, &vec![b'x'; 1 << 16]);
    let others =
        [0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x85, 0x01, 1, 2, 3, 4, 0x78, 0x81, 0x80, 0x00];
    let message = [long.as_slice(), &others, &weight, &others, &long].concat();
    assert_eq!(values(&import(with_weight(&message)).expect("a model")), numbers(COUNT));
}

#[test]
fn data_beside_the_model_stays_in_its_file() {
    let beside = |offset: usize, count: usize| {
        let entry =
            |key: &str, value: String| netc::onnx::proto::Entry { key: key.to_owned(), value };
        Tensor {
            raw_data: Vec::new(),
            data_location: 1,
            external_data: vec![
                entry("location", "w.bin".to_owned()),
                entry("offset", offset.to_string()),
                entry("length", (4 * count).to_string()),
            ],
            ..weight(count)
        }
    };
    let data = numbers(COUNT + 10).iter().flat_map(|it| it.to_le_bytes()).collect();
    let (file, opened) = (Watched::new(data), Cell::new(0));
    let open = |name: &str| -> Result<Box<dyn Bytes>, String> {
        assert_eq!(name, "w.bin");
        opened.set(opened.get() + 1);
        Ok(Box::new(file.clone()))
    };
    let options = Options { external: Some(&open), ..Options::default() };
    let of = |offset: usize| {
        let nodes = [
            node("Conv", "x w", "a", &[]),
            node("Conv", "x v", "b", &[]),
            node("Concat", "a b", "y", &[ints("axis", &[])]),
        ];
        let mut nodes = nodes.to_vec();
        nodes[2].attribute[0].i = 1;
        let other = Tensor { name: "v".to_owned(), ..beside(offset, 2) };
        let model = model(13, &[x(&[1, 1, 2, 2])], &nodes, &[beside(40, COUNT), other], &["y"]);
        File::read(model.encode_to_vec())?.import("Net", &options)
    };
    let imported = of(4).expect("a model");
    assert_eq!((opened.get(), file.read.load(Ordering::Relaxed)), (1, 0));
    let ids: Vec<_> = stored(&imported.graph).collect();
    let tensors: Vec<_> =
        ids.iter().map(|&it| imported.weights.tensor(&imported.graph, it).data).collect();
    assert_eq!(tensors, [numbers(COUNT + 10)[10..].to_vec(), numbers(3)[1..].to_vec()]);
    let fault = of(4 * (COUNT + 10) - 4).expect_err("there are not so many bytes").to_string();
    assert!(fault.contains("\"w.bin\" has no 8 bytes from"), "{fault}");
}
