//! `netc why`: what the compiler did to each layer, and what it did not and why.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::args::{NetArgs, PlainFormat};
use super::compile::MachineArgs;
use super::terminal::{Stop, Terminal};
use super::{build, phase};
use crate::diag::nearest;
use crate::passes::{self, Note, is_within};
use crate::plan::{self, Candidate, Choice, Plan};

/// What was fused, what was not and which condition failed
///
/// Names a layer by its path in the weights and in reports.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc why models/resnet.net --net ResNet18\n  \
    netc why models/resnet.net --net ResNet18 layer1.0.conv1\n  \
    netc why models/vgg.net --net VGG16 --half-weights classifier.0")]
pub(super) struct Why {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A layer, or a path that layers lie below (layer1.0); all if none is given
    #[arg(value_name = "LAYER")]
    layer: Option<String>,
    /// How it is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    machine: MachineArgs,
}

impl Why {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let graph = build::build(terminal, &self.file, &self.net)?.net.graph;
        phase::enter("optimising");
        let paths: Vec<String> =
            graph.order().into_iter().map(|it| graph.node(it).path.clone()).collect();
        if let Some(layer) = &self.layer {
            let path = layer.rsplit_once('@').map_or(layer.as_str(), |it| it.0);
            if !paths.iter().any(|it| is_within(it, path)) {
                let hint = nearest(path, paths.iter().map(String::as_str));
                let hint = hint.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
                return Err(Stop::Command(format!("the net has no layer `{layer}`{hint}")));
            }
        }
        let (graph, why) = passes::explain(graph, &mut |_, _| {});
        phase::enter("planning");
        let plan = plan::plan(&graph, &self.machine.tuned_plan(terminal, &graph)?);
        let notes: Vec<&Note> = match &self.layer {
            Some(layer) => why.of(layer).collect(),
            None => why.notes().iter().collect(),
        };
        match self.format {
            PlainFormat::Text => terminal.print(&text(&notes, &plan, self.layer.as_deref())),
            PlainFormat::Json => terminal.print_json(&json(&notes, &plan, self.layer.as_deref())),
        }
    }
}

/// Whether a step belongs to what is asked for.
fn asked(path: &str, layer: Option<&str>) -> bool {
    layer.is_none_or(|it| {
        it == path || it.rsplit_once('@').is_some_and(|it| it.0 == path) || is_within(path, it)
    })
}

fn text(notes: &[&Note], plan: &Plan, layer: Option<&str>) -> String {
    let mut text = String::new();
    for note in notes {
        let mark = if note.did { '+' } else { '-' };
        let _ = writeln!(text, "{mark} {}: {} ({})", note.layer, note.reason, note.pass);
    }
    let steps: Vec<_> = plan.steps.iter().filter(|it| asked(&it.path, layer)).collect();
    if !steps.is_empty() && !text.is_empty() {
        text.push('\n');
    }
    for step in steps {
        let _ = writeln!(text, "= {}: {}", step.path, step.kernel);
        if let Some(choice) = &step.choice {
            let _ = writeln!(text, "    {}", chosen(choice));
        }
    }
    text
}

/// `tile 6x16, 2.31 ms expected; next tile 3x32, 2.43 ms`
fn chosen(choice: &Choice) -> String {
    let candidate =
        |it: &Candidate| format!("{}, {:.3} ms expected", it.name, it.nanoseconds as f64 / 1e6);
    let next = match choice.runner_up() {
        Some(it) => format!("next {}", candidate(it)),
        None => "nothing else to choose".to_owned(),
    };
    format!("{}; {next}", candidate(choice.taken()))
}

fn choice_json(choice: &Choice) -> serde_json::Value {
    let candidates = choice.candidates.iter();
    let candidates: Vec<_> =
        candidates.map(|it| json!({"name": it.name, "expected_ns": it.nanoseconds})).collect();
    json!({"key": choice.key, "taken": choice.taken().name, "candidates": candidates})
}

fn json(notes: &[&Note], plan: &Plan, layer: Option<&str>) -> serde_json::Value {
    let notes: Vec<_> = notes
        .iter()
        .map(|it| {
            json!({"layer": it.layer, "pass": it.pass, "did": it.did, "into": it.into,
                   "reason": it.reason})
        })
        .collect();
    let steps = plan.steps.iter().filter(|it| asked(&it.path, layer));
    let steps: Vec<_> = steps
        .map(|it| {
            json!({"path": it.path, "kernel": it.kernel.to_string(),
                   "choice": it.choice.as_ref().map(choice_json)})
        })
        .collect();
    json!({"schema": 1, "notes": notes, "steps": steps})
}
