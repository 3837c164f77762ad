//! The contract of the command line: exit codes, streams, JSON, and what hostile inputs may do (nothing).

#[path = "cli/detecting.rs"]
mod detecting;
#[path = "cli/halves.rs"]
mod halves;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/models.rs"]
mod models;
#[path = "support/onnx.rs"]
#[expect(dead_code, reason = "another suite uses the rest")]
mod onnx;
#[path = "cli/refusing.rs"]
mod refusing;
#[path = "cli/remembering.rs"]
mod remembering;
#[path = "cli/running.rs"]
mod running;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A net with a convolution and a fully connected layer.
const SMALL: &str = "net Small(classes = 3) {
  input image: f32[N, 1, 8, 8]
  conv(2, 3) -> relu -> maxpool(2)
  flatten -> fc(classes)
  output scores
}
";

/// What a command did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    #[track_caller]
    fn exits(self, code: i32) -> Done {
        assert_eq!(self.code, code, "standard error: {}\nstandard output: {}", self.err, self.out);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|it| panic!("{it}: {}", self.out))
    }
}

fn netc(args: &[&str]) -> Done {
    fed(args, b"")
}

fn fed(args: &[&str], input: &[u8]) -> Done {
    let mut child = command(args).stdin(Stdio::piped()).spawn().expect("netc starts");
    // A command that never reads its input closes it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("netc ends");
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netc"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE", "NETC_CACHE"] {
        command.env_remove(name);
    }
    command
}

/// A folder with files in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path of text").to_owned()
    }

    fn write(&self, name: &str, data: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, data).expect("the folder can be written");
        path
    }
}

fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("there are models")
        .map(|it| it.expect("a file").path())
        .filter(|it| it.extension().is_some_and(|it| it == "net"))
        .collect();
    files.sort();
    assert!(files.len() > 10, "the models are there");
    files
}

#[test]
fn a_good_file_is_checked_in_silence() {
    let folder = Folder::new();
    let file = folder.write("a.net", SMALL);
    let done = netc(&["check", &file]).exits(0);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("", ""));
    fed(&["check", "-"], SMALL.as_bytes()).exits(0);
    for model in models() {
        netc(&["check", model.to_str().expect("a path of text")]).exits(0);
    }
}

#[test]
fn exit_codes_say_whose_fault_it_was() {
    let folder = Folder::new();
    let good = folder.write("good.net", SMALL);
    let bad = folder.write("bad.net", SMALL.replace("relu", "rellu"));
    let done = netc(&["check", &bad]).exits(1);
    assert!(
        done.err.contains("error[unknown-layer]") && done.err.contains("`relu`"),
        "{}",
        done.err
    );
    netc(&["check", &bad, &good]).exits(1);
    netc(&["report", &bad]).exits(1);
    netc(&["check", &folder.path("missing.net")]).exits(2);
    netc(&["check", folder.0.path().to_str().expect("a path of text")]).exits(2);
    netc(&["check"]).exits(2);
    netc(&["check", "--no-such-flag", &good]).exits(2);
    netc(&["frobnicate"]).exits(2);
    netc(&["check", "--limit", "nonsense=1", &good]).exits(2);
    netc(&["check", "--batch", "0", &good]).exits(2);
    netc(&["report", &good, "--input", "1x1x8x8"]).exits(2);
    netc(&["graph", &good, "-o", &folder.path("no/such/folder.svg")]).exits(2);
    netc(&["--version"]).exits(0);
    netc(&["--help"]).exits(0);
}

#[test]
fn warnings_pass_unless_denied() {
    let folder = Folder::new();
    let uneven = "net A {\n  input x: f32[N, 1, 8, 8]\n  conv(2, 3, 2)\n  output y\n}\n";
    let file = folder.write("a.net", uneven);
    let done = netc(&["check", &file]).exits(0);
    assert!(done.err.contains("warning["), "{}", done.err);
    netc(&["check", "--deny", "warnings", &file]).exits(1);
    assert_eq!(netc(&["check", "-q", &file]).exits(0).err, "");
}

