//! Runs the cases of the ONNX backend suite: `onnx_cases DATA [LIST] [--list]`.
//!
//! DATA holds `SUITE/CASE/{model.onnx, test_data_set_N/{input,output}_K.pb}`; LIST is a table whose second and
//! third columns name suites and cases, of which only those run. A case passes if every output is within
//! 1e-5 + 1e-3 times the expected value.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use netc::interpret;
use netc::onnx::{self, Constant, Imported, Options};
use netc::shape::Shape;
use netc::tensor::Tensor;
use prost::Message;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, rest @ ..] = args.as_slice() else {
        return Err("usage: onnx_cases DATA [LIST]".into());
    };
    let listed = rest.first().map(fs::read_to_string).transpose()?;
    let (mut passed, mut failed) = (0, Vec::new());
    for case in cases(Path::new(data), listed.as_deref())? {
        let outcome = std::panic::catch_unwind(|| run(&case).map_err(|it| it.to_string()));
        match outcome.unwrap_or_else(|_| Err("panicked".to_owned())) {
            Ok(()) => passed += 1,
            Err(error) => failed.push((case, error)),
        }
    }
    for (case, error) in &failed {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}\t{}", error.replace('\n', " "));
    }
    println!("{passed} passed, {} failed", failed.len());
    Ok(())
}

fn cases(data: &Path, listed: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    if let Some(listed) = listed {
        for line in listed.lines().skip(1) {
            let mut columns = line.split('\t').skip(1);
            if let (Some(suite), Some(case)) = (columns.next(), columns.next()) {
                cases.push(data.join(suite).join(case));
            }
        }
        return Ok(cases);
    }
    for suite in fs::read_dir(data)? {
        for case in fs::read_dir(suite?.path())? {
            cases.push(case?.path());
        }
    }
    cases.retain(|it| it.join("model.onnx").exists());
    cases.sort();
    Ok(cases)
}

fn run(case: &Path) -> Result<()> {
    let bytes = fs::read(case.join("model.onnx"))?;
    let mut sets: Vec<PathBuf> =
        fs::read_dir(case)?.filter_map(|it| it.ok().map(|it| it.path())).collect();
    sets.retain(|it| it.is_dir());
    sets.sort();
    for set in sets {
        let given = tensors(&set, "input")?;
        let expected = tensors(&set, "output")?;
        let names = onnx::input_names(bytes.clone())?;
        let given: Vec<_> = names.into_iter().zip(given).map(|(name, it)| (name, it.1)).collect();
        let imported = import(&bytes, &given)?;
        imported.graph.verify();
        check(&imported, &given, &expected)?;
    }
    Ok(())
}

/// The tensors of one kind, in order.
fn tensors(set: &Path, kind: &str) -> Result<Vec<(String, Constant)>> {
    let mut found = Vec::new();
    for at in 0.. {
        let path = set.join(format!("{kind}_{at}.pb"));
        if !path.exists() {
            break;
        }
        let tensor = onnx::proto::Tensor::decode(fs::read(path)?.as_slice())?;
        let constant = onnx::decode(&tensor).map_err(|it| format!("{it:?}"))?;
        found.push((tensor.name.clone(), constant));
    }
    Ok(found)
}

/// Imports with the extents of the given tensors, and the values of those that decide shapes.
fn import(bytes: &[u8], given: &[(String, Constant)]) -> Result<Imported> {
    let mut values: Vec<(String, Constant)> = Vec::new();
    loop {
        let inputs: Vec<(String, Vec<usize>)> = given
            .iter()
            .filter(|it| !values.iter().any(|value| value.0 == it.0))
            .map(|it| (it.0.clone(), it.1.dims.clone()))
            .collect();
        let options = Options { inputs: &inputs, values: &values, external: None };
        match onnx::import(bytes.to_vec(), "Case", &options) {
            Err(onnx::Error::NeedsValues(names)) => {
                let asked = given.iter().filter(|it| names.contains(&it.0)).cloned();
                values.extend(asked);
            }
            other => return Ok(other?),
        }
    }
}

fn check(
    imported: &Imported,
    given: &[(String, Constant)],
    expected: &[(String, Constant)],
) -> Result<()> {
    let graph = &imported.graph;
    let by_name: HashMap<&str, &Constant> = given.iter().map(|it| (it.0.as_str(), &it.1)).collect();
    let mut inputs = Vec::new();
    for (port, &node) in imported.inputs.iter().zip(graph.inputs()) {
        let constant =
            by_name.get(port.name.as_str()).ok_or_else(|| format!("no value for {}", port.name))?;
        let shape = Shape::of(graph.node(node).shape.dims());
        inputs.push(Tensor::new(shape, constant.floats()));
    }
    let params = |id| imported.weights.tensor(graph, id);
    let outputs = interpret::outputs(graph, &params, &inputs);
    for ((output, port), (_, want)) in outputs.iter().zip(&imported.outputs).zip(expected) {
        if port.dims != want.dims {
            return Err(format!(
                "output {} is {:?}, expected {:?}",
                port.name, port.dims, want.dims
            )
            .into());
        }
        if port.element != want.element {
            return Err(format!("output {} has another element type", port.name).into());
        }
        for (i, (&found, want)) in output.data.iter().zip(want.floats()).enumerate() {
            let near = (found - want).abs() <= 1e-5 + 1e-3 * want.abs();
            if !(near || found == want || found.is_nan() && want.is_nan()) {
                return Err(format!("output {}[{i}] is {found}, expected {want}", port.name).into());
            }
        }
    }
    Ok(())
}
