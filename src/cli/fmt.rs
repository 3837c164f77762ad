//! `netc fmt`: the one canonical layout.

use std::path::{Path, PathBuf};

use clap::Args;
use similar::TextDiff;

use super::terminal::{Stop, Terminal};
use super::{files, phase};
use crate::elaborate::{self, Options};
use crate::syntax;

/// Rewrite files in the one canonical layout
///
/// Without --check or --diff the files are rewritten; standard input (-) goes to standard output.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netc fmt models/*.net\n  netc fmt --check --diff models/lenet5.net\n  \
    netc fmt --shapes --diff models/lenet5.net"
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
    /// Also write shape notes behind the statements of a net that change the shape
    #[arg(long)]
    shapes: bool,
}

impl Fmt {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        phase::enter("formatting");
        terminal.each(&self.files, |file| self.format(terminal, file))
    }

    fn format(&self, terminal: &Terminal, file: &Path) -> Result<(), Stop> {
        let (mut sources, root) = files::source(terminal, file)?;
        let written = if self.shapes {
            let mut read = |path: &str| files::used(terminal, path);
            let options = Options { limits: terminal.limits.clone(), ..Options::default() };
            elaborate::annotate(&mut sources, root, &mut read, &options)
        } else {
            Ok(sources.get(root).text.clone())
        };
        let before = &sources.get(root).text;
        let after = match written.and_then(|it| syntax::format(&it)) {
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
        } else if !self.diff && (differs || files::is_stream(file)) {
            files::write(terminal, file, after.as_bytes())?;
        }
        Ok(())
    }
}
