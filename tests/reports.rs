//! The published figures: what `netc report` says of the networks in `models/`.

use std::path::Path;

use netc::diag::{Source, Sources};
use netc::elaborate::{self, elaborate};
use netc::report::{Order, Report};

struct Figures {
    file: &'static str,
    net: &'static str,
    train: bool,
    params: u64,
    buffers: u64,
    /// Multiply-accumulates in millions, rounded, where they are published.
    mmacs: Option<u64>,
}

const fn row(
    file: &'static str,
    net: &'static str,
    params: u64,
    buffers: u64,
    mmacs: Option<u64>,
) -> Figures {
    Figures { file, net, train: false, params, buffers, mmacs }
}

/// Parameters, statistics of batch normalisation, and MACs, as papers, torchvision and Darknet state them.
const FIGURES: &[Figures] = &[
    row("lenet_course", "LeNetCourse", 608 + 3_216 + 48_120 + 10_164 + 850, 0, None),
    row("lenet5", "LeNet5", 61_706, 0, Some(0)),
    row("alexnet", "AlexNet", 62_378_344, 0, Some(1_135)),
    row("alexnet", "AlexNetGrouped", 60_965_224, 0, Some(724)),
    row("vgg", "VGG16", 138_357_544, 0, Some(15_470)),
    row("vgg", "VGG19", 143_667_240, 0, Some(19_632)),
    row("resnet", "ResNet18", 11_689_512, 9_600, Some(1_814)),
    row("resnet", "ResNet34", 21_797_672, 17_024, Some(3_664)),
    row("resnet", "ResNet50", 25_557_032, 53_120, Some(4_089)),
    row("resnet", "ResNet101", 44_549_160, 105_344, Some(7_801)),
    row("resnet", "ResNet152", 60_192_808, 151_424, Some(11_514)),
    row("densenet", "DenseNet121", 7_978_856, 83_648, Some(2_834)),
    row("densenet", "DenseNet169", 14_149_480, 158_400, Some(3_360)),
    row("googlenet", "GoogLeNet", 6_998_552, 0, Some(1_583)),
    Figures { train: true, ..row("googlenet", "GoogLeNet", 13_378_280, 0, Some(1_591)) },
    row("squeezenet1_1", "SqueezeNet", 1_235_496, 0, None),
    row("mobilenet_v2", "MobileNetV2", 3_504_872, 34_112, Some(301)),
    row("yolov2", "YOLOv2", 50_962_889, 20_672, Some(14_732)),
];

fn report(file: &str, options: &elaborate::Options) -> Report {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file).with_extension("net");
    let text = std::fs::read_to_string(&path).expect("a model of the project");
    let mut sources = Sources::default();
    let root = sources.add(Source { name: format!("{file}.net"), text });
    let mut no_files = |_: &str| Err("models stand alone".to_owned());
    let elaborated = elaborate(&mut sources, root, &mut no_files, options);
    Report::of(&elaborated.unwrap_or_else(|it| panic!("{file}: {it:#?}")).graph, None)
}

fn net(name: &str) -> elaborate::Options {
    elaborate::Options { net: Some(name.to_owned()), ..elaborate::Options::default() }
}

#[test]
fn published_figures_are_met() {
    for it in FIGURES {
        let totals = report(it.file, &elaborate::Options { train: it.train, ..net(it.net) }).totals;
        assert_eq!((totals.params, totals.buffers), (it.params, it.buffers), "{}", it.net);
        if let Some(mmacs) = it.mmacs {
            assert_eq!(millions(totals.macs), mmacs, "{}", it.net);
        }
    }
}

#[test]
fn the_first_resnet_strides_in_its_first_convolution() {
    let options =
        elaborate::Options { set: vec![("v1".to_owned(), "true".to_owned())], ..net("ResNet50") };
    let totals = report("resnet", &options).totals;
    assert_eq!((totals.params, millions(totals.macs)), (25_557_032, 3_858));
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
        ("inception", "Inception"),
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

fn millions(macs: u64) -> u64 {
    (macs + 500_000) / 1_000_000
}
