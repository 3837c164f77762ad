//! Darknet's files as nets, and what detectors find.

use serde_json::json;

use super::{Folder, SMALL, netc};

/// A head of one anchor and two classes on 2x2 cells.
const DETECTOR: &str = "[net]\nheight=8\nwidth=8\nchannels=3\n\n\
    [convolutional]\nfilters=7\nsize=4\nstride=4\nactivation=linear\n\n\
    [yolo]\nmask=0\nanchors=3,2\nnum=1\nclasses=2\n";

/// Its weights: no filter says anything, so every cell gives the biases, whatever the picture.
fn weights() -> Vec<u8> {
    let header = [0_i32, 2, 0, 0, 0].into_iter().flat_map(i32::to_le_bytes);
    let biases = [0.0_f32, 0.0, 0.0, 0.0, 3.0, 3.0, -3.0];
    let numbers = biases.into_iter().chain(std::iter::repeat_n(0.0, 7 * 3 * 16));
    header.chain(numbers.flat_map(f32::to_le_bytes)).collect()
}

/// A folder with the net, its weights and a picture of 16x8.
fn folder() -> (Folder, [String; 3]) {
    let folder = Folder::new();
    let cfg = folder.write("a.cfg", DETECTOR);
    let numbers = folder.write("a.weights", weights());
    let picture = folder.path("a.png");
    image::RgbImage::from_pixel(16, 8, image::Rgb([9, 200, 30])).save(&picture).expect("a file");
    (folder, [cfg, numbers, picture])
}

#[test]
fn boxes_are_told_and_drawn_on_the_picture() {
    let (folder, [cfg, numbers, picture]) = folder();
    let labels = folder.write("labels.txt", "cat\ndog\n");
    let image = format!("image={picture}");
    for name in ["found.png", "found.jpg"] {
        let found = folder.path(name);
        let args = ["run", &cfg, "--weights", &numbers, "--input", &image, "--boxes", &found];
        let run = netc(&[&args[..], &["--labels", &labels, "--format", "json"]].concat()).exits(0);
        let found = image::open(&found).expect("a picture").to_rgb8();
        assert_eq!(found.dimensions(), (16, 8));
        assert!(found.pixels().any(|it| it[1] < 150), "something is drawn");
        let result = &run.json()["outputs"]["detections"];
        assert_eq!(result["pixels"], "picture");
        assert_eq!(result["shape"], json!([4, 7]));
        let first = &result["detections"][0];
        assert_eq!(
            (&first["label"], &first["class"], &first["sample"]),
            (&json!("cat"), &json!(0), &json!(0))
        );
        // sigmoid(3) squared; a box of 3x2 around (2, 2), the picture being 8x4 from row 2 on.
        assert!((first["score"].as_f64().expect("a number") - 0.907_397).abs() < 1e-5);
        assert_eq!(first["box"], json!([1.0, -2.0, 7.0, 2.0]));
    }
    let text = netc(&["run", &cfg, "--weights", &numbers, "--input", &image]).exits(0).out;
    assert_eq!(text.matches("class 0   90.74 %").count(), 4, "{text}");
    assert!(text.contains("[4, 7], in pixels of the picture"), "{text}");
    let wide = folder.write("wide.txt", "\u{732b}\nen\n");
    let args = ["run", &cfg, "--weights", &numbers, "--input", &image, "--labels", &wide];
    let text = netc(&[&args[..], &["--set", "score=0.01"]].concat()).exits(0).out;
    assert!(text.contains("  \u{732b}   ") && text.contains("  en   "), "{text}");
    let noise = netc(&["run", &cfg, "--weights", &numbers]).exits(0).out;
    assert!(noise.contains("[4, 7], in pixels of the input"), "{noise}");
    let bound = netc(&["weights", &cfg, &numbers]).exits(0).out;
    assert!(bound.contains("2 bound"), "{bound}");
    let none = ["run", &cfg, "--weights", &numbers, "--input", &image, "--set", "score=0.95"];
    assert!(netc(&none).exits(0).out.contains("nothing"));
    let less = ["run", &cfg, "--weights", &numbers, "--input", &image, "--set", "score=0.01"];
    assert!(netc(&less).exits(0).out.contains("[8, 7]"));
    netc(&["verify", &cfg, "--weights", &numbers, "--input", &image]).exits(0);
    netc(&["report", &cfg]).exits(0);
    netc(&["check", &cfg]).exits(0);
}

