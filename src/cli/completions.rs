//! `netc completions`: a script that teaches a shell the flags.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::terminal::{Stop, Terminal};

/// Completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netc completions bash > ~/.local/share/bash-completion/completions/netc\n  \
    netc completions fish > ~/.config/fish/completions/netc.fish"
)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "netc", &mut script);
        terminal.write(&script)
    }
}
