//! The published figures: what `netc report` says of the networks in `models/`.

use std::path::Path;

use netc::diag::{Source, Sources};
use netc::elaborate::{self, elaborate};
use netc::graph::Graph;
use netc::model::Model;
use netc::report::{Order, Report};
use netc::weights::Weights;

struct Figures {
    file: &'static str,
    net: &'static str,
    train: bool,
    /// The side of the input, where it is not the file's.
    side: Option<usize>,
    params: u64,
    buffers: u64,
    /// Multiply-accumulates.
    macs: Macs,
}

/// Multiply-accumulates as they are published.
#[derive(Clone, Copy)]
enum Macs {
    Exactly(u64),
    /// Rounded to millions.
    Millions(u64),
}

const fn row(
    file: &'static str,
    net: &'static str,
    params: u64,
    buffers: u64,
    macs: u64,
) -> Figures {
    Figures { file, net, train: false, side: None, params, buffers, macs: Macs::Exactly(macs) }
}

/// Parameters, statistics of batch normalisation, and MACs, as papers, torchvision, Keras and Darknet state them.
const FIGURES: &[Figures] = &[
    // 5*5*3*8*28*28 + 5*5*8*16*10*10 + 400*120 + 120*84 + 84*10
    row("lenet_course", "LeNetCourse", 608 + 3_216 + 48_120 + 10_164 + 850, 0, 849_320),
    row("lenet5", "LeNet5", 61_706, 0, 416_520),
    row("alexnet", "AlexNet", 62_378_344, 0, 1_135_256_096),
    row("alexnet", "AlexNetGrouped", 60_965_224, 0, 724_406_816),
    row("vgg", "VGG16", 138_357_544, 0, 15_470_264_320),
    row("vgg", "VGG19", 143_667_240, 0, 19_632_062_464),
    row("resnet", "ResNet18", 11_689_512, 9_600, 1_814_073_344),
    row("resnet", "ResNet34", 21_797_672, 17_024, 3_663_761_408),
    row("resnet", "ResNet50", 25_557_032, 53_120, 4_089_184_256),
    row("resnet", "ResNet101", 44_549_160, 105_344, 7_801_405_440),
    row("resnet", "ResNet152", 60_192_808, 151_424, 11_513_626_624),
    row("densenet", "DenseNet121", 7_978_856, 83_648, 2_834_161_664),
    row("densenet", "DenseNet169", 14_149_480, 158_400, 3_359_843_328),
    Figures {
        macs: Macs::Millions(4_291),
        ..row("densenet", "DenseNet201", 20_013_928, 229_056, 0)
    },
    Figures { macs: Macs::Millions(1_583), ..row("googlenet", "GoogLeNet", 6_998_552, 0, 0) },
    Figures {
        train: true,
        macs: Macs::Millions(1_591),
        ..row("googlenet", "GoogLeNet", 13_378_280, 0, 0)
    },
    Figures { side: Some(224), ..row("squeezenet1_1", "SqueezeNet", 1_235_496, 0, 349_151_936) },
    row("mobilenet_v2", "MobileNetV2", 3_504_872, 34_112, 300_774_272),
    row("yolov2", "YOLOv2", 50_962_889, 20_672, 14_732_084_224),
    Figures { side: Some(608), ..row("yolov2", "YOLOv2", 50_962_889, 20_672, 31_469_126_656) },
    // 28*28*192 values by 64 + 96 + 16 + 32 channels, 96 by 128 in 3x3, 16 by 32 in 5x5.
    row("inception", "Inception", 163_696, 0, 784 * (192 * 208 + 96 * 128 * 9 + 16 * 32 * 25)),
    // What the bottleneck saves: 120,422,400 against 2,408,448 + 10,035,200.
    row("inception", "Direct", 192 * 32 * 25 + 32, 0, 120_422_400),
    row("inception", "Bottleneck", 192 * 16 + 16 + 16 * 32 * 25 + 32, 0, 2_408_448 + 10_035_200),
];

fn report(file: &str, options: &elaborate::Options) -> Report {
    Report::of(&graph(file, options), None)
}