#[test]
fn boxes_want_a_detector_and_a_picture() {
    let (folder, [cfg, numbers, picture]) = folder();
    let small = folder.write("small.net", SMALL);
    let image = format!("image={picture}");
    let boxes = folder.path("found.png");
    let refused = [
        (
            vec!["run", &small, "--random-weights", "1", "--input", &image, "--boxes", &boxes],
            "with_boxes=true",
        ),
        (vec!["run", &cfg, "--weights", &numbers, "--boxes", &boxes], "draws on a picture"),
        (
            vec!["run", &cfg, "--weights", &numbers, "--input", &image, "--boxes", "found.gif"],
            ".png and .jpg",
        ),
        (vec!["run", &small, "--weights", &numbers], "unnamed numbers"),
        (vec!["run", &cfg, "--net", "A"], "one net"),
        (vec!["run", &cfg, "--input", &image, "--letterbox", "--crop"], "cannot be used"),
    ];
    for (args, words) in refused {
        let done = netc(&args).exits(2);
        assert!(done.err.contains(words), "{args:?}: {}", done.err);
    }
    assert!(!std::path::Path::new(&boxes).exists());
}

#[test]
fn darknet_files_are_refused_with_their_line() {
    let (folder, [cfg, numbers, _]) = folder();
    let short = folder.write("short.weights", &weights()[..400]);
    let done = netc(&["run", &cfg, "--weights", &short]).exits(1);
    assert!(
        done.err.contains("broken-weights") && done.err.contains("`[convolutional]` 0 (line 6)"),
        "{}",
        done.err
    );
    netc(&["run", &cfg, "--weights", &short, "--partial", "--random-weights", "1"]).exits(1);
    let broken = folder.write("broken.cfg", DETECTOR.replace("filters=7", "filters=8"));
    let done = netc(&["run", &broken, "--weights", &numbers, "--error-format", "json"]).exits(1);
    let fault: serde_json::Value = serde_json::from_str(done.err.trim()).expect("an object");
    assert_eq!((&fault["code"], &fault["line"]), (&json!("shape"), &json!(12)));
    let misspelt = folder.write("misspelt.cfg", DETECTOR.replace("stride", "stirde"));
    assert!(netc(&["check", &misspelt]).exits(0).err.contains("did you mean `stride`?"));
    netc(&["check", &misspelt, "--deny", "warnings"]).exits(1);
}

#[test]
fn what_a_net_says_of_pictures_is_done() {
    let (folder, [.., picture]) = folder();
    let image = format!("image={picture}");
    let net = |layer: &str| {
        let text = format!(
            "net A {{\n  input image: f32[N, 3, 4, 4]\n  {layer}\n  flatten\n  output y\n}}\n"
        );
        folder.write("a.net", text)
    };
    let first = |layer: &str, flags: &[&str]| {
        let file = net(layer);
        let args = [&["run", &file, "--input", &image, "--format", "json"], flags].concat();
        netc(&args).exits(0).json()["outputs"]["y"]["values"][0].as_f64().expect("a number")
    };
    assert_eq!(first("picture(fit=\"letterbox\")", &[]), 0.5);
    assert_eq!(first("picture(fit=\"letterbox\", scale=255)", &[]), 127.5);
    assert_eq!(first("picture(channels=\"bgr\", scale=255)", &[]), 30.0);
    assert_eq!(first("picture(fit=\"letterbox\", scale=255)", &["--crop", "--scale", "510"]), 18.0);
    assert_eq!(first("relu", &["--letterbox"]), 0.5);
}
