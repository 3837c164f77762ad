//! `netc check`: every mistake, and nothing else.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::NetArgs;
use super::terminal::{Stop, Terminal};
use super::{build, darknet, files, model, phase};
use crate::elaborate::{self, Options};

/// Find every mistake; print nothing if there is none
///
/// For ONNX files it also points out legal choices that often explain why results differ: padding on one side, pools
/// that round up, another epsilon, strides where the first ResNet has them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc check models/*.net\n  \
    netc check --error-format json - < models/lenet5.net")]
pub(super) struct Check {
    /// Files to check; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    net: NetArgs,
}

impl Check {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        phase::enter("checking");
        let options = build::options(terminal, &self.net, &self.net.input, &[])?;
        terminal.each(&self.files, |file| self.check(terminal, file, &options))
    }

    fn check(&self, terminal: &Terminal, file: &Path, options: &Options) -> Result<(), Stop> {
        if model::is_model(file) {
            let model = build::import(terminal, file, &self.net)?;
            return files::remark(terminal, file, &model.imported.remarks);
        }
        if darknet::is_network(file) {
            return build::build(terminal, file, &self.net).map(drop);
        }
        let (mut sources, root) = files::source(terminal, file)?;
        let mut read = |path: &str| files::used(terminal, path);
        let found = elaborate::check(&mut sources, root, &mut read, options);
        terminal.diagnose(&sources, &found)
    }
}
