//! `netc verify`: compiled code against the reference.

use std::collections::HashMap;

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::args::PlainFormat;
use super::subject::SubjectArgs;
use super::terminal::{Stop, Terminal};
use super::{phase, weigh};
use crate::plan::Storage;
use crate::report::{counted, shown};
use crate::verify::{self, Check};
use crate::weights;

/// Compiled code against the reference, layer by layer
///
/// Each compiled layer gets what the compiled layers before it made, and is compared with the reference
/// evaluation in f64. The bound follows from the number of terms in a sum and their size. With --half-weights the
/// reference computes with the rounded weights too. The exit code is 1 if a layer is beyond its bound.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netc verify models/lenet5.net --weights models/lenet5.safetensors\n  \
    netc verify models/resnet.net --net ResNet18 --random-weights 1 --format json"
)]
pub(super) struct Verify {
    /// How the comparison is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
    #[command(flatten)]
    subject: SubjectArgs,
}

impl Verify {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let machine = &self.subject.machine;
        let fed = self.subject.feed(terminal)?;
        let plan = crate::plan::Options { keep_all: true, ..machine.plan() };
        let (compiled, weights) = self.subject.compile(terminal, &fed, plan)?;
        phase::enter("running");
        let mut session = compiled.program.session(machine.threads());
        session.run(&fed.data()).expect("the inputs have the net's shapes");
        phase::enter("comparing with the reference");
        let graph = &compiled.graph;
        let views: HashMap<_, _> =
            compiled.program.values().iter().map(|(id, it)| (*id, it)).collect();
        let value = |id| match graph.inputs().iter().position(|&it| it == id) {
            Some(at) => fed.values[at].clone(),
            None => session.read(views[&id]).expect("a layer's value is in the arena or an output"),
        };
        let params = |id| match compiled.plan.storage(id) {
            Storage::F32 => weights.tensor(graph, id),
            Storage::F16 => weights::rounded(weights.tensor(graph, id)),
        };
        let spread = |id| compiled.plan.spread(id);
        let layers = verify::layers(graph, &params, &value, &spread);
        let progress = terminal.progress("comparing", layers.len());
        let checks: Vec<Check> = layers.inspect(|_| progress.step()).collect();
        drop(progress);
        weigh::check_read(&weights)?;
        let ok = checks.iter().all(|it| it.ok);
        match self.format {
            PlainFormat::Json => terminal.print_json(&json(&checks, ok))?,
            PlainFormat::Text => terminal.print(&text(&checks))?,
        }
        if !ok {
            let wrong: Vec<String> =
                checks.iter().filter(|it| !it.ok).map(|it| shown(&it.path)).collect();
            let wrong = wrong.join(", ");
            let fault = format!(
                "compiled code differs from the reference at {wrong}: this is a bug of netc's, please report it"
            );
            return Err(Stop::Mismatch(fault));
        }
        Ok(())
    }
}

fn json(checks: &[Check], ok: bool) -> Value {
    let layers: Vec<Value> = checks
        .iter()
        .map(|it| {
            json!({"path": it.path, "op": it.op, "max_abs": it.max_abs, "max_rel": it.max_rel,
                   "bound": it.bound, "bound_share": it.share, "nan": it.nan, "ok": it.ok})
        })
        .collect();
    json!({"schema": 1, "ok": ok, "layers": layers})
}

fn text(checks: &[Check]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(["layer", "op", "largest error", "relative", "of its bound", ""]);
    for it in checks {
        table.add_row([
            Cell::new(shown(&it.path)),
            Cell::new(it.op),
            right(format!("{:.2e}", it.max_abs)),
            right(format!("{:.2e}", it.max_rel)),
            right(format!("{:.0} %", 100.0 * it.share)),
            Cell::new(match it {
                Check { ok: false, .. } => "WRONG",
                Check { nan: 1.., .. } => "NaN",
                _ => "ok",
            }),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|it| it.trim_end().to_owned()).collect();
    let wrong = checks.iter().filter(|it| !it.ok).count();
    let said =
        if wrong == 0 { "all within their bounds".to_owned() } else { format!("{wrong} wrong") };
    let nan = match checks.iter().filter(|it| it.nan > 0).count() {
        0 => String::new(),
        some => format!("; {some} with NaN in both, which tells nothing"),
    };
    let layers = counted(checks.len() as u64, "layer");
    format!("{}\n\n {layers}, {said}{nan}\n", lines.join("\n"))
}