fn graph(file: &str, options: &elaborate::Options) -> Graph {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file).with_extension("net");
    let text = std::fs::read_to_string(&path).expect("a model of the project");
    let mut sources = Sources::default();
    let root = sources.add(Source { name: format!("{file}.net"), text });
    let mut no_files = |_: &str| Err("models stand alone".to_owned());
    let elaborated = elaborate(&mut sources, root, &mut no_files, options);
    elaborated.unwrap_or_else(|it| panic!("{file}: {it:#?}")).graph
}

fn net(name: &str) -> elaborate::Options {
    elaborate::Options { net: Some(name.to_owned()), ..elaborate::Options::default() }
}

#[test]
fn published_figures_are_met() {
    for it in FIGURES {
        let inputs = it.side.map(|side| ("image".to_owned(), vec![1, 3, side, side]));
        let inputs = inputs.into_iter().collect();
        let options = elaborate::Options { train: it.train, inputs, ..net(it.net) };
        let totals = report(it.file, &options).totals;
        assert_eq!((totals.params, totals.buffers), (it.params, it.buffers), "{}", it.net);
        match it.macs {
            Macs::Exactly(macs) => assert_eq!(totals.macs, macs, "{}", it.net),
            Macs::Millions(macs) => {
                assert_eq!((totals.macs + 500_000) / 1_000_000, macs, "{}", it.net);
            }
        }
    }
}

#[test]
fn the_first_resnet_strides_in_its_first_convolution() {
    let options =
        elaborate::Options { set: vec![("v1".to_owned(), "true".to_owned())], ..net("ResNet50") };
    let totals = report("resnet", &options).totals;
    assert_eq!((totals.params, totals.macs), (25_557_032, 3_857_973_248));
}

/// Rows that became a batch on the way are still of one sample.
#[test]
fn costs_are_those_of_a_sample_of_the_inputs() {
    let text =
        "net A {\n  input x: f32[N, 6, 8]\n  reshape([8], batch=6 * N)\n  fc(5)\n  output y\n}\n";
    let options = elaborate::Options { batch: 2, ..elaborate::Options::default() };
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "rows.net".to_owned(), text: text.to_owned() });
    let elaborated = elaborate(&mut sources, root, &mut |_| Err(String::new()), &options);
    let graph = elaborated.expect("the net is right").graph;
    assert_eq!(Report::of(&graph, None).totals.macs, 6 * 8 * 5);
}

#[test]
fn ten_filters_over_a_volume_have_280_parameters() {
    let text = "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(10, 3)\n  output y\n}\n";
    let graph = netc::model::parse("volume.net", text).expect("the net is right").graph;
    assert_eq!(Report::of(&graph, None).totals.params, 280);
}

#[test]
fn reports_are_as_they_were_read() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (file, name) in [
        ("lenet_course", "LeNetCourse"),
        ("lenet5", "LeNet5"),
        ("alexnet", "AlexNet"),
        ("vgg", "VGG16"),
        ("resnet", "ResNet18"),
        ("resnet", "ResNet50"),
        ("googlenet", "GoogLeNet"),
        ("inception", "Inception"),
        ("inception", "Direct"),
        ("inception", "Bottleneck"),
        ("conv1d", "Signal"),
        ("conv3d", "Volume"),
        ("sliding_window", "Windows"),
        ("siamese", "FaceVerify"),
    ] {
        settings.set_snapshot_suffix(name.to_lowercase());
        settings
            .bind(|| insta::assert_snapshot!("report", report(file, &net(name)).text(Order::Hwc)));
    }
}

/// The course's image, its left half bright: every filter set by hand finds the edge in the middle.
#[test]
fn filters_set_by_hand_find_the_edge() {
    let image: Vec<f32> = (0..36).map(|at| if at % 6 < 3 { 10.0 } else { 0.0 }).collect();
    for (name, middle) in [
        ("Vertical", 30.0),
        ("Horizontal", 0.0),
        ("Sobel", 40.0),
        ("Scharr", 160.0),
        // The textbook turns the filter round.
        ("Textbook", -30.0),
    ] {
        let graph = graph("edges", &net(name));
        let model = Model::compile(&graph, &Weights::random(0));
        let edges = model.run(&[&image]).expect("the image fits");
        let row = [0.0, middle, middle, 0.0];
        assert_eq!(edges[0].data, row.repeat(4), "{name}");
    }
}
