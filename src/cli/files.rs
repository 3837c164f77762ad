//! Files in and out, and the faults of both.

use std::error::Error;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufWriter, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::model;
use super::terminal::{Stop, Terminal};
use crate::diag::render::is_command;
use crate::diag::{Diagnostic, FileId, Source, Sources, Span};
use crate::graph::Graph;
use crate::syntax;
use crate::weights::{self, Bytes, Weights, npz};

/// What a user calls standard input and standard output.
pub(super) const STREAM: &str = "-";

/// The permissions of a new file before the user's umask takes some away.
#[cfg(unix)]
const FILE_MODE: u32 = 0o666;

/// The most bytes that a file of data may have, where the system does not say how much memory it has.
const DATA_MAX: u64 = 1 << 36;

/// The name of a file as it is shown and as `use` sees it.
pub(super) fn name(path: &Path) -> String {
    if is_stream(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

/// Whether the name of a file ends as those of its kind do: `is_named(path, "npz")`.
pub(super) fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case(extension))
}

/// Whether a path stands for standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == STREAM
}

/// A path as it can be given to a shell.
pub(super) fn quoted(path: &Path) -> String {
    let name = path.display().to_string();
    let plain = |it: char| it.is_ascii_alphanumeric() || "_-./+,:@%".contains(it);
    let name = if name.starts_with('-') { format!("./{name}") } else { name };
    if name.chars().all(plain) { name } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

/// Reads a file, or standard input for `-`, as far as one byte beyond `max`: a device has no end.
/// Standard input is read once: who reads it again gets nothing.
fn read(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut bytes = Vec::new();
    let read = if is_stream(path) {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err("it can be read once, and `-` is given twice".to_owned());
        }
        std::io::stdin().lock().take(max + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|it| it.take(max + 1).read_to_end(&mut bytes))
    };
    read.map_err(|it| it.to_string())?;
    Ok(bytes)
}

/// The first byte of an ordinary file, or of standard input, where it stays.
pub(super) fn first_byte(path: &Path) -> Option<u8> {
    if is_stream(path) {
        return std::io::stdin().lock().fill_buf().ok()?.first().copied();
    }
    let mut first = [0];
    ordinary(path)?.read_exact(&mut first).ok()?;
    Some(first[0])
}

/// An ordinary file, opened. Who opens a pipe and closes it again has read from it.
fn ordinary(path: &Path) -> Option<File> {
    std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    File::open(path).ok()
}

/// A file that is written in one of these formats has its name, or none: a device has no extension.
pub(super) fn check_extension(flag: &str, path: &Path, known: &[&str]) -> Result<(), Stop> {
    if path.extension().is_none() || known.iter().any(|it| is_named(path, it)) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(|it| format!(".{it}")).collect();
    let (known, name) = (known.join(" and "), name(path));
    Err(Stop::Command(format!("`{flag}` writes {known} files, not `{name}`")))
}

fn unreadable(path: &Path, fault: &str) -> Stop {
    Stop::Command(format!("cannot read `{}`: {fault}", name(path)))
}

/// Reads a file of bytes that a command needs, if the machine has room for it.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Stop> {
    let max = data_max();
    let bytes = read(path, max).map_err(|it| unreadable(path, &it))?;
    check_size(path, bytes.len() as u64, max)?;
    Ok(bytes)
}

fn data_max() -> u64 {
    memory().map_or(DATA_MAX, |it| it / 4 * 3)
}

fn check_size(path: &Path, size: u64, max: u64) -> Result<(), Stop> {
    if size > max {
        return Err(unreadable(path, &format!("it has more than {max} bytes")));
    }
    Ok(())
}

/// The machine's memory in bytes, where the system says.
pub(super) fn memory() -> Option<u64> {
    let about = String::from_utf8(read(Path::new("/proc/meminfo"), 1 << 16).ok()?).ok()?;
    let line = about.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|it| it * 1024)
}

/// Reads a file of lines.
pub(super) fn lines(terminal: &Terminal, path: &Path) -> Result<Vec<String>, Stop> {
    let said = String::from_utf8(text(terminal, path)?).ok();
    let strange = |it: char| it != '\n' && it != '\r' && it != '\t' && is_command(it);
    let said = said.filter(|it| !it.contains(strange)).ok_or_else(|| {
        fault_of_data(
            terminal,
            path,
            "broken-input",
            "this is not a text with one name a line".to_owned(),
        )
    })?;
    Ok(said.lines().map(|it| it.trim().to_owned()).collect())
}

