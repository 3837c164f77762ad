//! `--tune FILE`: kernels chosen by measuring, and remembered in a file.
//!
//! ```json
//! {"schema": 1, "choices": {
//!   "[1, 64, 56, 56] to [1, 64, 56, 56], kernel 3x3, 8 lanes": {
//!     "choice": "tile 6x16", "measured_ns": {"tile 6x16": 2301530, "tile 3x32": 2334122}}}}
//! ```
//!
//! What the file names is taken, so that equal files give equal code; what it lacks is measured and added.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::terminal::{Stop, Terminal};
use super::{files, phase};
use crate::codegen;
use crate::graph::Graph;
use crate::plan::{self, Choice, Choices, Options, Plan};
use crate::program::Program;
use crate::weights::{self, Weights};

/// Measured runs of each candidate.
const RUNS: usize = 7;

/// What the file chooses for this graph, which has been optimised, after adding to it what it lacks.
pub(super) fn choices(
    terminal: &Terminal,
    path: &Path,
    graph: &Graph,
    weights: &Weights,
    options: &Options,
    code: &codegen::Options,
) -> Result<Choices, Stop> {
    phase::enter("tuning");
    let fault = |it: String| files::fault_of_data(terminal, path, "broken-tuning", it);
    let mut entries = if path.exists() { read(path)?.map_err(fault)? } else { Map::new() };
    let plan = plan::plan(graph, options);
    let mut chosen = known(&entries, &plan).map_err(fault)?;
    let open: Vec<&Choice> =
        by_key(&plan).into_values().filter(|it| !chosen.contains_key(&it.key)).collect();
    if open.is_empty() {
        return Ok(chosen);
    }
    let most = open.iter().map(|it| it.candidates.len()).max().unwrap_or(0);
    let mut measured: BTreeMap<&str, Vec<u128>> = BTreeMap::new();
    for at in 0..most {
        terminal.chat(&format!("tuning: candidate {} of {most} of each step", at + 1));
        let mut options = options.clone();
        options.choices.extend(chosen.clone());
        let these = open
            .iter()
            .filter_map(|it| Some((it.key.clone(), it.candidates.get(at)?.name.clone())));
        options.choices.extend(these);
        let times = measure(graph, weights, &plan::plan(graph, &options), code);
        for choice in open.iter().filter(|it| at < it.candidates.len()) {
            measured.entry(&choice.key).or_default().push(times[&choice.key].as_nanos());
        }
    }
    for choice in open {
        let times = &measured[choice.key.as_str()];
        let names = choice.candidates.iter().map(|it| &it.name);
        let best = names.clone().zip(times).min_by_key(|it| it.1).expect("there are candidates").0;
        let table: Map<_, _> =
            names.zip(times).map(|(name, time)| (name.clone(), json!(*time as u64))).collect();
        entries.insert(choice.key.clone(), json!({"choice": best, "measured_ns": table}));
        chosen.insert(choice.key.clone(), best.clone());
    }
    entries.sort_keys();
    let text = serde_json::to_string_pretty(&json!({"schema": 1, "choices": entries}));
    let text = text.expect("text and numbers are JSON") + "\n";
    files::write(terminal, path, text.as_bytes())?;
    Ok(chosen)
}

/// The choices of a plan by what is computed, equal ones once.
fn by_key(plan: &Plan) -> BTreeMap<&str, &Choice> {
    plan.steps.iter().filter_map(|it| it.choice.as_ref()).map(|it| (it.key.as_str(), it)).collect()
}

/// The entries of a file.
fn read(path: &Path) -> Result<Result<Map<String, Value>, String>, Stop> {
    let bytes = files::bytes(path)?;
    let whole: Value = match serde_json::from_slice(&bytes) {
        Ok(whole) => whole,
        Err(fault) => return Ok(Err(format!("the file of choices is not JSON: {fault}"))),
    };
    if whole.get("schema") != Some(&json!(1)) {
        return Ok(Err("the file of choices has no `\"schema\": 1`".to_owned()));
    }
    match whole.get("choices") {
        Some(Value::Object(entries)) => Ok(Ok(entries.clone())),
        _ => Ok(Err("the file of choices has no object `choices`".to_owned())),
    }
}

/// What the entries choose among the candidates of a plan; entries of other nets do not matter.
fn known(entries: &Map<String, Value>, plan: &Plan) -> Result<Choices, String> {
    let mut chosen = Choices::new();
    for (key, choice) in by_key(plan) {
        let Some(entry) = entries.get(key) else { continue };
        let Some(name) = entry.get("choice").and_then(Value::as_str) else {
            return Err(format!("the entry `{key}` has no text `choice`"));
        };
        if !choice.candidates.iter().any(|it| it.name == name) {
            let names: Vec<_> =
                choice.candidates.iter().map(|it| format!("`{}`", it.name)).collect();
            return Err(format!(
                "`{name}` is not a candidate for `{key}`; there are {}. Remove the entry to measure anew",
                names.join(", ")
            ));
        }
        chosen.insert(key.to_owned(), name.to_owned());
    }
    Ok(chosen)
}

/// The least time of all steps of each choice, on one thread, in the midst of the net.
fn measure(
    graph: &Graph,
    weights: &Weights,
    plan: &Plan,
    code: &codegen::Options,
) -> BTreeMap<String, Duration> {
    let program = Program::compile(plan, &weights.of_graph(graph), code);
    let mut session = program.session(1);
    let noise: Vec<_> =
        program.inputs().iter().map(|(name, shape)| weights::noise(0, name, shape)).collect();
    let inputs: Vec<&[f32]> = noise.iter().map(|it| it.data.as_slice()).collect();
    let mut least = vec![Duration::MAX; plan.steps.len()];
    for _ in 0..=RUNS {
        let times = session.profile(&inputs).expect("the inputs have the net's shapes");
        least.iter_mut().zip(times).for_each(|(least, it)| *least = (*least).min(it));
    }
    let mut sums = BTreeMap::new();
    for step in &plan.steps {
        let Some(choice) = &step.choice else { continue };
        let of_layer = plan.steps.iter().zip(&least).filter(|it| it.0.path == step.path);
        *sums.entry(choice.key.clone()).or_default() += of_layer.map(|it| *it.1).sum::<Duration>();
    }
    sums
}
