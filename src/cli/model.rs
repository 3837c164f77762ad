//! ONNX files where a command takes a net.

use std::fs::File;
use std::path::{Component, Path};

use super::args::{self, Input, NetArgs};
use super::terminal::{Stop, Terminal};
use super::{build, files};
use crate::diag::{Diagnostic, Span};
use crate::onnx::proto::Extent;
use crate::onnx::{self, Constant, Declared, Imported, Options};
use crate::report::shown;
use crate::weights::Bytes;
use crate::weights::npy::Array;

/// Whether a file is a model of ONNX's: by its name, or by its first byte, the mark of the first field that a model
/// has, which begins no text.
pub(super) fn is_model(path: &Path) -> bool {
    const VERSION_FIELD: u8 = 8;
    files::is_named(path, "onnx") || files::first_byte(path) == Some(VERSION_FIELD)
}

/// A model and which of its inputs were given as constants.
pub(super) struct Model {
    pub(super) imported: Imported,
    pub(super) constants: Vec<String>,
}

/// A model file, and the flags about its inputs under their names in the file.
pub(super) struct Source {
    file: onnx::File,
    pub(super) inputs: Vec<Input>,
}

/// Reads a model file.
pub(super) fn read(terminal: &Terminal, path: &Path, args: &NetArgs) -> Result<Source, Stop> {
    if let Some((param, _)) = args.set.first() {
        let fault = format!("a model has no parameters, so `--set {param}=..` means nothing");
        return Err(Stop::Command(fault));
    }
    if let Some(net) = &args.net {
        let fault = format!("a model is one net, so `--net {net}` means nothing: leave it out");
        return Err(Stop::Command(fault));
    }
    let bytes = files::positioned_with_room(path)?;
    let file = onnx::File::open(&files::name(path), bytes);
    let file = file.map_err(|it| broken(terminal, path, &it))?;
    let names: Vec<&str> = file.inputs().iter().map(|it| it.name.as_str()).collect();
    let inputs: Vec<Input> = args.input.iter().map(|it| it.about_one_of(&names)).collect();
    check_shapes(file.inputs(), &inputs)?;
    Ok(Source { file, inputs })
}

/// Whether the shapes that the flags give are shapes of the model's inputs.
fn check_shapes(declared: &[Declared], given: &[Input]) -> Result<(), Stop> {
    for input in given {
        let (Some(name), Some(shape)) = (&input.name, &input.shape) else { continue };
        let Some(it) = declared.iter().find(|it| it.name == *name) else {
            let known: Vec<String> = declared.iter().map(|it| shown(&it.name)).collect();
            let known = known.join("`, `");
            let fault = format!("the model has no input `{}`; it has `{known}`", shown(name));
            return Err(Stop::Command(fault));
        };
        if let Some(dims) = &it.dims
            && !it.admits(shape)
        {
            let (name, given, said) = (shown(name), args::written(shape), open(dims, None));
            let cure = "its numbers are fixed in the file";
            let fault = format!("`--input {name}={given}`: the input is {said}; {cure}");
            return Err(Stop::Command(fault));
        }
    }
    Ok(())
}

/// Declared extents as a user writes them, `?` being what is left open; the first may be a batch.
fn open(declared: &[Extent], batch: Option<usize>) -> String {
    let extent = |(axis, it): (usize, &Extent)| match (it, batch) {
        (Extent::Size(size), _) if *size > 0 => size.to_string(),
        (_, Some(batch)) if axis == 0 && declared.len() > 1 => batch.to_string(),
        _ => "?".to_owned(),
    };
    declared.iter().enumerate().map(extent).collect::<Vec<_>>().join("x")
}

/// Says why a model is not imported: all that is wrong with it, or what to give.
fn broken(terminal: &Terminal, path: &Path, error: &onnx::Error) -> Stop {
    let fault = |it: &str| Diagnostic::error("broken-model", Span::default(), it);
    let found = match error {
        onnx::Error::Invalid(faults) => faults.iter().map(|it| fault(it)).collect(),
        other => {
            let said = other.to_string();
            let mut lines = said.lines();
            let first = fault(lines.next().unwrap_or_default());
            vec![lines.map(str::trim).fold(first, Diagnostic::note)]
        }
    };
    files::faults_of_data(terminal, path, &found)
}

/// What to give for inputs whose extents the file leaves open.
fn unsized_inputs(declared: &[Declared], names: &[String], batch: usize) -> Diagnostic {
    const SHOWN: usize = 5;
    let flag = |name: &String| {
        let dims = declared.iter().find(|it| it.name == *name).and_then(|it| it.dims.as_ref());
        let dims = dims.map_or_else(|| "SHAPE".to_owned(), |it| open(it, Some(batch)));
        format!("--input {}={dims}", shown(name))
    };
    let flags: Vec<String> = names.iter().take(SHOWN).map(flag).collect();
    let quoted: Vec<String> =
        names.iter().take(SHOWN).map(|it| format!("`{}`", shown(it))).collect();
    let message = format!("the file leaves extents of {} open", quoted.join(", "));
    let help = format!("give them, with a number for each `?`: `{}`", flags.join(" "));
    Diagnostic::error("broken-model", Span::default(), message).help(help)
}