/// Reads a file that people write, within the limit of the language.
fn text(terminal: &Terminal, path: &Path) -> Result<Vec<u8>, Stop> {
    let max = terminal.limits.bytes;
    let bytes = read(path, max as u64).map_err(|it| unreadable(path, &it))?;
    if bytes.len() <= max {
        return Ok(bytes);
    }
    let fault =
        Diagnostic::error("limit", Span::default(), format!("the file has more than {max} bytes"))
            .help("`--limit bytes=N` changes this limit, if the file is meant so");
    Err(fault_of_file(terminal, name(path), String::new(), fault))
}

/// A file of bytes that is read by position, so that only what is asked for comes into memory. A file that cannot be
/// read that way is read whole.
pub(super) fn positioned(path: &Path) -> Result<Box<dyn Bytes>, Stop> {
    match on_disk(path) {
        Some(file) => Ok(Box::new(file)),
        None => Ok(Box::new(bytes(path)?)),
    }
}

/// [`positioned`] of a file much of which may come into memory, if the machine has room for that.
pub(super) fn positioned_with_room(path: &Path) -> Result<Box<dyn Bytes>, Stop> {
    let bytes = positioned(path)?;
    check_size(path, bytes.count(), data_max())?;
    Ok(bytes)
}

/// An ordinary file, if it is one and this system reads files by position.
pub(super) fn on_disk(path: &Path) -> Option<OnDisk> {
    let file = ordinary(path)?;
    let about = file.metadata().ok()?;
    (cfg!(unix) && about.is_file()).then_some(OnDisk { file, about })
}

/// The bytes of an open file of which this is known, by position if it can be.
pub(super) fn opened(mut file: File, about: Metadata) -> std::io::Result<Box<dyn Bytes>> {
    if cfg!(unix) && about.is_file() {
        return Ok(Box::new(OnDisk { file, about }));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Box::new(bytes))
}

/// An ordinary file. It is read, never mapped: who cuts it off causes an error, not the end of the process.
#[derive(Debug)]
pub(super) struct OnDisk {
    file: File,
    about: Metadata,
}

/// Seconds after a change within which another one may bear the same time.
const UNSETTLED: u64 = 2;

impl Bytes for OnDisk {
    fn count(&self) -> u64 {
        self.about.len()
    }

    #[cfg(unix)]
    fn identity(&self) -> Option<String> {
        use std::os::unix::fs::MetadataExt as _;
        let it = &self.about;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let is_settled = u64::try_from(it.ctime()).ok()?.saturating_add(UNSETTLED) < now;
        is_settled.then(|| {
            let (written, changed) = ((it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec()));
            format!("{} {} {} {written:?} {changed:?}", it.dev(), it.ino(), it.len())
        })
    }