#[test]
fn diagnostics_as_json_are_one_object_a_line() {
    let done =
        fed(&["check", "--error-format", "json", "-"], b"net A {\n  rellu\n  convv(1, 1)\n}\n");
    let lines: Vec<Value> =
        done.err.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    assert_eq!(done.code, 1);
    assert!(!lines.is_empty());
    for line in &lines {
        for key in ["code", "severity", "message", "file", "line", "column", "start", "end"] {
            assert!(!line[key].is_null(), "{key} is missing in {line}");
        }
        assert!(line["labels"].is_array() && line.get("help").is_some());
        assert!(line["line"].as_u64() >= Some(1) && line["column"].as_u64() >= Some(1));
    }
    let done = netc(&["check", "--error-format", "json", "no-such-file.net"]).exits(2);
    let fault: Value = serde_json::from_str(done.err.trim()).expect("JSON");
    assert_eq!(fault["code"], "command");
    let done = netc(&["check", "--error-format", "json", "--no-such-flag"]).exits(2);
    let fault: Value = serde_json::from_str(done.err.trim()).expect("JSON");
    assert_eq!(fault["code"], "command");
    let done = fed(&["check", "--error-format", "github", "-"], b"net A { rellu }").exits(1);
    assert!(done.err.starts_with("::error file="), "{}", done.err);
}

#[test]
fn a_report_has_the_figures_and_the_form_of_the_contract() {
    let report = netc(&["report", "models/lenet5.net", "--format", "json"]).exits(0).json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["net"], "LeNet5");
    assert_eq!(report["inputs"][0], serde_json::json!({"name": "image", "shape": [1, 1, 32, 32]}));
    assert_eq!(report["outputs"][0], serde_json::json!({"name": "logits", "shape": [1, 10]}));
    let first = serde_json::json!({
        "path": "conv1", "op": "conv", "shape": [6, 28, 28], "elements": 4704, "params": 156,
        "buffers": 0, "macs": 117_600, "receptive_field": [5, 5],
    });
    assert_eq!(report["layers"][0], first);
    let totals = &report["totals"];
    assert_eq!(totals["params"], 61_706);
    assert_eq!(totals["macs"], 416_520);
    assert_eq!(totals["weight_bytes"], 246_824);
    assert!(totals["arena_bytes"].as_u64() > Some(0));
    let fields: Vec<&Value> = report["layers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["receptive_field"][0])
        .collect();
    assert_eq!(fields, [5, 5, 6, 14, 14, 16, 16, 32, 32, 32, 32, 32]);
    let batch = netc(&["report", "models/lenet5.net", "--batch", "4", "--format", "json"]).json();
    assert_eq!(batch["totals"]["macs"], 416_520);
    assert_eq!(batch["inputs"][0]["shape"][0], 4);
    assert_eq!(batch["layers"][0]["shape"], serde_json::json!([6, 28, 28]));
    let hwc = ["report", "models/lenet5.net", "--order", "hwc", "--format", "json"];
    assert_eq!(netc(&hwc).json()["layers"][0]["shape"], serde_json::json!([28, 28, 6]));
}

