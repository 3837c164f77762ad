//! Flags that several commands share, and how their values are read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How to talk to the user; every command takes these.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(super) struct TalkArgs {
    /// How diagnostics are written to standard error
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "human")]
    pub(super) error_format: ErrorFormat,
    /// When to colour (NO_COLOR is honoured)
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Fail (exit code 1) on warnings too
    #[arg(long, global = true, value_enum, value_name = "WHAT")]
    pub(super) deny: Option<Deny>,
    /// Change a limit of the language: --limit repeat=20000
    #[arg(long, global = true, value_name = "KEY=N", value_parser = limit)]
    pub(super) limit: Vec<(String, u64)>,
    /// The most memory a program may take, in bytes (K, M, G allowed; default: 3/4 of the machine's)
    #[arg(long, global = true, value_name = "BYTES", value_parser = bytes)]
    pub(super) max_memory: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ErrorFormat {
    /// With the source text, for people
    Human,
    /// One object a line
    Json,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    Warnings,
}

/// How data is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DataFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// A Markdown table
    Markdown,
}

/// Text or JSON, for what makes no Markdown table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum PlainFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// Which net of a file, at which sizes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The net")]
pub(super) struct NetArgs {
    /// The net, where the file has several
    #[arg(long, value_name = "NAME")]
    pub(super) net: Option<String>,
    /// A parameter of the net: --set classes=10
    #[arg(long, value_name = "PARAM=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Samples run at once: what the symbol N of the inputs is (default: 1)
    #[arg(long, value_name = "N")]
    pub(super) batch: Option<usize>,
    /// An input: its shape (image=1x3x224x224), a file (image=cat.png, .jpg, .npy) or both
    /// (image=1x3x224x224@cat.npy)
    #[arg(long, value_name = "NAME=SHAPE|PATH", value_parser = input)]
    pub(super) input: Vec<Input>,
    /// Keep the outputs that are marked @train
    #[arg(long)]
    pub(super) train: bool,
}

/// Where the weights come from.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The weights")]
pub(super) struct WeightArgs {
    /// A weights file: .safetensors or .npz, or the .weights of a Darknet network
    #[arg(long, value_name = "FILE")]
    pub(super) weights: Option<PathBuf>,
    /// Random weights; with --partial, the seed for what the file lacks
    #[arg(long, value_name = "SEED")]
    pub(super) random_weights: Option<u64>,
    /// Accept a weights file that lacks parameters or has them in other shapes: they are random (seed 0 unless
    /// --random-weights says another)
    #[arg(long, requires = "weights")]
    pub(super) partial: bool,
}

/// What the user says of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// As it was written.
    text: String,
    /// The input; `None` where the net has only one.
    pub(super) name: Option<String>,
    /// Its extents, batch first.
    pub(super) shape: Option<Vec<usize>>,
    /// Its value.
    pub(super) path: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (key, value) = pair(text)?;
    Ok((key, bytes(&value)?))
}

pub(super) fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|it: &f32| it.is_finite()).ok_or_else(|| "write a number".to_owned())
}

pub(super) fn positive(text: &str) -> Result<f32, String> {
    finite(text).ok().filter(|it| *it > 0.0).ok_or_else(|| "write a number above 0".to_owned())
}

