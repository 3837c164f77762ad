//! Weight paths are those of the files that people have: torchvision's.

use std::path::Path;

use netc::diag::{Source, Sources, render};
use netc::elaborate::{self, Options};

/// The weight paths of a net of the repository's models, in the order of the file.
fn paths(model: &str, net: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
    let text = std::fs::read_to_string(&path).expect("a model is readable");
    let mut sources = Sources::default();
    let root = sources.add(Source { name: model.to_owned(), text });
    let mut read = |_: &str| Err("models stand alone".to_owned());
    let options = Options { net: Some(net.to_owned()), ..Options::default() };
    let elaborated = elaborate::elaborate(&mut sources, root, &mut read, &options);
    let elaborated = elaborated.unwrap_or_else(|diagnostics| {
        let format = render::Format::Human { color: false };
        panic!("{model}:\n{}", render::all(&sources, &diagnostics, format, 20))
    });
    elaborated.graph.params().iter().map(|it| it.path.clone()).collect()
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}

#[test]
fn resnet50_has_the_names_of_torchvision() {
    let norm = |path: &str| {
        ["weight", "bias", "running_mean", "running_var"].map(|it| format!("{path}.{it}"))
    };
    let mut want = vec!["conv1.weight".to_owned(), "fc.weight".to_owned(), "fc.bias".to_owned()];
    want.extend(norm("bn1"));
    for (layer, blocks) in [(1, 3), (2, 4), (3, 6), (4, 3)] {
        for block in 0..blocks {
            for i in 1..=3 {
                want.push(format!("layer{layer}.{block}.conv{i}.weight"));
                want.extend(norm(&format!("layer{layer}.{block}.bn{i}")));
            }
        }
        want.push(format!("layer{layer}.0.downsample.0.weight"));
        want.extend(norm(&format!("layer{layer}.0.downsample.1")));
    }
    assert_eq!(sorted(paths("resnet.net", "ResNet50")), sorted(want));
}

#[test]
fn vgg16_has_the_names_of_torchvision() {
    let features = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    let features = features.map(|it| format!("features.{it}"));
    let classifier = [0, 3, 6].map(|it| format!("classifier.{it}"));
    let layers = features.into_iter().chain(classifier);
    let want = layers.flat_map(|it| [format!("{it}.weight"), format!("{it}.bias")]).collect();
    assert_eq!(sorted(paths("vgg.net", "VGG16")), sorted(want));
}
