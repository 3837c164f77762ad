//! The command line: the only module that reads files, prints, or looks at the environment.
//!
//! Data goes to standard output, talk to standard error. The exit code says whose fault it was: 0 none,
//! 1 the input's, 2 the command's, 101 netc's.

mod args;
mod bench;
mod boxes;
mod build;
mod cache;
mod check;
mod compile;
mod completions;
mod darknet;
mod dump;
mod explain;
mod export;
mod files;
mod fmt;
mod graph;
mod import;
mod input;
mod model;
mod ops;
mod phase;
mod progress;
mod report;
mod run;
mod scores;
mod subject;
mod terminal;
mod tune;
mod verify;
mod weigh;
mod weights;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use args::TalkArgs;
use terminal::{Stop, Terminal};

/// A compiler for convolutional networks: from a short .net file to native code.
#[derive(Debug, Parser)]
#[command(
    name = "netc",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  netc report models/lenet5.net\n  netc explain conv\n\n\
        Exit codes: 0 good, 1 the input is wrong or `verify` found a mismatch, 2 the command is wrong, 101 a bug of netc's."
)]
struct Cli {
    #[command(flatten)]
    talk: TalkArgs,
    #[command(subcommand)]
    command: Command,
}

// What a command is for stands at its own type, short and long.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Report(report::Report),
    Run(run::Run),
    Bench(bench::Bench),
    Verify(verify::Verify),
    Weights(weights::Weights),
    Dump(dump::Dump),
    Why(why::Why),
    Explain(explain::Explain),
    Ops(ops::Ops),
    Fmt(fmt::Fmt),
    Graph(graph::Graph),
    Export(export::Export),
    Import(import::Import),
    Completions(completions::Completions),
}

/// Runs the command that the program was given.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && terminal::wants_json(std::env::args_os()) => {
            let said = error.render().to_string();
            let said = said.trim().trim_start_matches("error: ");
            terminal::complain(&terminal::json_fault("command", said));
            return ExitCode::from(2);
        }
        Err(error) => {
            // A closed pipe is no fault.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    phase::guard(move || {
        let Cli { talk, command } = cli;
        let terminal = match Terminal::new(&talk) {
            Ok(terminal) => terminal,
            Err(fault) => {
                terminal::refuse(&talk, &fault);
                return ExitCode::from(2);
            }
        };
        let done = dispatch(&terminal, &command);
        terminal.end(done)
    })
}

fn dispatch(terminal: &Terminal, command: &Command) -> Result<(), Stop> {
    match command {
        Command::Check(it) => it.run(terminal),
        Command::Report(it) => it.run(terminal),
        Command::Run(it) => it.run(terminal),
        Command::Bench(it) => it.run(terminal),
        Command::Verify(it) => it.run(terminal),
        Command::Weights(it) => it.run(terminal),
        Command::Dump(it) => it.run(terminal),
        Command::Why(it) => it.run(terminal),
        Command::Explain(it) => it.run(terminal),
        Command::Ops(it) => it.run(terminal),
        Command::Fmt(it) => it.run(terminal),
        Command::Graph(it) => it.run(terminal),
        Command::Export(it) => it.run(terminal),
        Command::Import(it) => it.run(terminal),
        Command::Completions(it) => it.run(terminal),
    }
}
