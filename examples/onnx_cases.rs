//! Runs cases of the ONNX backend suite through compiled code: `onnx_cases DATA [LIST [EXCEPTIONS]]`.
//!
//! DATA holds `SUITE/CASE/{model.onnx, test_data_set_N/{input,output}_K.pb}`. Of these the cases run that LIST
//! names, one `SUITE/CASE` a line. A case passes if every output has the extents and the element type of the
//! expected one and is within 1e-5 + 1e-3 times its value. A case `light/NAME` is a whole net, `NAME.onnx` with
//! `NAME_output_0.pb`, for an input of n elements 0/n, 1/n and so on. EXCEPTIONS are lines of a case and the reason why it
//! does not pass; one that passes is a failure too.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use netc::model::Model;
use netc::onnx::{self, Constant, File, Imported, Options};
use netc::ops::Op;
use prost::Message;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, rest @ ..] = args.as_slice() else {
        return Err("usage: onnx_cases DATA [LIST [EXCEPTIONS]]".into());
    };
    let text = |at: usize| rest.get(at).map(fs::read_to_string).transpose();
    let (listed, excepted) = (text(0)?, text(1)?.unwrap_or_default());
    let reasons: HashMap<&str, &str> =
        excepted.lines().filter_map(|it| it.split_once(": ")).collect();
    let (mut passed, mut left, mut failed) = (0, Vec::new(), Vec::new());
    for case in cases(Path::new(data), listed.as_deref())? {
        let path = Path::new(data).join(&case);
        let run = if case.starts_with("light/") { run_light } else { run };
        let outcome = std::panic::catch_unwind(|| run(&path).map_err(|it| it.to_string()));
        let outcome = outcome.unwrap_or_else(|_| Err("panicked".to_owned()));
        match (outcome, reasons.get(case.as_str())) {
            (Ok(()), None) => passed += 1,
            (Err(_), Some(reason)) => left.push((case, (*reason).to_owned())),
            (Err(error), None) => failed.push((case, error.replace('\n', " "))),
            (Ok(()), Some(_)) => failed.push((case, "passes, but is an exception".to_owned())),
        }
    }
    left.iter().for_each(|(case, why)| println!("left out {case}: {why}"));
    failed.iter().for_each(|(case, why)| println!("FAILED {case}: {why}"));
    println!("{passed} passed, {} left out, {} failed", left.len(), failed.len());
    if failed.is_empty() { Ok(()) } else { Err("there are failures".into()) }
}

/// The names of the cases.
fn cases(data: &Path, listed: Option<&str>) -> Result<Vec<String>> {
    if let Some(listed) = listed {
        return Ok(listed.lines().map(str::to_owned).collect());
    }
    let mut cases = Vec::new();
    for suite in fs::read_dir(data)? {
        for case in fs::read_dir(suite?.path())? {
            let path = case?.path();
            if path.join("model.onnx").exists() {
                cases.push(path.strip_prefix(data)?.to_string_lossy().into_owned());
            }
        }
    }
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
        let file = File::read(bytes.clone())?;
        let names = file.inputs().iter().map(|it| it.name.clone());
        let given: Vec<_> = names.zip(given).map(|(name, it)| (name, it.1)).collect();
        let imported = import(&file, &given)?;
        imported.graph.verify();
        check(&imported, &given, &expected)?;
    }
    Ok(())
}

fn run_light(case: &Path) -> Result<()> {
    let file = File::read(fs::read(case.with_extension("onnx"))?)?;
    let imported = file.import("Case", &Options::default())?;
    let [port] = imported.inputs.as_slice() else { return Err("it has one input".into()) };
    let count: usize = port.dims.iter().product();
    let data = (0..count).map(|it| it as f32 / count as f32).collect();
    let given = [(port.name.clone(), Constant::real(port.dims.clone(), data))];
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    let expected = tensor(&case.with_file_name(format!("{name}_output_0.pb")))?;
    check(&imported, &given, &[expected])
}

/// The tensors of one kind, in order.
fn tensors(set: &Path, kind: &str) -> Result<Vec<(String, Constant)>> {
    let mut found = Vec::new();
    for at in 0.. {
        let path = set.join(format!("{kind}_{at}.pb"));
        if !path.exists() {
            break;
        }
        found.push(tensor(&path)?);
    }
    Ok(found)
}

fn tensor(path: &Path) -> Result<(String, Constant)> {
    let tensor = onnx::proto::Tensor::decode(fs::read(path)?.as_slice())?;
    let constant = onnx::decode(&tensor).map_err(|it| format!("{it:?}"))?;
    Ok((tensor.name, constant))
}

/// Imports with the extents of the given tensors, and the values of those that decide shapes.
fn import(file: &File, given: &[(String, Constant)]) -> Result<Imported> {
    let mut values: Vec<(String, Constant)> = Vec::new();
    loop {
        let inputs: Vec<(String, Vec<usize>)> = given
            .iter()
            .filter(|it| !values.iter().any(|value| value.0 == it.0))
            .map(|it| (it.0.clone(), it.1.dims.clone()))
            .collect();
        let options = Options { inputs: &inputs, values: &values, ..Options::default() };
        match file.import("Case", &options) {
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
    for port in &imported.inputs {
        let constant =
            by_name.get(port.name.as_str()).ok_or_else(|| format!("no value for {}", port.name))?;
        inputs.push(constant.floats());
    }
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let outputs = Model::compile(graph, &imported.weights).run(&inputs)?;
    let named = graph.outputs().iter().zip(&outputs).zip(&imported.outputs);
    for (((of, output), port), (_, want)) in named.zip(expected) {
        let mut dims = port.dims.clone();
        if graph.layer(of.node).is_some_and(|it| matches!(it.op, Op::Nms(_))) {
            dims[0] = output.data.chunks(3).take_while(|it| it[0] >= 0.0).count();
        }
        if dims != want.dims {
            return Err(
                format!("output {} is {dims:?}, expected {:?}", port.name, want.dims).into()
            );
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
