//! Where output goes: data to standard output, talk to standard error.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use super::args::{Color, Deny, ErrorFormat, TalkArgs};
use super::progress::{Progress, Style};
use crate::diag::render::{self, Format, Tally};
use crate::diag::{Diagnostic, Severity, Sources};
use crate::elaborate::Limits;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input is wrong, and that has been said. Exit code 1.
    Input,
    /// The command is wrong; says how. Exit code 2.
    Command(String),
    /// `verify` found a mismatch; says where. Exit code 1.
    Mismatch(String),
    /// The command is wrong, and that has been said. Exit code 2.
    Said,
    /// Nobody reads the output any more. Exit code 0.
    Closed,
}

/// The streams, and how the user wants to be spoken to.
#[derive(Debug)]
pub(super) struct Terminal {
    format: Format,
    quiet: bool,
    /// How often `-v` was given.
    pub(super) verbose: u8,
    progress: Style,
    deny_warnings: bool,
    warned: Cell<bool>,
    /// What was shown, and of how many files.
    shown: Cell<(Tally, usize)>,
    /// The limits of the language.
    pub(super) limits: Limits,
    /// The most memory that a program may take, in bytes, if the user set one.
    pub(super) max_memory: Option<u64>,
}

impl Terminal {
    /// Reads the common flags and the environment.
    pub(super) fn new(talk: &TalkArgs) -> Result<Terminal, String> {
        let mut limits = Limits::default();
        for (key, value) in &talk.limit {
            limits.set(key, *value)?;
        }
        let format = format(talk);
        let alive = std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|it| it != "dumb");
        let progress = match format {
            Format::Human { color } if alive && !talk.quiet => {
                if color {
                    Style::Coloured
                } else {
                    Style::Plain
                }
            }
            _ => Style::Hidden,
        };
        Ok(Terminal {
            format,
            progress,
            quiet: talk.quiet,
            verbose: talk.verbose,
            deny_warnings: talk.deny == Some(Deny::Warnings),
            warned: Cell::new(false),
            shown: Cell::default(),
            limits,
            max_memory: talk.max_memory,
        })
    }

    /// Writes data.
    pub(super) fn print(&self, data: &str) -> Result<(), Stop> {
        self.write(data.as_bytes())
    }

    /// Writes data that need not be text.
    pub(super) fn write(&self, data: &[u8]) -> Result<(), Stop> {
        self.stream(&mut |out| out.write_all(data))
    }

    /// Writes data bit by bit.
    pub(super) fn stream(
        &self,
        make: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), Stop> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        make(&mut out).and_then(|()| out.flush()).map_err(|it| match it.kind() {
            ErrorKind::BrokenPipe => Stop::Closed,
            _ => Stop::Command(format!("cannot write to standard output: {it}")),
        })
    }

    /// Writes a JSON object and a newline.
    pub(super) fn print_json(&self, value: &Value) -> Result<(), Stop> {
        self.print(&format!("{value}\n"))
    }

    /// Says something to the user, unless `-q` was given.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet && matches!(self.format, Format::Human { .. }) {
            complain(text);
        }
    }

    /// Says something that only `-v` asks for.
    pub(super) fn chat(&self, text: &str) {
        if self.verbose > 0 {
            self.say(text);
        }
    }

    /// A line about work of so many parts, for as long as it lasts.
    pub(super) fn progress(&self, what: &'static str, parts: usize) -> Progress {
        Progress::new(self.progress, what, parts as u64)
    }

    /// Does something with each file, whatever was wrong with those before.
    pub(super) fn each(
        &self,
        files: &[PathBuf],
        mut act: impl FnMut(&Path) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut done = Ok(());
        for file in files {
            match act(file) {
                Ok(()) => {}
                Err(Stop::Input) => done = done.and(Err(Stop::Input)),
                Err(Stop::Said) => done = Err(Stop::Said),
                Err(Stop::Command(fault)) => {
                    self.fault("command", &fault);
                    done = Err(Stop::Said);
                }
                Err(other) => return Err(other),
            }
        }
        done
    }

    /// Shows diagnostics; with `-q` errors only, and warnings that are denied. An error among them stops the command.
    pub(super) fn diagnose(&self, sources: &Sources, found: &[Diagnostic]) -> Result<(), Stop> {
        let is_error = |it: &Diagnostic| it.severity == Severity::Error;
        if found.iter().any(|it| it.severity == Severity::Warning) {
            self.warned.set(true);
        }
        let denied = |it: &Diagnostic| self.deny_warnings && it.severity == Severity::Warning;
        let shown = found.iter().filter(|it| is_error(it) || denied(it) || !self.quiet);
        let shown: Vec<Diagnostic> = shown.cloned().collect();
        talk(&render::all(sources, &shown, self.format, self.limits.errors));
        let (tally, files) = self.shown.get();
        self.shown.set((tally.and(Tally::of(&shown)), files + usize::from(!shown.is_empty())));
        if found.iter().any(is_error) { Err(Stop::Input) } else { Ok(()) }
    }

    /// Ends the program: says what is left to say.
    pub(super) fn end(&self, done: Result<(), Stop>) -> ExitCode {
        let (tally, files) = self.shown.get();
        if tally.total() > 1 {
            self.say(&format!("{tally} in {files} file{}", if files == 1 { "" } else { "s" }));
        }
        match done {
            Ok(()) if self.deny_warnings && self.warned.get() => {
                if matches!(self.format, Format::Human { .. }) {
                    complain("error: warnings are denied");
                }
                ExitCode::from(1)
            }
            Ok(()) | Err(Stop::Closed) => ExitCode::SUCCESS,
            Err(Stop::Input) => ExitCode::from(1),
            Err(Stop::Mismatch(fault)) => {
                self.fault("mismatch", &fault);
                ExitCode::from(1)
            }
            Err(Stop::Said) => ExitCode::from(2),
            Err(Stop::Command(fault)) => {
                self.fault("command", &fault);
                ExitCode::from(2)
            }
        }
    }

    /// Says what is wrong where no file is at fault.
    fn fault(&self, code: &str, fault: &str) {
        complain(&said(self.format, code, fault));
    }
}

