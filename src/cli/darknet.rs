//! Darknet networks where a command takes a net.

use std::path::Path;

use super::args::NetArgs;
use super::build::Built;
use super::files;
use super::model;
use super::terminal::{Stop, Terminal};
use crate::darknet::{self, Imported, Layout, Options};
use crate::diag::{Diagnostics, FileId};
use crate::elaborate::{self, Elaborated};
use crate::weights::Weights;

/// Whether a file is a Darknet network, by its name.
pub(super) fn is_network(path: &Path) -> bool {
    files::is_named(path, "cfg")
}

/// Whether a file holds a Darknet network's weights, by its name.
pub(super) fn is_weights(path: &Path) -> bool {
    files::is_named(path, "weights")
}

/// Imports a network, or says what is wrong with it; its weights come from a file of their own.
pub(super) fn import(
    path: &Path,
    root: FileId,
    text: &str,
    args: &NetArgs,
    options: elaborate::Options,
) -> Result<Result<Built, Diagnostics>, Stop> {
    let options = of_flags(args, options)?;
    Ok(darknet::import(root, text, &model::name(path), &options).map(built))
}

fn built(imported: Imported) -> Built {
    let Imported { graph, warnings, layout } = imported;
    let net = Elaborated { graph, warnings, rules: Vec::new(), resized: false };
    let origin = Some("Darknet".to_owned());
    Built { net, weights: None, layout: Some(layout), constants: Vec::new(), origin, ports: None }
}

fn of_flags(args: &NetArgs, options: elaborate::Options) -> Result<Options, Stop> {
    if args.net.is_some() {
        return Err(Stop::Command(
            "a Darknet file has one net, so `--net` means nothing".to_owned(),
        ));
    }
    let elaborate::Options { set, batch, inputs, train, limits, .. } = options;
    Ok(Options { inputs, batch, train, set, limits })
}

/// Reads the weights of a network from its `.weights` file.
pub(super) fn weights(
    terminal: &Terminal,
    path: &Path,
    layout: Option<&Layout>,
    partial: Option<u64>,
) -> Result<Weights, Stop> {
    let Some(layout) = layout else {
        let fault = format!(
            "`{}` holds unnamed numbers; they can only be loaded with the `.cfg` file that they were trained with",
            files::name(path)
        );
        return Err(Stop::Command(fault));
    };
    layout
        .read(&files::bytes(path)?, partial)
        .map_err(|it| files::fault_of_data(terminal, path, "broken-weights", it))
}
