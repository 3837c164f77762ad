//! ONNX files where a command takes a net.

use std::fs::File;
use std::path::{Component, Path};

use super::args::{Input, NetArgs};
use super::terminal::{Stop, Terminal};
use super::{build, files};
use crate::onnx::{self, Constant, Imported, Options};
use crate::weights::Bytes;
use crate::weights::npy::Array;

/// Whether a file is a model of ONNX's, by its name.
pub(super) fn is_model(path: &Path) -> bool {
    files::is_named(path, "onnx")
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
    let bytes = files::positioned_with_room(path)?;
    let file = onnx::File::open(&files::name(path), bytes);
    let file = file.map_err(|it| broken(terminal, path, &it))?;
    let names: Vec<&str> = file.inputs().iter().map(|it| it.name.as_str()).collect();
    let inputs = args.input.iter().map(|it| it.about_one_of(&names)).collect();
    Ok(Source { file, inputs })
}

fn broken(terminal: &Terminal, path: &Path, error: &onnx::Error) -> Stop {
    files::fault_of_data(terminal, path, "broken-model", error.to_string())
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
            let rank = declared.dims.as_ref().map(Vec::len);
            if let Some(array) = of(&declared.name)
                && rank.is_none_or(|it| it == array.dims.len())
                && !inputs.iter().any(|it| it.0 == declared.name)
            {
                inputs.push((declared.name.clone(), array.dims.clone()));
            }
        }
        let options = Options {
            inputs: &inputs,
            values: &values,
            batch: Some(args.batch),
            external: Some(&external),
        };
        let error = match source.file.import(&name(path), &options) {
            Ok(imported) => {
                let names = source.file.inputs().iter().map(|it| it.name.clone());
                let is_input = |name: &String| imported.inputs.iter().any(|it| it.name == *name);
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
        if values.len() == known {
            return Err(broken(terminal, path, &error));
        }
    }
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
        return refuse("is no file");
    }
    files::opened(file, about).map_err(failed)
}
