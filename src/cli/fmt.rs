//! `netc fmt`: the one canonical layout.

use std::path::{Path, PathBuf};

use clap::Args;
use similar::TextDiff;

use super::terminal::{Stop, Terminal};
use super::{files, phase};
use crate::syntax;

/// Rewrite files in the one canonical layout
///
/// Without --check or --diff the files are rewritten; standard input (-) goes to standard output.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netc fmt models/*.net\n  netc fmt --check --diff models/lenet5.net"
)]
pub(super) struct Fmt {
    /// Files to format; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; exit code 1 if a file would change
    #[arg(long)]
    check: bool,
    /// Change nothing; print what would change
    #[arg(long)]
    diff: bool,
}

impl Fmt {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        phase::enter("formatting");
        let mut faulty = false;
        for file in &self.files {
            match self.format(terminal, file) {
                Err(Stop::Input) => faulty = true,
                other => other?,
            }
        }
        if faulty { Err(Stop::Input) } else { Ok(()) }
    }

    fn format(&self, terminal: &Terminal, file: &Path) -> Result<(), Stop> {
        let (sources, root) = files::source(terminal, file)?;
        let before = &sources.get(root).text;
        let after = match syntax::format(before) {
            Ok(text) => text,
            Err(found) => {
                terminal.diagnose(&sources, &found)?;
                return Err(Stop::Input);
            }
        };
        let differs = *before != after;
        let name = files::name(file);
        if self.diff && differs {
            let diff = TextDiff::from_lines(before.as_str(), after.as_str());
            let shown =
                diff.unified_diff().header(&name, &format!("{name} (formatted)")).to_string();
            terminal.print(&shown)?;
        }
        if self.check {
            if differs {
                terminal.say(&format!("`{name}` is not in the canonical layout"));
                return Err(Stop::Input);
            }
        } else if !self.diff && (differs || file.as_os_str() == files::STREAM) {
            files::write(terminal, file, after.as_bytes())?;
        }
        Ok(())
    }
}