#[test]
fn a_shared_layer_counts_once() {
    let net = "net A {\n  input a, b: f32[N, 8]\n  shared f: fc(4)\n  x = a -> f\n  y = b -> f\n  output z = x + y\n}\n";
    let done = fed(&["report", "-", "--format", "json"], net.as_bytes()).exits(0).json();
    let params: Vec<u64> = done["layers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["params"].as_u64().expect("a number"))
        .collect();
    assert_eq!(params, [36, 0, 0]);
    assert_eq!(done["totals"]["params"], 36);
    assert_eq!(done["totals"]["macs"], 64);
}

#[test]
fn the_report_for_people() {
    let text = netc(&["report", "models/lenet5.net"]).exits(0).out;
    insta::with_settings!({filters => vec![(r"arena [0-9.]+ \w+", "arena [bytes]")]}, {
        insta::assert_snapshot!("report_text", text);
    });
    let markdown = netc(&["report", "models/lenet5.net", "--format", "markdown"]).exits(0).out;
    insta::assert_snapshot!("report_markdown", markdown);
}

#[test]
fn help_teaches() {
    let mut all = netc(&["--help"]).exits(0).out;
    let commands: Vec<String> = all
        .lines()
        .skip_while(|it| !it.starts_with("Commands:"))
        .skip(1)
        .take_while(|it| it.starts_with("  "))
        .filter_map(|it| it.split_whitespace().next().map(str::to_owned))
        .filter(|it| it != "help")
        .collect();
    assert_eq!(netc(&["help", "fmt"]).exits(0).out, netc(&["fmt", "--help"]).out);
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let help = netc(&[&command, "--help"]).exits(0).out;
        let examples = help.split("Examples:").nth(1).expect("every command has examples");
        assert!(examples.matches("netc ").count() >= 2, "{command} has two examples");
        all.push_str(&format!("\n== {command}\n{help}"));
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn a_file_of_several_nets_wants_a_name() {
    let net = "net A {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\nnet B {\n  input x: f32[N, 8]\n  fc(3)\n  output y\n}\n";
    let done = fed(&["report", "-"], net.as_bytes()).exits(1);
    assert!(
        done.err.contains('A') && done.err.contains('B') && done.err.contains("--net"),
        "{}",
        done.err
    );
    let one =
        fed(&["report", "-", "--net", "B", "--format", "json"], net.as_bytes()).exits(0).json();
    assert_eq!(one["net"], "B");
    fed(&["report", "-", "--net", "C"], net.as_bytes()).exits(1);
    let set = ["report", "-", "--set", "classes=7", "--format", "json"];
    assert_eq!(fed(&set, SMALL.as_bytes()).exits(0).json()["outputs"][0]["shape"][1], 7);
}

#[test]
fn colours_are_the_users_choice() {
    let bad = SMALL.replace("relu", "rellu");
    let colours = |args: &[&str], env: Option<(&str, &str)>| {
        let folder = Folder::new();
        let file = folder.write("a.net", &bad);
        let mut command = command(&[&["check", &file], args].concat());
        command.envs(env);
        let output = command.output().expect("netc ends");
        output.stderr.contains(&0x1b)
    };
    assert!(!colours(&[], None), "a pipe has no colours");
    assert!(colours(&["--color", "always"], None));
    assert!(colours(&[], Some(("CLICOLOR_FORCE", "1"))));
    assert!(!colours(&[], Some(("NO_COLOR", "1"))));
    assert!(!colours(&["--color", "never"], Some(("CLICOLOR_FORCE", "1"))));
}

#[test]
fn a_closed_pipe_is_no_fault() {
    for args in [
        &["report", "models/resnet.net", "--net", "ResNet50"][..],
        &["ops"],
        &["completions", "bash"],
    ] {
        let mut child = command(args).spawn().expect("netc starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("netc ends");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn every_layer_is_explained() {
    let ops = netc(&["ops", "--format", "json"]).exits(0).json();
    let names: Vec<&str> = ops["ops"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["name"].as_str().expect("text"))
        .collect();
    assert!(names.contains(&"conv") && names.contains(&"concat"));
    for name in names {
        assert!(netc(&["explain", name]).exits(0).out.contains(name));
    }
    netc(&["explain", "unknown-layer"]).exits(0);
    let done = netc(&["explain", "convv"]).exits(2);
    assert!(done.err.contains("`conv`"), "{}", done.err);
}

#[test]
fn formatting_checks_shows_and_writes() {
    let folder = Folder::new();
    let file = folder.write("a.net", SMALL.replace("  conv", "      conv"));
    let done = netc(&["fmt", "--check", "--diff", &file]).exits(1);
    assert!(done.out.contains("-      conv") && done.out.contains("+  conv"), "{}", done.out);
    netc(&["fmt", &file]).exits(0);
    netc(&["fmt", "--check", &file]).exits(0);
    let written = std::fs::read_to_string(&file).expect("the file is there");
    assert_eq!(fed(&["fmt", "-"], written.as_bytes()).exits(0).out, written);
    fed(&["fmt", "-"], b"net {").exits(1);
}

#[test]
fn pictures_are_well_formed() {
    for net in ["models/lenet5.net", "models/googlenet.net", "models/siamese.net"] {
        let svg = netc(&["graph", net]).exits(0).out;
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        for tag in ["g", "text", "title"] {
            let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
            let opened = svg
                .match_indices(&opened)
                .filter(|(at, it)| matches!(svg.as_bytes()[at + it.len()], b' ' | b'>'));
            assert_eq!(opened.count(), svg.matches(&closed).count(), "{net}: {tag}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{net}");
    }
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(netc(&["completions", shell]).exits(0).out.contains("report"));
    }
}

#[test]
fn stages_can_be_printed() {
    for stage in ["ast", "graph", "passes", "plan", "clif", "asm"] {
        let out = netc(&["dump", "models/lenet5.net", "--stage", stage]).exits(0).out;
        assert!(out.contains("conv"), "{stage}: {out}");
    }
    let why = netc(&["why", "models/lenet5.net", "conv1"]).exits(0).out;
    assert!(why.contains("conv1"), "{why}");
    netc(&["why", "models/lenet5.net", "conv9"]).exits(2);
}