/// A number with the digits that an f32 needs; `null` for NaN and infinities, which JSON does not have.
pub(super) fn number(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// How the user wants diagnostics.
fn format(talk: &TalkArgs) -> Format {
    match talk.error_format {
        ErrorFormat::Human => {
            Format::Human { color: takes_color(talk.color, std::io::stderr().is_terminal()) }
        }
        ErrorFormat::Json => Format::Json,
        ErrorFormat::Github => Format::Github,
    }
}

/// Says that the common flags are wrong, and how.
pub(super) fn refuse(talk: &TalkArgs, fault: &str) {
    complain(&said(format(talk), "command", fault));
}

/// What is said where no file is at fault.
fn said(format: Format, code: &str, fault: &str) -> String {
    match format {
        Format::Human { .. } => format!("error: {}", render::many_lines(fault)),
        Format::Json => json_fault(code, fault),
        Format::Github => format!("::error title={code}::{}", fault.replace('\n', "%0A")),
    }
}

/// What is said in JSON where no file is at fault.
pub(super) fn json_fault(code: &str, fault: &str) -> String {
    let fault = serde_json::json!({
        "code": code, "severity": "error", "message": fault,
        "file": null, "labels": [], "help": null,
    });
    fault.to_string()
}

/// Whether arguments that cannot be read ask for JSON all the same.
pub(super) fn wants_json(args: impl IntoIterator<Item = OsString>) -> bool {
    let args: Vec<OsString> = args.into_iter().collect();
    let pair = |it: &[OsString]| it[0] == "--error-format" && it[1] == "json";
    args.windows(2).any(pair) || args.iter().any(|it| it == "--error-format=json")
}

/// Writes a line to standard error; a closed pipe is no fault.
pub(super) fn complain(text: &str) {
    talk(&format!("{text}\n"));
}

fn talk(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether to colour: as the user says, else on a terminal, unless `NO_COLOR` (no-color.org) or a dumb
/// terminal forbids it. `CLICOLOR_FORCE` colours pipes too.
fn takes_color(wanted: Color, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if std::env::var_os("CLICOLOR_FORCE").is_some_and(|it| it != "0") => true,
        Color::Auto => is_terminal && std::env::var_os("TERM").is_none_or(|it| it != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_f32_allows() {
        assert_eq!(number(0.1).to_string(), "0.1");
        assert_eq!(number(f32::NAN), Value::Null);
    }
}
