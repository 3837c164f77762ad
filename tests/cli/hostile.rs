//! Files that mean harm, and files that are broken.

use super::{Folder, SMALL, fed, netc};

/// A safetensors file with this header and so much data.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn text_that_is_none_is_the_inputs_fault() {
    let cases: &[&[u8]] =
        &[b"", b"\xff\xfe\x00", b"net \x80", b"\0\0\0", b"\x1b[31m", b"}}}}", b"\n\n\n"];
    for input in cases {
        let done = fed(&["check", "--error-format", "json", "-"], input).exits(1);
        for line in done.err.lines() {
            let fault: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(fault["line"].as_u64() >= Some(1), "{line}");
        }
        assert!(!done.err.is_empty());
        let human = fed(&["check", "-"], input).exits(1);
        assert!(!human.err.contains('\u{1b}'), "control characters are escaped");
        assert!(human.err.contains("<stdin>:"), "a place has a line: {}", human.err);
    }
}

#[test]
fn growth_without_end_is_stopped() {
    let deep = format!("net A {{ input x: f32[N, 8] {} }}", "(".repeat(5000));
    let wide = "net A {\n  input x: f32[N, 8]\n  10000 * 10000 * fc(8)\n  output y\n}\n";
    let large =
        "net A {\n  input x: f32[N, 8]\n  fc(2147483647) -> fc(2147483647)\n  output y\n}\n";
    for text in [&deep, wide, large] {
        fed(&["check", "-"], text.as_bytes()).exits(1);
    }
    let folder = Folder::new();
    let file = folder.write("a.net", "#".repeat(100));
    netc(&["check", "--limit", "bytes=99", &file]).exits(1);
}

#[test]
#[cfg(unix)]
fn a_file_without_end_is_no_net() {
    let done = netc(&["check", "/dev/zero"]).exits(1);
    assert!(done.err.contains("--limit bytes=N"), "{}", done.err);
    netc(&["run", "models/lenet5.net", "--labels", "/dev/zero"]).exits(1);
}

#[test]
#[cfg(unix)]
fn devices_and_links_are_written_into_and_stay() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let is_device = |path: &str| {
        use std::os::unix::fs::FileTypeExt as _;
        std::fs::metadata(path).expect("it is there").file_type().is_char_device()
    };
    netc(&["graph", &net, "-o", "/dev/null"]).exits(0);
    assert!(is_device("/dev/null"));
    if std::fs::exists("/dev/full").expect("the folder can be read") {
        netc(&["graph", &net, "-o", "/dev/full"]).exits(2);
        assert!(is_device("/dev/full"));
    }
    let (target, link) = (folder.write("target.svg", "old"), folder.path("link.svg"));
    std::os::unix::fs::symlink("target.svg", &link).expect("a link can be made");
    netc(&["graph", &net, "-o", &link]).exits(0);
    assert!(std::fs::read_to_string(&target).expect("it is there").starts_with("<svg "));
    assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
}

/// A new file has the permissions that the user's umask leaves, a replaced one those that it had.
#[test]
#[cfg(unix)]
fn the_umask_decides_who_reads_a_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let (net, new) = (folder.write("a.net", SMALL), folder.path("new.svg"));
    let written = |umask: &str, path: &str| {
        let script = format!("umask {umask} && exec \"$0\" graph \"$1\" -o \"$2\"");
        let netc = env!("CARGO_BIN_EXE_netc");
        let done =
            std::process::Command::new("sh").args(["-c", &script, netc, &net, path]).status();
        assert!(done.expect("a shell starts").success());
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(written("027", &new), 0o640);
    assert_eq!(written("000", &new), 0o640, "it keeps what it had");
    assert_eq!(written("000", &folder.path("open.svg")), 0o666);
    assert_eq!(written("077", &folder.path("own.svg")), 0o600);
}

#[test]
fn names_do_not_command_the_terminal() {
    let folder = Folder::new();
    let bad = folder.write("\u{1b}[31m.net", SMALL.replace("relu", "rellu"));
    let missing = folder.path("\u{1b}[31m");
    let esc = "\u{1b}[31m";
    for args in [
        &["check", &bad][..],
        &["check", &missing],
        &["explain", esc],
        &["why", "models/lenet5.net", esc],
        &["report", "models/lenet5.net", "--set", "classes=\u{1b}[31m"],
        &["report", "models/lenet5.net", "--net", esc],
    ] {
        let done = netc(args);
        assert!([1, 2].contains(&done.code), "{args:?}: {}", done.code);
        assert!(!done.err.contains('\u{1b}') && !done.err.is_empty(), "{args:?}: {}", done.err);
    }
}

#[test]
fn a_parameter_takes_one_value() {
    for value in ["classes=4\nnet B { }", "classes=4\nconst b = 3", "classes=", "classes=)", "=3"] {
        fed(&["report", "-", "--set", value], SMALL.as_bytes()).exits(1);
    }
}

#[test]
fn a_net_beyond_the_memory_is_the_commands_fault() {
    let args = ["run", "-", "--random-weights", "0", "--max-memory", "1"];
    let done = fed(&args, SMALL.as_bytes()).exits(2);
    assert!(done.err.contains("--max-memory"), "{}", done.err);
}