/// A number, perhaps with a binary unit.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) =
        text.split_at(text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        _ => return Err(format!("`{unit}` is not a unit; K, M and G are")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

impl NetArgs {
    /// Samples run at once.
    pub(super) fn batch(&self) -> usize {
        self.batch.unwrap_or(1)
    }
}

/// What is said twice of inputs, or of parameters: `--input image` or so. An input without a name is the only one,
/// so that it is the one that another flag names.
pub(super) fn twice(inputs: &[Input], set: &[(String, String)]) -> Option<String> {
    let names = |at: usize| inputs[..at].iter().any(|it| it.name == inputs[at].name);
    if let Some(at) = (0..inputs.len()).find(|&it| names(it)) {
        let name = inputs[at].name.as_deref();
        let cure = "a shape and a file stand together, as in image=1x3x224x224@cat.npy";
        return Some(match name {
            Some(name) => format!("`--input {name}=..` is given twice; {cure}"),
            None => "several `--input` without a name: write NAME=PATH for each".to_owned(),
        });
    }
    if inputs.len() > 1 && inputs.iter().any(|it| it.name.is_none()) {
        return Some("`--input` without a name stands alone: write NAME=PATH for each".to_owned());
    }
    let set_before = |at: &usize| set[..*at].iter().any(|it| it.0 == set[*at].0);
    let at = (0..set.len()).find(set_before)?;
    Some(format!("`--set {}=..` is given twice", set[at].0))
}

/// Extents as a user writes them: `1x3x224x224`.
pub(super) fn written(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl Input {
    /// This as it is meant if the net's inputs have these names: a name may hold `=` itself.
    pub(super) fn about_one_of(&self, names: &[&str]) -> Input {
        let begins =
            |it: &&&str| self.text.strip_prefix(**it).is_some_and(|it| it.starts_with('='));
        let longest = names.iter().filter(begins).max_by_key(|it| it.len());
        let named = |it: &&str| parts(&self.text, Some(it), &self.text[it.len() + 1..]).ok();
        let mut meant = longest.and_then(named).unwrap_or_else(|| self.clone());
        if let (None, [only]) = (&meant.name, names) {
            meant.name = Some((*only).to_owned());
        }
        meant
    }
}

fn input(text: &str) -> Result<Input, String> {
    match text.split_once('=') {
        Some((name, value)) => parts(text, Some(name), value),
        None => parts(text, None, text),
    }
}

fn parts(text: &str, name: Option<&str>, value: &str) -> Result<Input, String> {
    let (shape, path) = match value.split_once('@') {
        Some((shape, path)) if extents(shape).is_some() => (extents(shape), Some(path)),
        _ if extents(value).is_some() => (extents(value), None),
        _ => (None, Some(value)),
    };
    if value.is_empty() || path.is_some_and(str::is_empty) {
        return Err("write NAME=SHAPE, NAME=PATH or NAME=SHAPE@PATH".to_owned());
    }
    let (text, name) = (text.to_owned(), name.map(str::to_owned));
    Ok(Input { text, name, shape, path: path.map(PathBuf::from) })
}

/// `1x3x224x224`.
fn extents(text: &str) -> Option<Vec<usize>> {
    text.split('x').map(|it| it.parse().ok().filter(|_| !it.starts_with('+'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (Option<&'a str>, Option<&'a [usize]>, Option<&'a str>);

    #[test]
    fn inputs_are_shapes_files_or_both() {
        let of = |text: &str, (name, shape, path): Parts<'_>| Input {
            text: text.to_owned(),
            name: name.map(str::to_owned),
            shape: shape.map(<[usize]>::to_vec),
            path: path.map(PathBuf::from),
        };
        let cases = [
            ("image=1x3x8x8", (Some("image"), Some(&[1, 3, 8, 8][..]), None)),
            ("a=x.npy", (Some("a"), None, Some("x.npy"))),
            ("a=1x2@b@c.npy", (Some("a"), Some(&[1, 2]), Some("b@c.npy"))),
            ("a=b@c.png", (Some("a"), None, Some("b@c.png"))),
            ("=x.npy", (Some(""), None, Some("x.npy"))),
            ("cat.jpg", (None, None, Some("cat.jpg"))),
            ("5", (None, Some(&[5]), None)),
        ];
        for (text, want) in cases {
            assert_eq!(input(text), Ok(of(text, want)), "{text}");
        }
        assert!(input("a=").is_err() && input("a=1x2@").is_err());
        let given = input("a=b=c=2x3").expect("an input");
        assert_eq!(given.path, Some("b=c=2x3".into()));
        let meant = given.about_one_of(&["a", "a=b=c", "a=b", "x"]);
        assert_eq!(meant, of("a=b=c=2x3", (Some("a=b=c"), Some(&[2, 3]), None)));
        assert_eq!(given.about_one_of(&["b"]), given);
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes("12"), Ok(12));
        assert_eq!(bytes("2K"), Ok(2048));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert!(bytes("").is_err() && bytes("1T").is_err() && bytes("99999999999G").is_err());
    }
}