    fn read(&self, from: u64, to: &mut [u8]) -> Result<(), String> {
        read_at(&self.file, from, to).map_err(|it| match it.kind() {
            ErrorKind::UnexpectedEof => "the file has been cut off".to_owned(),
            _ => it.to_string(),
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, from: u64, to: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, from)
}

#[cfg(not(unix))]
fn read_at(_: &File, _: u64, _: &mut [u8]) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Reads the first file of a net. Text that is not UTF-8 is a fault of the input.
pub(super) fn source(terminal: &Terminal, path: &Path) -> Result<(Sources, FileId), Stop> {
    if model::is_model(path) {
        let fault = Diagnostic::error(
            "not-utf8",
            Span::default(),
            "this is an ONNX model, not the text of a net",
        )
        .help("`netc import MODEL -o DIR` writes it as text");
        return Err(fault_of_file(terminal, name(path), String::new(), fault));
    }
    let bytes = text(terminal, path)?;
    let mut sources = Sources::default();
    let (text, found) = syntax::decode(FileId(0), bytes);
    let root = sources.add(Source { name: name(path), text });
    terminal.diagnose(&sources, &found)?;
    Ok((sources, root))
}

/// Says what is wrong with a file, at the place that the diagnostic names in its text.
pub(super) fn fault_of_file(
    terminal: &Terminal,
    name: String,
    text: String,
    fault: Diagnostic,
) -> Stop {
    let mut sources = Sources::default();
    sources.add(Source { name, text });
    match terminal.diagnose(&sources, &[fault]) {
        Ok(()) => Stop::Input,
        Err(stop) => stop,
    }
}

/// Says what is wrong with a file that has no text to show.
pub(super) fn fault_of_data(
    terminal: &Terminal,
    path: &Path,
    code: &'static str,
    message: String,
) -> Stop {
    let fault = Diagnostic::error(code, Span::default(), message);
    fault_of_file(terminal, name(path), String::new(), fault)
}

/// Says all that is wrong with a file that has no text to show.
pub(super) fn faults_of_data(terminal: &Terminal, path: &Path, found: &[Diagnostic]) -> Stop {
    match remark(terminal, path, found) {
        Ok(()) => Stop::Input,
        Err(stop) => stop,
    }
}

/// Says what is worth knowing of a file that has no text to show.
pub(super) fn remark(terminal: &Terminal, path: &Path, found: &[Diagnostic]) -> Result<(), Stop> {
    let mut sources = Sources::default();
    sources.add(Source { name: name(path), text: String::new() });
    terminal.diagnose(&sources, found)
}

/// Reads a file that another one uses.
pub(super) fn used(terminal: &Terminal, path: &str) -> Result<Source, String> {
    let max = terminal.limits.bytes;
    let bytes = read(Path::new(path), max as u64)?;
    if bytes.len() > max {
        return Err(format!("it has more than {max} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Source { name: path.to_owned(), text })
}

/// Writes a file whole or not at all. `-` is standard output.
pub(super) fn write(terminal: &Terminal, path: &Path, data: &[u8]) -> Result<(), Stop> {
    stream(terminal, path, &mut |to| to.write_all(data))
}

/// [`write()`] for what `make` writes bit by bit.
pub(super) fn stream(
    terminal: &Terminal,
    path: &Path,
    make: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), Stop> {
    if is_stream(path) {
        return terminal.stream(make);
    }
    replace(path, |draft| {
        let mut file = BufWriter::new(File::create(draft)?);
        make(&mut file)?;
        Ok(file.flush()?)
    })
}

/// Why nothing can be written beside a file; the name of a draft would say nothing to a user.
fn no_draft(folder: &Path, fault: ErrorKind) -> String {
    let folder = name(folder);
    match fault {
        ErrorKind::NotFound => format!("there is no folder `{folder}`"),
        other => format!("no file can be made in `{folder}`: {other}"),
    }
}

/// Makes a file whole or not at all: `fill` writes a draft beside it, which then takes its place; a link
/// stays one. What is no ordinary file, such as a device, cannot be replaced and is written into.
fn replace(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), Stop> {
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let made = || -> Result<(), Box<dyn Error>> {
        if std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
            return fill(path);
        }
        let mut draft = tempfile::Builder::new();
        draft.prefix(".netc");
        #[cfg(unix)]
        draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(FILE_MODE));
        let draft = draft.tempfile_in(folder(path));
        let draft = draft.map_err(|it| no_draft(folder(path), it.kind()))?.into_temp_path();
        fill(&draft)?;
        File::open(&draft)?.sync_all()?;
        if let Ok(old) = std::fs::metadata(path) {
            std::fs::set_permissions(&draft, old.permissions())?;
        }
        draft.persist(path).map_err(|it| it.error)?;
        Ok(())
    };
    made().map_err(|it| Stop::Command(format!("cannot write `{}`: {it}", name(path))))
}

/// Writes the weights that a graph stores, as an archive of arrays for `.npz` and as safetensors for any other
/// name; whole or not at all.
pub(super) fn save(
    path: &Path,
    weights: &Weights,
    graph: &Graph,
    each: &dyn Fn(),
) -> Result<(), Stop> {
    let is_archive = is_named(path, "npz");
    replace(path, |draft| {
        if is_archive {
            npz::save(weights, graph, BufWriter::new(File::create(draft)?), each)?;
        } else {
            weights::save(weights, graph, draft, each)?;
        }
        weights.fault().map_or(Ok(()), |it| Err(it.into()))
    })
}

/// The folder in which a file stands.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