#[test]
fn weights_bind_or_say_what_does_not() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let file = folder.path("w.safetensors");
    netc(&["weights", &net, "--random-weights", "7", "-o", &file]).exits(0);
    let first = std::fs::read(&file).expect("the file is there");
    netc(&["weights", &net, "--random-weights", "7", "-o", &file]).exits(0);
    assert_eq!(
        std::fs::read(&file).expect("the file is there"),
        first,
        "the same seed, the same bytes"
    );
    let table = netc(&["weights", &net, &file, "--format", "json"]).exits(0).json();
    assert_eq!(table["ok"], true);
    assert_eq!(table["weights"].as_array().map(Vec::len), Some(4));
    let list = netc(&["weights", &net, "--format", "json"]).exits(0).json();
    let first_row = serde_json::json!({"path": "conv1.weight", "shape": [2, 1, 3, 3]});
    assert_eq!(list["weights"][0], first_row);

    let other = folder.write("b.net", SMALL.replace("classes = 3", "classes = 4"));
    let done = netc(&["weights", &other, &file]).exits(1);
    assert!(
        done.out.contains("wrong shape") && done.err.contains("weights-misfit"),
        "{}",
        done.err
    );
    netc(&["weights", &other, &file, "--partial"]).exits(0);
    let run = ["run", &other, "--weights", &file];
    netc(&run).exits(1);
    netc(&[&run[..], &["--partial", "--random-weights", "1"]].concat()).exits(0);
    netc(&["run", &net, "--weights", &file, "--random-weights", "1"]).exits(2);
    let archive = folder.path("w.npz");
    netc(&["weights", &net, "--random-weights", "7", "-o", &archive]).exits(0);
    assert!(std::fs::read(&archive).expect("the file is there").starts_with(b"PK"));
    let scores = |weights: &str| {
        let args = ["run", &net, "--weights", weights, "--format", "json"];
        netc(&args).exits(0).json()["outputs"].clone()
    };
    assert_eq!(scores(&archive), scores(&file), "an archive holds the same numbers");
    netc(&["weights", &net, &folder.path("missing.safetensors")]).exits(2);
}

#[test]
fn rules_that_would_fit_are_proposed() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let inner = "block inner(classes) {\n  conv(2, 3) -> relu -> maxpool(2)\n  flatten -> fc(classes)\n}\nnet A {\n  input image: f32[N, 1, 8, 8]\n  module: inner(3)\n  output scores\n}\n";
    let wrapped = folder.write("b.net", inner);
    let file = folder.path("w.safetensors");
    netc(&["weights", &wrapped, "--random-weights", "7", "-o", &file]).exits(0);
    let done = netc(&["weights", &net, &file]).exits(1);
    assert!(done.err.contains("\"*\" <- \"module.*\""), "{}", done.err);
    let fitted = folder.write("c.net", format!("{SMALL}bind {{\n  \"*\" <- \"module.*\"\n}}\n"));
    netc(&["weights", &fitted, &file]).exits(0);
}

#[test]
fn broken_weights_are_the_inputs_fault() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let whole = folder.path("w.safetensors");
    netc(&["weights", &net, "--random-weights", "7", "-o", &whole]).exits(0);
    let bytes = std::fs::read(&whole).expect("the file is there");
    let lengths = (0..bytes.len()).filter(|it| *it < 40 || it % 29 == 0 || it + 9 > bytes.len());
    for length in lengths {
        let file = folder.write("cut.safetensors", &bytes[..length]);
        netc(&["weights", &net, &file]).exits(1);
    }
    let one = r#""conv1.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let cases = [
        (safetensors(&format!("{{{one},{one}}}"), 8), "there twice"),
        (
            safetensors(
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}",
                0,
            ),
            "extent",
        ),
        (vec![0xff; 64], ""),
        (b"PK\x03\x04 and no archive".to_vec(), "archive"),
        (b"{}".to_vec(), ""),
    ];
    for (bytes, said) in cases {
        let file = folder.write("bad.safetensors", bytes);
        let done = netc(&["weights", &net, &file, "--error-format", "json"]).exits(1);
        let fault: serde_json::Value =
            serde_json::from_str(done.err.lines().next().expect("a line")).expect("JSON");
        assert_eq!(fault["code"], "broken-weights");
        assert_eq!(fault["line"], 1);
        assert!(fault["message"].as_str().expect("text").contains(said), "{fault}");
    }
}

/// A PNG that declares 65,535 x 65,535 pixels and has none.
fn bomb() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend([0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 8, 2, 0, 0, 0]);
    let crc = !header.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |it, _| {
            if it & 1 == 1 { it >> 1 ^ 0xedb8_8320 } else { it >> 1 }
        })
    });
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    bytes.extend(header);
    bytes.extend(crc.to_be_bytes());
    bytes
}

#[test]
fn broken_inputs_are_the_inputs_fault() {
    let folder = Folder::new();
    let net = folder.write("a.net", SMALL);
    let cases = [
        ("bomb.png", bomb()),
        ("cut.png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("text.jpg", b"hello".to_vec()),
        ("empty.png", Vec::new()),
        ("bad.npy", b"\x93NUMPY\x01\0\xff\xff{".to_vec()),
    ];
    for (name, bytes) in cases {
        let file = folder.write(name, bytes);
        let input = format!("image={file}");
        let done = netc(&["run", &net, "--random-weights", "0", "--input", &input]).exits(1);
        assert!(done.err.contains("broken-input"), "{name}: {}", done.err);
    }
    netc(&["run", &net, "--random-weights", "0", "--input", "image=missing.png"]).exits(2);
    netc(&["run", &net, "--random-weights", "0", "--input", "picture=models/digits/7_1.png"])
        .exits(2);
    for wrong in [["--std", "0"], ["--mean", "nan"], ["--scale", "inf"], ["--resize", "0x9"]] {
        let input = ["run", &net, "--input", "models/digits/7_1.png"];
        netc(&[&input[..], &wrong].concat()).exits(2);
    }
}
