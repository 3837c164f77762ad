//! From the flags of a command to weights.

use std::path::Path;

use comfy_table::{ContentArrangement, Table as Grid, presets};

use super::args::WeightArgs;
use super::build::Built;
use super::terminal::{Stop, Terminal};
use super::{darknet, files, phase};
use crate::diag::Diagnostic;
use crate::report::{counted, shown};
use crate::weights::{self, File, Row, State, Table, Weights};

/// The most proposed rules that are shown.
const RULES_MAX: usize = 12;

/// The weights that the flags ask for, or else those of a model. Without any, random ones from seed 0, and a word about it.
pub(super) fn weigh(
    terminal: &Terminal,
    built: &Built,
    args: &WeightArgs,
) -> Result<Weights, Stop> {
    phase::enter("binding the weights");
    let net = &built.net;
    let Some(path) = &args.weights else {
        if let (Some(weights), None) = (&built.weights, args.random_weights) {
            return Ok(weights.clone());
        }
        if args.random_weights.is_none() && weights::stored(&net.graph).next().is_some() {
            terminal.say("note: no --weights given, the weights are random (seed 0)");
        }
        return Ok(Weights::random(args.random_weights.unwrap_or(0)));
    };
    if args.random_weights.is_some() && !args.partial {
        let fault = "`--weights` and `--random-weights` exclude one another, unless `--partial` \
                     draws what the file lacks";
        return Err(Stop::Command(fault.to_owned()));
    }
    let partial = args.partial.then(|| args.random_weights.unwrap_or(0));
    if darknet::is_weights(path) {
        return darknet::weights(terminal, path, built.layout.as_ref(), partial);
    }
    let file = read(terminal, path)?;
    match weights::bind(&net.graph, &net.rules, &file, partial) {
        Ok(bound) => {
            if !bound.table.is_complete() {
                let seed = partial.unwrap_or(0);
                terminal.say(&format!(
                    "note: {}; what is not bound is random (seed {seed})",
                    bound.table
                ));
            }
            let unused = bound.table.count(|it| *it == State::Unused);
            if unused > 0 && bound.table.is_complete() {
                let (unused, are) =
                    (counted(unused as u64, "tensor"), if unused == 1 { "is" } else { "are" });
                terminal.say(&format!("note: {unused} of the file {are} unused"));
            }
            Ok(bound.weights)
        }
        Err(fault) => Err(misfit(terminal, path, &fault.table)),
    }
}

/// Reads the table of contents of a weights file.
pub(super) fn read(terminal: &Terminal, path: &Path) -> Result<File, Stop> {
    File::open(&files::name(path), files::positioned(path)?)
        .map_err(|it| files::fault_of_data(terminal, path, "broken-weights", it.message))
}

/// Whether all that was asked of weights so far could be read.
pub(super) fn check_read(weights: &Weights) -> Result<(), Stop> {
    weights.fault().map_or(Ok(()), |it| Err(Stop::Command(it.to_string())))
}

/// Says what does not fit, with the rules that would.
pub(super) fn misfit(terminal: &Terminal, path: &Path, table: &Table) -> Stop {
    let wrong = table.rows.iter().filter(|it| !matches!(it.state, State::Bound));
    let mut fault = Diagnostic::error(
        "weights-misfit",
        crate::diag::Span::default(),
        format!("the weights do not fit the net: {table}"),
    )
    .note(grid(wrong.take(40)));
    if let Some(rules) = rules(table) {
        fault = fault.help(rules);
    } else {
        fault = fault.help("`--partial` draws what the file lacks");
    }
    files::fault_of_file(terminal, files::name(path), String::new(), fault)
}

/// The rules that would fit, as they would stand in the `.net` file.
pub(super) fn rules(table: &Table) -> Option<String> {
    let rules = &table.proposals;
    let lines: Vec<String> = rules
        .iter()
        .take(RULES_MAX)
        .map(|(to, from)| format!("  \"{}\" <- \"{}\"\n", shown(to), shown(from)))
        .collect();
    let more = match rules.len().saturating_sub(RULES_MAX) {
        0 => String::new(),
        more => format!("  # and {more} more\n"),
    };
    let said = "these rules in the .net file would fit; see that they mean what you mean\n";
    (!rules.is_empty()).then(|| format!("{said}bind {{\n{}{more}}}", lines.concat()))
}

/// A table of rows, aligned, without a newline at the end.
pub(super) fn grid<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(["state", "parameter", "shape", "tensor", "its shape"]);
    for row in rows {
        let extents = |it: &[usize], none: bool| {
            if none { String::new() } else { format!("{it:?}") }
        };
        let state = match &row.state {
            State::Unreadable(why) => format!("unreadable ({})", shown(why)),
            other => name(other).to_owned(),
        };
        grid.add_row([
            state,
            row.path.as_deref().map(shown).unwrap_or_default(),
            extents(&row.want, row.path.is_none()),
            shown(&row.tensor),
            extents(&row.found, row.state == State::Missing),
        ]);
    }
    let lines: Vec<String> = grid.lines().map(|it| it.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A state in a word or two.
pub(super) fn name(state: &State) -> &'static str {
    match state {
        State::Bound => "bound",
        State::Missing => "missing",
        State::WrongShape => "wrong shape",
        State::Unreadable(_) => "unreadable",
        State::Unused => "unused",
    }
}
