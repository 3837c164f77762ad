//! ONNX files where a command takes a net.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use super::args::NetArgs;
use super::files;
use super::terminal::{Stop, Terminal};
use crate::onnx::{self, Constant, Imported, Options};
use crate::weights::npy;

/// Whether a file is a model of ONNX's, by its name.
pub(super) fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("onnx"))
}

/// Imports a model, or says what is wrong with it.
pub(super) fn import(
    terminal: &Terminal,
    path: &Path,
    args: &NetArgs,
    shapes: &[(String, Vec<usize>)],
) -> Result<Model, Stop> {
    try_import(path, args, shapes)?
        .map_err(|it| files::fault_of_data(terminal, path, "broken-model", it.to_string()))
}

/// A model and which of its inputs were given as constants.
pub(super) struct Model {
    pub(super) imported: Imported,
    pub(super) constants: Vec<String>,
}

/// Imports a model at the sizes that the flags give; inputs whose values decide shapes are constants.
pub(super) fn try_import(
    path: &Path,
    args: &NetArgs,
    shapes: &[(String, Vec<usize>)],
) -> Result<Result<Model, onnx::Error>, Stop> {
    if let Some((param, _)) = args.set.first() {
        let fault = format!("a model has no parameters, so `--set {param}=..` means nothing");
        return Err(Stop::Command(fault));
    }
    let folder = files::folder(path).to_owned();
    let external = |name: &str, offset: u64, length: u64| beside(&folder, name, offset, length);
    let mut values: Vec<(String, Constant)> = Vec::new();
    loop {
        let inputs: Vec<_> = shapes
            .iter()
            .filter(|it| !values.iter().any(|value| value.0 == it.0))
            .cloned()
            .collect();
        let options = Options { inputs: &inputs, values: &values, external: Some(&external) };
        let error = match onnx::import(files::bytes(path)?, &name(path), &options) {
            Ok(imported) => {
                let constants = values.into_iter().map(|it| it.0).collect();
                return Ok(Ok(Model { imported, constants }));
            }
            Err(error) => error,
        };
        let known = values.len();
        if let onnx::Error::NeedsValues(names) = &error {
            for name in names {
                values.extend(value(args, name)?.map(|it| (name.clone(), it)));
            }
        }
        if values.len() == known {
            return Ok(Err(error));
        }
    }
}

/// What a net is called that comes from a file.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name: String =
        stem.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) {
        name.insert_str(0, "Net_");
    }
    name
}

/// The value of an input that the flags give as an array.
fn value(args: &NetArgs, name: &str) -> Result<Option<Constant>, Stop> {
    let input = args.input.iter().find(|it| it.name.as_deref() == Some(name));
    let Some(path) = input.and_then(|it| it.path.as_deref()) else { return Ok(None) };
    let wrong = |it: String| Stop::Command(format!("the value of `{name}`: {it}"));
    let array =
        npy::read(&files::name(path), &files::bytes(path)?).map_err(|it| wrong(it.message))?;
    let whole = array.data.iter().all(|it| it.fract() == 0.0);
    let dims = array.shape.dims().to_vec();
    Ok(Some(match whole {
        true => Constant::whole(dims, array.data.iter().map(|&it| it as i64).collect()),
        false => Constant::real(dims, array.data),
    }))
}

/// Part of a file inside a folder: no link on the way, and no file that has another name.
fn beside(folder: &Path, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    let refuse = |why: &str| Err(format!("{name:?} {why}"));
    if !onnx::is_inside(name) {
        return refuse("is not inside the model's folder");
    }
    let mut path = folder.to_owned();
    for part in Path::new(name).components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(part) => path.push(part),
            _ => return refuse("is not inside the model's folder"),
        }
        let about = std::fs::symlink_metadata(&path).map_err(|it| format!("{name:?}: {it}"))?;
        if about.is_symlink() {
            return refuse("is a link");
        }
    }
    let mut file = File::open(&path).map_err(|it| format!("{name:?}: {it}"))?;
    let about = file.metadata().map_err(|it| format!("{name:?}: {it}"))?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&about) > 1 {
        return refuse("has several names on the disk");
    }
    let end = offset.checked_add(length).filter(|it| *it <= about.len() && about.is_file());
    let (Some(_), Ok(size)) = (end, usize::try_from(length)) else {
        return refuse(&format!("has no {length} bytes from {offset}"));
    };
    let mut bytes = vec![0; size];
    let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|it| format!("{name:?}: {it}"))?;
    Ok(bytes)
}