/// Imports a model at the sizes of the flags and of the arrays, which are named. An input whose value decides
/// a shape is a constant; its array is its value.
pub(super) fn import(
    terminal: &Terminal,
    path: &Path,
    args: &NetArgs,
    source: &Source,
    arrays: &[(&str, &Array)],
) -> Result<Model, Stop> {
    let shapes = build::options(terminal, args, &source.inputs, &[])?.inputs;
    let of = |name: &str| arrays.iter().find(|it| it.0 == name).map(|it| it.1);
    let folder = files::folder(path).to_owned();
    let external = |name: &str| beside(&folder, name);
    let mut values: Vec<(String, Constant)> = Vec::new();
    loop {
        let is_free = |name: &str| !values.iter().any(|it| it.0 == name);
        let mut inputs: Vec<(String, Vec<usize>)> =
            shapes.iter().filter(|it| is_free(&it.0)).cloned().collect();
        for declared in source.file.inputs().iter().filter(|it| is_free(&it.name)) {
            if let Some(array) = of(&declared.name)
                && declared.admits(&array.dims)
                && !inputs.iter().any(|it| it.0 == declared.name)
            {
                inputs.push((declared.name.clone(), array.dims.clone()));
            }
        }
        let options = Options {
            inputs: &inputs,
            values: &values,
            batch: Some(args.batch()),
            external: Some(&external),
        };
        let error = match source.file.import(&name(path), &options) {
            Ok(imported) => {
                let names = source.file.inputs().iter().map(|it| it.name.clone());
                let is_input = |name: &String| imported.inputs.iter().any(|it| it.name == *name);
                build::check_batch(
                    args,
                    &imported.graph,
                    "the file fixes it; export the model with an open first extent",
                )?;
                let constants = names.filter(|it| !is_input(it)).collect();
                return Ok(Model { imported, constants });
            }
            Err(error) => error,
        };
        let known = values.len();
        if let onnx::Error::NeedsValues(names) = &error {
            let found = names.iter().filter_map(|name| Some((name.clone(), constant(of(name)?))));
            values.extend(found);
        }
        if let onnx::Error::NeedsExtents(names) = &error {
            return Err(unsized_fault(terminal, path, args, source, arrays, names));
        }
        if values.len() == known {
            return Err(broken(terminal, path, &error));
        }
    }
}

/// What is wrong where extents stay open: an array that does not fit, or nothing says what they are.
fn unsized_fault(
    terminal: &Terminal,
    path: &Path,
    args: &NetArgs,
    source: &Source,
    arrays: &[(&str, &Array)],
    names: &[String],
) -> Stop {
    let declared = source.file.inputs();
    for (name, array) in arrays.iter().filter(|it| names.iter().any(|name| name == it.0)) {
        let dims = declared.iter().find(|it| it.name == *name).and_then(|it| it.dims.as_ref());
        let file = source.inputs.iter().find(|it| it.name.as_deref() == Some(name));
        if let (Some(dims), Some(file)) = (dims, file.and_then(|it| it.path.as_ref())) {
            let (given, name) = (args::written(&array.dims), shown(name));
            let fault = format!("the array is {given}, the input `{name}` is {}", open(dims, None));
            return files::fault_of_data(terminal, file, "broken-input", fault);
        }
    }
    let fault = unsized_inputs(declared, names, args.batch());
    files::faults_of_data(terminal, path, &[fault])
}

fn constant(array: &Array) -> Constant {
    match array.ints() {
        Some(data) => Constant::whole(array.dims.clone(), data),
        None => Constant::real(array.dims.clone(), array.floats()),
    }
}

/// What a net is called that comes from a file.
pub(super) fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name: String =
        stem.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) {
        name.insert_str(0, "Net_");
    }
    name
}

/// A file inside a folder: no link on the way, and no file that has another name.
fn beside(folder: &Path, name: &str) -> Result<Box<dyn Bytes>, String> {
    let refuse = |why: &str| Err(format!("{name:?} {why}"));
    if !onnx::is_inside(name) {
        return refuse("is not inside the model's folder");
    }
    let failed = |it: std::io::Error| format!("{name:?}: {it}");
    let mut path = folder.to_owned();
    for part in Path::new(name).components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(part) => path.push(part),
            _ => return refuse("is not inside the model's folder"),
        }
        let about = std::fs::symlink_metadata(&path).map_err(failed)?;
        if about.is_symlink() {
            return refuse("is a link");
        }
    }
    let file = File::open(&path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&about) > 1 {
        return refuse("has several names on the disk");
    }
    if !about.is_file() {
        return refuse("is not a file");
    }
    files::opened(file, about).map_err(failed)
}
