//! `netc weights`: what a net wants of a weights file, what a file gives, and random sets.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::args::{NetArgs, PlainFormat};
use super::build::Built;
use super::terminal::{Stop, Terminal};
use super::{build, darknet, files, phase, weigh};
use crate::graph::Graph;
use crate::report::shown;
use crate::weights::{self, Row, State, Table};

/// How a weights file binds: bound, missing, unused, wrong shape
///
/// Without a weights file, lists the parameters that the net wants. With --random-weights and -o, writes
/// a random set.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc weights models/lenet5.net models/lenet5.safetensors\n  \
    netc weights models/lenet5.net --random-weights 7 -o random.safetensors")]
pub(super) struct Weights {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A weights file: .safetensors, .npz, or the .weights of a Darknet network
    #[arg(value_name = "W", conflicts_with_all = ["random_weights", "weights"])]
    bound: Option<PathBuf>,
    /// The same as W
    #[arg(long, value_name = "FILE", conflicts_with = "random_weights")]
    weights: Option<PathBuf>,
    /// Accept a file that lacks parameters or has them in other shapes
    #[arg(long)]
    partial: bool,
    /// Draw random weights, to be written with -o
    #[arg(long, value_name = "SEED", requires = "output")]
    random_weights: Option<u64>,
    /// Where random weights go: a .safetensors or .npz file
    #[arg(short, long, value_name = "FILE", requires = "random_weights")]
    output: Option<PathBuf>,
    /// How the table is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
    #[command(flatten)]
    net: NetArgs,
}

impl Weights {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        // Clap asks for nothing that excludes what is there.
        if self.output.is_some() && self.random_weights.is_none() {
            let fault =
                "`--output` is where random weights go: leave W out and give --random-weights SEED";
            return Err(Stop::Command(fault.to_owned()));
        }
        if let Some(output) = &self.output {
            files::check_extension("--output", output, &["safetensors", "npz"])?;
        }
        let built = build::build(terminal, &self.file, &self.net)?;
        let net = &built.net;
        if let (Some(seed), Some(output)) = (self.random_weights, &self.output) {
            return save(terminal, &net.graph, seed, output);
        }
        match self.bound.as_ref().or(self.weights.as_ref()) {
            Some(path) => self.bind(terminal, &built, path),
            None => self.list(terminal, &net.graph),
        }
    }

    /// What the net wants.
    fn list(&self, terminal: &Terminal, graph: &Graph) -> Result<(), Stop> {
        let params = weights::stored(graph).map(|it| graph.param(it));
        match self.format {
            PlainFormat::Text => {
                let lines: Vec<(String, String)> =
                    params.map(|it| (shown(&it.path), format!("{:?}", it.shape.dims()))).collect();
                let width = lines.iter().map(|it| it.0.len()).max().unwrap_or(0);
                let lines = lines.iter().map(|(path, dims)| format!("{path:width$}  {dims}\n"));
                terminal.print(&lines.collect::<String>())
            }
            PlainFormat::Json => {
                let list: Vec<Value> =
                    params.map(|it| json!({"path": it.path, "shape": it.shape.dims()})).collect();
                terminal.print_json(&json!({"schema": 1, "net": graph.name, "weights": list}))
            }
        }
    }

    /// What a file gives.
    fn bind(&self, terminal: &Terminal, built: &Built, path: &Path) -> Result<(), Stop> {
        let (net, partial) = (&built.net, self.partial.then_some(0));
        let (table, fits) = if darknet::is_weights(path) {
            let layout = built.layout.as_ref();
            let weights = darknet::weights(terminal, path, layout, partial)?;
            (ordered(&net.graph, &weights, path), true)
        } else {
            let file = weigh::read(terminal, path)?;
            phase::enter("binding the weights");
            match weights::bind(&net.graph, &net.rules, &file, partial) {
                Ok(bound) => (bound.table, true),
                Err(fault) => (fault.table, false),
            }
        };
        match self.format {
            PlainFormat::Text => {
                let mut text = weigh::grid(table.rows.iter());
                text.push_str(&format!("\n\n{table}\n"));
                if let Some(rules) = weigh::rules(&table).filter(|_| !fits) {
                    text.push_str(&format!("\n{rules}\n"));
                }
                terminal.print(&text)?;
            }
            PlainFormat::Json => terminal.print_json(&json(&net.graph, &table, fits))?,
        }
        if fits { Ok(()) } else { Err(weigh::misfit(terminal, path, &table)) }
    }
}

/// How the numbers of a Darknet file went to the parameters; they have an order and no names.
fn ordered(graph: &Graph, weights: &weights::Weights, path: &Path) -> Table {
    let row = |id| {
        let param = graph.param(id);
        let held = weights.holds(&param.path);
        let (want, state) =
            (param.shape.dims().to_vec(), if held { State::Bound } else { State::Missing });
        let found = if held { want.clone() } else { Vec::new() };
        Row { path: Some(param.path.clone()), tensor: String::new(), want, found, state }
    };
    let rows = weights::stored(graph).map(row).collect();
    Table { file: files::name(path), rows, proposals: Vec::new() }
}

/// Writes a random set.
fn save(terminal: &Terminal, graph: &Graph, seed: u64, output: &Path) -> Result<(), Stop> {
    phase::enter("writing random weights");
    if files::is_stream(output) {
        let fault = format!("cannot write `{}`: weights go to a file", files::name(output));
        return Err(Stop::Command(fault));
    }
    let progress = terminal.progress("writing", weights::stored(graph).count());
    files::save(output, &weights::Weights::random(seed), graph, &|| progress.step())?;
    drop(progress);
    terminal.chat(&format!("wrote `{}`", files::name(output)));
    Ok(())
}

fn json(graph: &Graph, table: &Table, fits: bool) -> Value {
    let row = |it: &Row| {
        json!({
            "path": it.path,
            "shape": it.path.as_ref().map(|_| &it.want),
            "tensor": it.tensor,
            "found": (it.state != State::Missing).then_some(&it.found),
            "state": weigh::name(&it.state),
        })
    };
    let rules: Vec<Value> =
        table.proposals.iter().map(|(to, from)| json!({"to": to, "from": from})).collect();
    json!({
        "schema": 1, "net": graph.name, "ok": fits,
        "weights": table.rows.iter().map(row).collect::<Vec<_>>(), "rules": rules,
    })
}
