//! What operators refuse and how they say it, that no argument or shape upsets them, and their manual.

#[path = "support/layers.rs"]
mod layers;
#[path = "support/text.rs"]
mod text;

use std::collections::BTreeSet;
use std::path::Path;

use netc::diag::{Source, Sources};
use netc::elaborate::{self, Options};
use netc::ops::{Op, Violation};
use netc::shape::Shape;
use serde_json::{Value as Json, json};

/// A layer that breaks one constraint: operator, arguments, operands, constraint, words of the complaint.
type Broken = (&'static str, Json, &'static [&'static [usize]], &'static str, &'static str);

fn broken() -> Vec<Broken> {
    [broken_windows(), broken_others(), broken_detection()].concat()
}

#[rustfmt::skip]
fn broken_windows() -> Vec<Broken> {
    vec![
        ("conv", json!({"channels": 8, "kernel": 3}), &[&[1, 10]], "C1", "needs a map"),
        ("conv", json!({"channels": 8, "kernel": 3}), &[&[1, 2, 3, 3, 3, 3]], "C1", "needs a map"),
        ("conv", json!({"channels": 8, "kernel": [3, 3, 3]}), &[&[1, 3, 8, 8]], "C2", "2 spatial axes"),
        ("conv", json!({"channels": 8, "kernel": 3, "pad": [[1, 1]]}), &[&[1, 3, 8, 8]], "C2", "`pad`"),
        ("conv", json!({"channels": 8, "kernel": 3, "groups": 2}), &[&[1, 3, 8, 8]], "C3", "3 channels"),
        ("conv", json!({"channels": 9, "kernel": 3, "groups": 2}), &[&[1, 4, 8, 8]], "C3", "`channels` is 9"),
        ("conv", json!({"channels": 8, "kernel": 7, "pad": 1}), &[&[1, 3, 4, 9]], "C4", "7x7 rows at once, but [3, 4, 9] has 6x11"),
        ("conv", json!({"channels": 8, "kernel": 100000, "pad": "half"}), &[&[1, 3, 4, 9]], "C4", "2^24 taps"),
        ("conv", json!({"channels": 1, "kernel": 1, "pad": 100000}), &[&[1, 1, 4, 9]], "C5", "the output would be"),
        ("conv", json!({"channels": 2147483647, "kernel": 1}), &[&[1, 2, 1, 1]], "C5", "the weights would be"),
        ("conv", json!({"channels": 2, "kernel": 3, "weight": [[1, 0], [0, 1]]}), &[&[1, 2, 4, 4]], "C6", "[2, 2]"),
        ("conv", json!({"channels": 2, "kernel": 1, "bias": [1, 2, 3]}), &[&[1, 2, 4, 4]], "C6", "2 channels"),
        ("conv", json!({"channels": 100000, "kernel": 1, "weight": [[1]]}), &[&[1, 1000, 1, 1]], "C6", "2^24"),
        ("deconv", json!({"channels": 8, "kernel": 3}), &[&[1, 10]], "C1", "needs a map"),
        ("deconv", json!({"channels": 8, "kernel": [3]}), &[&[1, 3, 8, 8]], "C2", "`kernel`"),
        ("deconv", json!({"channels": 8, "kernel": 3, "stride": 2, "output_pad": [1]}), &[&[1, 3, 8, 8]], "C2", "`output_pad`"),
        ("deconv", json!({"channels": 8, "kernel": 3, "groups": 2}), &[&[1, 3, 8, 8]], "C3", "3 channels"),
        ("deconv", json!({"channels": 8, "kernel": 3, "pad": 5}), &[&[1, 3, 8, 8]], "C4", "cuts off 10"),
        ("deconv", json!({"channels": 8, "kernel": 3, "stride": 2, "output_pad": 2}), &[&[1, 3, 8, 8]], "C5", "`stride` is 2"),
        ("deconv", json!({"channels": 8, "kernel": 2, "stride": 3, "pad": "same"}), &[&[1, 3, 8, 8]], "C6", "covers only 2"),
        ("deconv", json!({"channels": 8, "kernel": 3, "stride": 2147483647}), &[&[1, 3, 8, 8]], "C7", "the output would be"),
        ("deconv", json!({"channels": 8, "kernel": 3, "bias": [1]}), &[&[1, 3, 8, 8]], "C8", "8 channels"),
        ("fc", json!({"features": 10}), &[&[1, 16, 5, 5]], "C1", "`fc` needs a vector, here the value is [16, 5, 5]"),
        ("fc", json!({"features": 2147483647}), &[&[1, 16]], "C2", "the weights would be"),
        ("fc", json!({"features": 10, "bias": [1]}), &[&[1, 16]], "C3", "10 channels"),
        ("maxpool", json!({"kernel": 2}), &[&[1, 10]], "C1", "needs a map"),
        ("maxpool", json!({"kernel": [2]}), &[&[1, 3, 8, 8]], "C2", "`kernel`"),
        ("maxpool", json!({"kernel": 3}), &[&[1, 3, 2, 8]], "C3", "3x3 rows at once, but [3, 2, 8] has 2x8"),
        ("maxpool", json!({"kernel": 2, "pad": 2}), &[&[1, 3, 8, 8]], "C4", "`pad` is 2"),
        ("maxpool", json!({"kernel": 2, "stride": 1, "pad": 1}), &[&[1024, 2048, 1024, 1]], "C5", "the output would be"),
        ("avgpool", json!({"kernel": 2}), &[&[1, 10]], "C1", "needs a map"),
        ("avgpool", json!({"kernel": [2]}), &[&[1, 3, 8, 8]], "C2", "`kernel`"),
        ("avgpool", json!({"kernel": 3}), &[&[1, 3, 2, 8]], "C3", "2x8"),
        ("avgpool", json!({"kernel": 2, "pad": [[0, 3], [0, 0]]}), &[&[1, 3, 8, 8]], "C4", "`pad` is 3"),
        ("avgpool", json!({"kernel": 2, "stride": 1, "pad": 1}), &[&[1024, 2048, 1024, 1]], "C5", "the output would be"),
    ]
}

#[rustfmt::skip]
fn broken_others() -> Vec<Broken> {
    vec![
        ("gap", json!({}), &[&[1, 10]], "C1", "needs a map"),
        ("gmp", json!({}), &[&[1, 10]], "C1", "needs a map"),
        ("bn", json!({}), &[&[10]], "C1", "needs channels"),
        ("prelu", json!({}), &[&[10]], "C1", "needs channels"),
        ("softmax", json!({"axis": 2}), &[&[1, 10]], "C1", "`axis` of `softmax` is 2"),
        ("softmax", json!({"axis": -3}), &[&[1, 10]], "C1", "axes 0 to 1"),
        ("logsoftmax", json!({"axis": -3}), &[&[1, 10]], "C1", "`axis`"),
        ("l2norm", json!({"axis": 9}), &[&[1, 10]], "C1", "`axis`"),
        ("lrn", json!({"size": 5}), &[&[10]], "C1", "needs channels"),
        ("lrn", json!({"size": 4}), &[&[1, 10]], "C2", "`size` is 4"),
        ("normalise", json!({}), &[&[10]], "C1", "needs channels"),
        ("normalise", json!({"mean": [1, 2]}), &[&[1, 3, 4, 4]], "C2", "`mean` has 2 numbers"),
        ("normalise", json!({"std": [1, 0, 2]}), &[&[1, 3, 4, 4]], "C3", "`std` holds 0"),
        ("concat", json!({"axis": 4}), &[&[1, 3, 4, 4], &[1, 3, 4, 4]], "C1", "`axis`"),
        ("concat", json!({}), &[&[1, 3, 4, 4], &[1, 3]], "C2", "one rank"),
        ("concat", json!({}), &[&[1, 3, 4, 4], &[1, 3, 4, 4], &[1, 3, 2, 4]], "C3", "operand 3 of `concat` is [3, 2, 4], but the first is [3, 4, 4]"),
        ("concat", json!({}), &[&[1, 1 << 30], &[1, 1 << 30], &[1, 1 << 30]], "C4", "the output would be"),
        ("reshape", json!({"shape": [-1, -1]}), &[&[1, 10]], "C1", "not a list of extents"),
        ("reshape", json!({"shape": [0, 10]}), &[&[1, 10]], "C1", "not a list of extents"),
        ("reshape", json!({"shape": [3, -1]}), &[&[1, 10]], "C2", "[10] has 10"),
        ("reshape", json!({"shape": [2, 1, 1, 1, 1, 1, 1, 5]}), &[&[1, 10]], "C3", "the output would be"),
        ("permute", json!({"order": [0, 1]}), &[&[1, 2, 3]], "C1", "not an order"),
        ("reshape", json!({"shape": [3], "batch": 4}), &[&[1, 10]], "C2", "`batch` is 4"),
        ("param", json!({"shape": [0]}), &[], "C1", "not a list of extents"),
        ("param", json!({"shape": [2], "weight": [1, 2, 3]}), &[], "C2", "`weight` is [3]"),
        ("matmul", json!({}), &[&[1, 3, 4], &[3, 4]], "C1", "one rank"),
        ("matmul", json!({}), &[&[1, 3, 4], &[1, 3, 4]], "C2", "sums over 4 columns"),
        ("matmul", json!({}), &[&[2, 3, 4], &[3, 4, 3]], "C3", "batches 2 and 3"),
        ("matmul", json!({}), &[&[1, 1 << 20, 1], &[1, 1, 1 << 20]], "C4", "would be"),
        ("reduce", json!({"op": "sum", "axes": [3]}), &[&[1, 3, 4]], "C1", "`axis`"),
        ("reduce", json!({"op": "sum", "axes": [1, -2]}), &[&[1, 3, 4]], "C1", "one twice"),
        ("take", json!({"axis": 3, "at": [0]}), &[&[1, 3, 4]], "C1", "`axis`"),
        ("take", json!({"axis": 1, "at": [3]}), &[&[1, 3, 4]], "C2", "position 3"),
        ("take", json!({"axis": 1, "at": []}), &[&[1, 3, 4]], "C2", "is empty"),
        ("take", json!({"axis": 1, "at": [0, 0, 0]}), &[&[1 << 15, 1, 1 << 15]], "C3", "would be"),
        ("expand", json!({"shape": [3]}), &[&[1, 1, 4]], "C1", "[1, 4]"),
        ("expand", json!({"shape": [3, 5]}), &[&[1, 1, 4]], "C2", "extent 4"),
        ("expand", json!({"shape": [1048576, 1048576]}), &[&[1, 1, 1]], "C3", "would be"),
        ("instancenorm", json!({}), &[&[1, 10]], "C1", "needs a map"),
        ("resize", json!({"size": [4]}), &[&[1, 2, 3, 4]], "C1", "2 spatial axes"),
        ("resize", json!({"size": [4], "scale": [0]}), &[&[1, 2, 3]], "C2", "`scale` is [0.0]"),
        ("resize", json!({"size": [4], "at": "crop"}), &[&[1, 2, 3]], "C2", "`roi` is []"),
        ("resize", json!({"size": [65536, 65536]}), &[&[1, 2, 3, 3]], "C3", "would be"),
        ("resize", json!({"size": [1], "mode": "linear", "antialias": true}), &[&[1, 2, 1 << 20]], "C3", "2^16 elements"),
        ("slice", json!({"axis": 4}), &[&[1, 2, 3]], "C1", "`axis`"),
        ("slice", json!({"axis": 1, "from": 2, "to": 2}), &[&[1, 4]], "C2", "from 2 to 2"),
        ("slice", json!({"axis": 1, "to": 5}), &[&[1, 4]], "C2", "extent 4"),
        ("pad", json!({"rows": [1, 2, 3]}), &[&[1, 2, 3, 4]], "C1", "2 spatial axes"),
        ("pad", json!({"rows": 3, "mode": "reflect"}), &[&[1, 2, 3, 4]], "C2", "pads 3 rows"),
        ("pad", json!({"rows": 1, "mode": "edge", "channels": 1}), &[&[1, 2, 3, 4]], "C3", "`channels`"),
        ("pad", json!({"rows": 100000}), &[&[1, 2, 3, 4]], "C4", "the output would be"),
        ("argmaxpool", json!({"kernel": 2}), &[&[1, 10]], "C1", "needs a map"),
        ("argmaxpool", json!({"kernel": [2]}), &[&[1, 3, 8, 8]], "C2", "`kernel`"),
        ("argmaxpool", json!({"kernel": 3}), &[&[1, 3, 2, 8]], "C3", "2x8"),
        ("argmaxpool", json!({"kernel": 2, "pad": 2}), &[&[1, 3, 8, 8]], "C4", "`pad` is 2"),
        ("argmaxpool", json!({"kernel": 2, "stride": 1, "pad": 1}), &[&[1024, 2048, 1024, 1]], "C5", "the output would be"),
        ("argmaxpool", json!({"kernel": 2}), &[&[1, 8, 2048, 2048]], "C6", "2^24"),
        ("upsample", json!({"factor": 2}), &[&[1, 10]], "C1", "needs a map"),
        ("upsample", json!({"factor": [2, 2]}), &[&[1, 10, 10]], "C2", "`factor`"),
        ("upsample", json!({"factor": 2147483647}), &[&[1, 10, 10, 10]], "C3", "the output would be"),
        ("reorg", json!({"stride": 2}), &[&[1, 10]], "C1", "needs a map"),
        ("reorg", json!({"stride": 2}), &[&[1, 4, 3, 4]], "C2", "3x4 rows"),
        ("reorg", json!({"stride": 2}), &[&[1, 3, 4, 4]], "C3", "3 channels"),
    ]
}

#[rustfmt::skip]
fn broken_detection() -> Vec<Broken> {
    vec![
        ("nms", json!({}), &[&[1, 10, 4], &[1, 2, 9]], "C1", "boxes [N, B, 4]"),
        ("nms", json!({}), &[&[1, 4, 10], &[1, 2, 10]], "C1", "[1, 4, 10]"),
        ("nms", json!({}), &[&[1, 1 << 25, 4], &[1, 1, 1 << 25]], "C2", "2^24"),
        ("nms", json!({"capacity": 2147483647}), &[&[1, 10, 4], &[1, 2, 10]], "C3", "would be"),
        ("filled", json!({}), &[&[1, 10, 4]], "C1", "counts rows"),
        ("filled", json!({}), &[&[1 << 25, 3]], "C2", "2^24"),
        ("yolo", json!({"anchors": [[1, 2]], "classes": 2, "stride": 8}), &[&[1, 7]], "C1", "needs a map"),
        ("yolo", json!({"anchors": [[1, 2], [3, 4]], "classes": 80, "stride": 8}), &[&[1, 255, 4, 4]], "C2", "need 170 channels, but [255, 4, 4] has 255"),
        ("yolo", json!({"anchors": [[1, 2]], "classes": 2, "stride": [8, 8, 8]}), &[&[1, 7, 4, 4]], "C3", "3 numbers"),
        ("region", json!({"anchors": [[1, 2]], "classes": 2, "stride": 8}), &[&[1, 7]], "C1", "needs a map"),
        ("region", json!({"anchors": [[1, 2]], "classes": 2147483647, "stride": 8}), &[&[1, 7, 4, 4]], "C2", "channels"),
        ("region", json!({"anchors": [[1, 2]], "classes": 2, "stride": [8, 8, 8]}), &[&[1, 7, 4, 4]], "C3", "3 numbers"),
        ("picture", json!({}), &[&[1, 7]], "C1", "needs a map"),
    ]
}

/// The operators that combine values element by element share their constraints.
const ALIKE: [&str; 7] = ["add", "sub", "mul", "div", "max", "min", "pow"];

fn infer(name: &str, args: &Json, shapes: &[&[usize]]) -> Option<Result<Shape, Violation>> {
    let op = layers::op(name, args).unwrap_or_else(|it| panic!("{name}{args}: {it}"));
    let shapes: Option<Vec<Shape>> = shapes.iter().map(|it| Shape::checked(it)).collect();
    let shapes = shapes?;
    Some(op.infer(&shapes.iter().collect::<Vec<_>>()))
}

#[test]
fn broken_constraints_are_named() {
    for (name, args, shapes, constraint, words) in broken() {
        let Some(found) = infer(name, &args, shapes) else { continue };
        let violation = found.expect_err(&format!("{name}{args} on {shapes:?}"));
        assert_eq!(violation.constraint, constraint, "{name}{args}: {violation:?}");
        assert!(violation.message.contains(words), "{name}{args}: {}", violation.message);
    }
}

#[test]
fn values_of_unlike_shapes_are_refused() {
    let map: &[usize] = &[1, 64, 56, 56];
    for name in ALIKE {
        let refuse = |a: &[usize], b: &[usize]| {
            infer(name, &json!({}), &[a, b]).expect("shapes").expect_err(name)
        };
        assert_eq!(refuse(map, &[1, 64]).constraint, "C1");
        assert!(refuse(map, &[1, 64]).help.expect("advice").contains("keep=true"));
        let unlike = refuse(map, &[1, 256, 28, 28]);
        assert_eq!(unlike.constraint, "C2");
        assert!(unlike.message.contains("[64, 56, 56] and [256, 28, 28]"), "{}", unlike.message);
        assert!(unlike.help.expect("advice").contains("`conv(256, 1, 2)`"));
        assert_eq!(refuse(&[1, 1 << 20, 1], &[1, 1, 1 << 20]).constraint, "C3");
    }
}

#[test]
fn every_constraint_has_a_broken_layer() {
    let mut seen: BTreeSet<(&str, &str)> = broken().iter().map(|it| (it.0, it.3)).collect();
    seen.extend(ALIKE.iter().flat_map(|it| ["C1", "C2", "C3"].map(|c| (*it, c))));
    for entry in Op::TABLE {
        for line in entry.manual().lines().filter(|it| it.starts_with("- (C")) {
            let constraint = &line[3..line.find(')').expect("a closed number")];
            assert!(
                seen.contains(&(entry.name, constraint)),
                "{}: no layer breaks {line}",
                entry.name
            );
        }
    }
}

#[test]
fn a_map_before_fc_is_explained() {
    let found = infer("fc", &json!({"features": 10}), &[&[1, 16, 5, 5]]).expect("a shape");
    let help = found.expect_err("a map").help.expect("advice");
    assert_eq!(help, "insert `flatten` (400) or `gap` (16)");
}

#[test]
fn the_smallest_input_that_works_is_named() {
    let args = json!({"channels": 8, "kernel": 7, "pad": [[1, 1], [0, 0]]});
    let found = infer("conv", &args, &[&[1, 3, 4, 4]]).expect("a shape");
    let help = found.expect_err("too small").help.expect("advice");
    assert!(help.contains("5x7"), "{help}");
    assert!(infer("conv", &args, &[&[1, 3, 5, 7]]).expect("a shape").is_ok());
}

/// Numbers that overflow where sums and products are not checked.
const HOSTILE: [i64; 7] = [1, 2, 3, 255, 65_536, 2_147_483_646, 2_147_483_647];

#[test]
fn hostile_arguments_end_in_a_shape_or_a_violation() {
    let shapes: [&[usize]; 6] = [
        &[1, 1, 1],
        &[1, 4, 7, 5],
        &[2, 3, 1, 1],
        &[1, 2, 2, 2, 2],
        &[1, 1, 1 << 30],
        &[1, 1 << 15, 1 << 15],
    ];
    let mut state = 1_u64;
    let mut draw = |bound: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize % bound
    };
    let mut accepted = 0;
    for round in 0..60_000 {
        let name =
            ["conv", "deconv", "maxpool", "avgpool", "upsample", "reorg", "pad", "lrn"][round % 8];
        let entry = Op::find(name).expect("the operator is in the table");
        let mut args = serde_json::Map::new();
        for arg in entry.args {
            let it = HOSTILE[draw(HOSTILE.len())];
            let value = match (arg.name, arg.default) {
                (
                    "weight" | "bias" | "mode" | "flip" | "ceil" | "count_pad" | "align_corners",
                    _,
                ) => continue,
                (_, Some(_)) if draw(2) == 0 => continue,
                ("pad", _) => match draw(6) {
                    0 => json!("half"),
                    1 => json!("same"),
                    2 => json!("same_lower"),
                    _ => json!(it - 1),
                },
                _ => json!(it),
            };
            args.insert(arg.name.to_owned(), value);
        }
        let Ok(op) = layers::op(name, &Json::Object(args)) else { continue };
        let shape = Shape::of(shapes[draw(shapes.len())]);
        if let Ok(output) = op.infer(&[&shape]) {
            accepted += 1;
            assert!(output.elements() <= Shape::ELEMENTS_MAX);
            let _ = (op.params(&[&shape]), op.macs(&[&shape], &output), op.windows(&shape));
            if output.elements() < 1 << 12 {
                let _ = op.lower(&[&shape], &output);
            }
        }
    }
    assert!(accepted > 1000, "only {accepted} layers were accepted");
}

#[test]
fn mistaken_arguments_are_complaints() {
    for (name, args, words) in [
        ("conv", json!({"channels": 0, "kernel": 3}), "at least 1"),
        (
            "conv",
            json!({"channels": 8, "kernel": 3, "pad": "full"}),
            "`half`, `same`, `same_lower` or `valid`",
        ),
        ("conv", json!({"channels": 8, "kernel": 3, "weight": [[1, 2], [3]]}), "all of one length"),
        ("conv", json!({"channels": 8, "kernel": 3, "bias": 3}), "`true` or `false`"),
        ("dropout", json!({"p": 1}), "`p` of `dropout` is 1"),
        ("bn", json!({"eps": -1}), "`eps` of `bn` is -1"),
        ("clip", json!({"min": 2, "max": 1}), "more than `max`"),
        ("upsample", json!({"factor": 2, "align_corners": true}), "goes with"),
        ("pad", json!({"rows": "half"}), "takes rows, not a word"),
        ("pad", json!({"rows": 1, "mode": "mirror"}), "\"constant\" or \"reflect\" or \"edge\""),
        ("leaky", json!({"slope": "steep"}), "a number"),
        ("relu", json!({"slope": 1}), "no argument `slope`"),
    ] {
        let found = layers::op(name, &args).expect_err(&format!("{name}{args}"));
        assert!(found.contains(words), "{name}{args}: {found}");
    }
}

#[test]
fn the_bounds_of_all_operators_are_told() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/numerics.md");
    let text = std::fs::read_to_string(path).expect("the page is there");
    for entry in netc::ops::Op::TABLE {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/ops/{}.rs", entry.name));
        let source = std::fs::read_to_string(&source).expect("an operator is a file of its name");
        let told = text.contains(&format!("`{}`", entry.name));
        assert!(told || !source.contains("fn tolerance"), "{} may be off, unsaid", entry.name);
    }
}

#[test]
fn the_manual_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operators.md");
    let want = netc::ops::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &want).expect("the manual can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == want,
        "docs/operators.md is stale: run `UPDATE_DOCS=1 cargo test --test operators`"
    );
}

#[test]
fn every_page_is_whole() {
    for entry in Op::TABLE {
        let manual = entry.manual();
        for part in ["Source: ", "```net\n"] {
            assert!(manual.contains(part), "`{}` has no `{part}`", entry.name);
        }
        assert!(
            manual.contains(entry.name),
            "the example of `{}` shows something else",
            entry.name
        );
    }
}

#[test]
fn examples_of_the_manual_elaborate() {
    for entry in Op::TABLE {
        let manual = entry.manual();
        let examples: Vec<&str> = manual
            .split("```net\n")
            .skip(1)
            .map(|it| it.split("```").next().expect("an example ends"))
            .collect();
        assert_eq!(examples.len(), 1, "`{}` has one example", entry.name);
        let net = text::elaborate("example.net", examples[0], None)
            .unwrap_or_else(|it| panic!("`{}`:\n{it}", entry.name));
        let graph = &net.graph;
        let shows = |id| graph.layer(id).is_some_and(|it| it.op.entry().name == entry.name);
        assert!(
            graph.order().into_iter().any(shows),
            "the example of `{}` lacks it:\n{graph}",
            entry.name
        );
    }
}

/// `netc ops` prints `order="rows"`: what stands there can be written in a file as it is.
#[test]
fn every_printed_default_can_be_written() {
    let mut defaults = 0;
    for entry in Op::TABLE {
        for arg in entry.args {
            let Some(default) = arg.default.filter(|it| !it.is_empty()) else { continue };
            defaults += 1;
            let given = format!("{}={default}", arg.name);
            assert!(entry.signature().contains(&given), "{}", entry.signature());
            let head = "net A {\n  input x: f32[N, 3, 8, 8]\n  ";
            let text = format!("{head}{}({given})\n  output y\n}}\n", entry.name);
            let at = head.len() + entry.name.len() + 1;
            let mut sources = Sources::default();
            let root = sources.add(Source { name: "a.net".to_owned(), text });
            let mut no_files = |_: &str| Err("stands alone".to_owned());
            for it in elaborate::check(&mut sources, root, &mut no_files, &Options::default()) {
                let (start, end) = (it.span.start as usize, it.span.end as usize);
                let is_inside = (at..at + given.len()).contains(&start) && end <= at + given.len();
                assert!(!is_inside, "{} of `{}`: {}", given, entry.name, it.message);
            }
        }
    }
    assert!(defaults > 50, "operators have defaults");
}
