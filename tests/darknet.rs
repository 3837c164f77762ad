//! Darknet's files: what each section means, what is said about broken ones, and that no cut is overlooked.

use netc::darknet::{self, Imported, Options};
use netc::diag::{Diagnostics, FileId, Severity};
use netc::graph::Graph;
use netc::interpret;
use netc::ops::{Fit, Op};
use netc::shape::Shape;
use netc::tensor::Tensor;

/// A net with every kind of parameter that a file can hold.
const SMALL: &str = "[net]\nheight=6\nwidth=5\nchannels=2\nbatch=64\n\n\
    [convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\nstride=1\npad=1\nactivation=leaky\n\n\
    [convolutional]\nfilters=2\nsize=1\nactivation=linear\n\n[connected]\noutput=4\nactivation=logistic\n\n\
    [softmax]\ngroups=1\n";

fn import(text: &str) -> Result<Imported, Diagnostics> {
    darknet::import(FileId(0), text, "Test", &Options::default())
}

fn good(text: &str) -> Imported {
    import(text).unwrap_or_else(|found| panic!("{found:?}\n{text}"))
}

/// A net of a header and sections, on a map `[2, 6, 5]`.
fn net(sections: &str) -> String {
    format!("[net]\nheight=6\nwidth=5\nchannels=2\n{sections}")
}

/// The numbers 0, 1, 2, .. as the weights of a net, behind a header.
fn file(header: &[i32], count: u64) -> Vec<u8> {
    let header = header.iter().flat_map(|it| it.to_le_bytes());
    header.chain((0..count).flat_map(|it| (it as f32).to_le_bytes())).collect()
}

const NEW: [i32; 5] = [0, 2, 0, 64, 0];
const OLD: [i32; 4] = [0, 1, 0, 64];

/// What a net makes of the picture 0, 1/8, 2/8, ..
fn run(text: &str) -> (Tensor, Tensor) {
    let Imported { graph, layout, .. } = good(text);
    let weights = layout.read(&file(&NEW, layout.len()), None).expect("the file fits");
    let shape = graph.node(graph.inputs()[0]).shape.clone();
    let data = (0..shape.elements()).map(|it| it as f32 / 8.0).collect();
    let input = Tensor::new(shape, data);
    graph.verify();
    let params = |id| weights.tensor(&graph, id);
    let mut outputs = interpret::outputs(&graph, &params, std::slice::from_ref(&input));
    (input, outputs.remove(0))
}

/// The first complaint about a net.
#[track_caller]
fn complaint(text: &str) -> String {
    let found = import(text).expect_err(text);
    let first = &found[0];
    assert_eq!(first.severity, Severity::Error);
    assert!(text.get(first.span.start as usize..first.span.end as usize).is_some());
    first.message.clone()
}

#[test]
fn numbers_lie_bias_first() {
    let imported = good(SMALL);
    let Imported { graph, layout, .. } = &imported;
    assert_eq!(layout.len(), 4 * 3 + 3 * 2 * 9 + 2 + 2 * 3 + 4 + 4 * 60);
    for header in [&NEW[..], &OLD] {
        let weights = layout.read(&file(header, layout.len()), None).expect("the file fits");
        let first = |path: &str| {
            let at = graph.params().iter().position(|it| it.path == path).expect(path);
            weights.tensor(graph, netc::graph::ParamId(at)).data[..2].to_vec()
        };
        assert_eq!(first("bn0.bias"), [0.0, 1.0]);
        assert_eq!(first("bn0.weight"), [3.0, 4.0]);
        assert_eq!(first("bn0.running_mean"), [6.0, 7.0]);
        assert_eq!(first("bn0.running_var"), [9.0, 10.0]);
        assert_eq!(first("conv0.weight"), [12.0, 13.0]);
        assert_eq!(first("conv1.bias"), [66.0, 67.0]);
        assert_eq!(first("conv1.weight"), [68.0, 69.0]);
        assert_eq!(first("fc2.bias"), [74.0, 75.0]);
        assert_eq!(first("fc2.weight"), [78.0, 79.0]);
    }
    // Files of a version above 1000 hold connected layers input first.
    let turned = layout.read(&file(&[0, 1001, 0, 64], layout.len()), None).expect("the file fits");
    let at = graph.params().iter().position(|it| it.path == "fc2.weight").expect("a parameter");
    assert_eq!(turned.tensor(graph, netc::graph::ParamId(at)).data[..2], [78.0, 82.0]);
}

#[test]
fn every_cut_of_a_weights_file_is_refused() {
    let layout = good(SMALL).layout;
    let whole = file(&NEW, layout.len());
    for length in 0..whole.len() {
        let fault = layout.read(&whole[..length], None).expect_err("a file that is cut off");
        assert!(fault.contains("ends in"), "{length}: {fault}");
    }
    let cut = layout.read(&whole[..100], None).expect_err("a file that is cut off");
    assert!(cut.contains("`[convolutional]` 0 (line 7)"), "{cut}");
    let long = [whole.as_slice(), &[0; 4]].concat();
    assert!(layout.read(&long, None).expect_err("too long").contains("4 bytes are left over"));
    assert!(layout.read(&whole[..20], Some(1)).is_ok(), "with a seed a file may hold no layer");
    assert!(layout.read(&whole[..100], Some(1)).is_err(), "but no part of one");
    let wild = file(&[-5, 77, 0, 0, 0], layout.len());
    assert!(
        layout.read(&wild, None).expect_err("no version").contains("not a Darknet weights file")
    );
}

#[test]
fn every_cut_of_a_network_is_read_or_refused() {
    for length in 0..SMALL.len() {
        match import(&SMALL[..length]) {
            Ok(imported) => imported.graph.verify(),
            Err(found) => assert!(!found.is_empty()),
        }
    }
}

#[test]
fn pools_pad_as_darknet_does() {
    // 6x5 with size 2 and stride 1 keeps its size: one row behind. With size 3 there is one before too.
    let (input, same) = run(&net("[maxpool]\nsize=2\nstride=1\n"));
    assert_eq!(same.shape, input.shape);
    assert_eq!(same.data[..5], [0.75, 0.875, 1.0, 1.125, 1.125]);
    let (_, three) = run(&net("[maxpool]\nsize=3\nstride=1\n"));
    assert_eq!(three.data[..5], [0.75, 0.875, 1.0, 1.125, 1.125]);
    let (_, halves) = run(&net("[maxpool]\nsize=2\nstride=2\n"));
    assert_eq!(halves.shape.dims(), [1, 2, 3, 3]);
    let (_, none) = run(&net("[maxpool]\nsize=3\nstride=2\npadding=0\n"));
    assert_eq!(none.shape.dims(), [1, 2, 2, 2]);
}

/// `stride` is what `stride_x` and `stride_y` are unless they are given, as Darknet's `parse_maxpool` has it.
#[test]
fn pools_have_a_stride_each_way() {
    let (input, wide) = run(&net("[maxpool]\nsize=2\nstride=2\nstride_x=1\n"));
    assert_eq!(wide.shape.dims(), [1, 2, 3, 5]);
    let at = |y: usize, x: usize| input.data[y * 5 + x];
    assert_eq!(wide.data[..5], [at(1, 1), at(1, 2), at(1, 3), at(1, 4), at(1, 4)]);
    assert_eq!(wide.data[10..15], [at(5, 1), at(5, 2), at(5, 3), at(5, 4), at(5, 4)]);
    let (_, tall) = run(&net("[maxpool]\nsize=3\nstride_y=3\npadding=0\n"));
    assert_eq!(tall.shape.dims(), [1, 2, 2, 3]);
    assert_eq!(tall.data[..3], [at(2, 2), at(2, 3), at(2, 4)]);
    let (_, same) = run(&net("[maxpool]\nsize=2\nstride=2\nstride_x=2\nstride_y=2\n"));
    assert_eq!(same, run(&net("[maxpool]\nsize=2\nstride=2\n")).1);
}

/// Such a layer's numbers, or some of them, are not in the file, so that every layer after it lies elsewhere.
#[test]
fn weights_that_a_file_lacks_are_refused() {
    for layer in ["convolutional", "connected", "batchnorm"] {
        for option in ["dontload", "dontloadscales", "numload"] {
            let said = complaint(&net(&format!("[{layer}]\n{option}=1\n")));
            assert!(said.contains(&format!("`{option}=1` changes the result")), "{said}");
            assert!(good(&net(&format!("[{layer}]\n{option}=0\n"))).warnings.is_empty());
        }
    }
    // Of a layer without weights they say nothing.
    assert!(good(&net("[maxpool]\ndontload=1\n")).warnings.is_empty());
}

/// Each option is looked up among those before it.
#[test]
fn many_options_are_read_in_one_go() {
    const COUNT: usize = 100_000;
    let options: String = (0..COUNT).map(|it| format!("o{it}=1\n")).collect();
    let warnings = good(&net(&format!("[dropout]\n{options}o7=2\n"))).warnings;
    assert_eq!(warnings.len(), COUNT + 1);
    assert_eq!(warnings[COUNT].message, "`o7` is given twice; the first counts");
}

#[test]
fn shortcuts_take_every_second_cell_and_the_channels_that_both_have() {
    let (input, sum) =
        run("[net]\nheight=4\nwidth=4\nchannels=1\n[upsample]\nstride=2\n[route]\nlayers=-1,-1\n\
        [maxpool]\nsize=1\nstride=2\n[shortcut]\nfrom=0\nactivation=linear\n");
    // Layer 0 is the input enlarged, so every second cell of it is the input; layer 2 is the input twice.
    assert_eq!(sum.shape.dims(), [1, 2, 4, 4]);
    let twice: Vec<f32> = input.data.iter().map(|it| 2.0 * it).collect();
    assert_eq!(sum.data, [twice, input.data].concat());
    let (input, less) = run(&net("[route]\nlayers=-1\n").replace(
        "[route]\nlayers=-1\n",
        "[upsample]\nstride=1\n[route]\nlayers=0,0\n[route]\nlayers=0\n[shortcut]\nfrom=1\n",
    ));
    assert_eq!(less.data, input.data.iter().map(|it| 2.0 * it).collect::<Vec<_>>());
    assert!(complaint(&net("[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=0\n[upsample]\nstride=3\n[shortcut]\nfrom=0\n"))
        .contains("not larger by a whole factor"));
}

#[test]
fn activations_are_darknets() {
    let of = |name: &str| {
        let text = format!("[net]\ninputs=3\n[crop]\n[activation]\nactivation={name}\n")
            .replace("[crop]\n", "");
        let Imported { graph, .. } = good(&text);
        let input = Tensor::new(Shape::of(&[1, 3]), vec![-2.0, 0.5, 3.0]);
        let params = |_| unreachable!("there is none");
        interpret::outputs(&graph, &params, &[input]).remove(0).data
    };
    let near = |name: &str, want: [f32; 3]| {
        let found = of(name);
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {found:?}");
    };
    near("leaky", [-0.2, 0.5, 3.0]);
    near("ramp", [-0.2, 0.55, 3.3]);
    near("relie", [-0.02, 0.5, 3.0]);
    near("loggy", [-0.761_594, 0.244_919, 0.905_148]);
    near("hardtan", [-1.0, 0.5, 1.0]);
    near("selu", [-1.520_1, 0.525_35, 3.152_1]);
    near("logistic", [0.119_203, 0.622_459, 0.952_574]);
    assert!(
        complaint("[net]\ninputs=3\n[activation]\nactivation=stair\n")
            .contains("no activation `stair`")
    );
}

#[test]
fn crops_take_the_middle_and_scale() {
    let (input, middle) = run(&net("[crop]\ncrop_height=4\ncrop_width=2\nflip=1\n"));
    assert_eq!(middle.shape.dims(), [1, 2, 4, 2]);
    assert_eq!(middle.data[0], 2.0 * input.data[6] - 1.0);
    assert!(complaint(&net("[crop]\ncrop_height=9\ncrop_width=2\n")).contains("does not fit"));
}

/// Names and shapes of the outputs.
fn outputs(graph: &Graph) -> Vec<(&str, Vec<usize>)> {
    let named = graph.outputs().iter();
    named.map(|it| (it.name.as_str(), graph.node(it.node).shape.dims().to_vec())).collect()
}

#[test]
fn heads_become_detections() {
    let head = |kind: &str, filters: usize| {
        format!(
            "[net]\nheight=64\nwidth=96\nchannels=3\n[convolutional]\nfilters={filters}\nsize=32\nstride=32\n\
            activation=linear\n{kind}"
        )
    };
    let yolo = head("[yolo]\nmask=1,2\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=4\n", 18);
    let train = Options { train: true, ..Options::default() };
    let imported = darknet::import(FileId(0), &yolo, "Y", &train).expect("a net");
    imported.graph.verify();
    let wanted = vec![("detections", vec![48, 7]), ("head1", vec![1, 18, 2, 3])];
    assert_eq!(outputs(&imported.graph), wanted);
    let first = imported.graph.users(imported.graph.inputs()[0])[0];
    let op = &imported.graph.layer(first).expect("a layer").op;
    assert!(matches!(op, Op::Picture(it) if it.fit == Fit::Letterbox), "{op:?}");
    let region =
        head("[region]\nanchors=1,2, 3,4\nnum=2\nclasses=4\nsoftmax=1\ncoords=4\nthresh=.6\n", 18);
    assert_eq!(outputs(&good(&region).graph), [("detections", vec![48, 7])]);
    let first = "[net]\nheight=64\nwidth=64\nchannels=3\n[connected]\noutput=44\nactivation=linear\n\
        [detection]\nclasses=1\ncoords=4\nside=2\nnum=2\nsqrt=1\n";
    assert_eq!(outputs(&good(first).graph), [("detections", vec![8, 7])]);
    let wrong = head("[yolo]\nmask=1,2\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=5\n", 18);
    assert!(complaint(&wrong).contains("need 20 channels"));
    let beyond = head("[yolo]\nmask=3\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=4\n", 9);
    assert!(complaint(&beyond).contains("anchor 3 of 3"));
    let tree = good(&head("[region]\nanchors=1,2, 3,4\nnum=2\nclasses=4\ntree=9k.tree\n", 18));
    assert_eq!(outputs(&tree.graph), [("head1", vec![1, 18, 2, 3])]);
    assert!(tree.warnings[0].message.contains("tree of classes is not read"));
    for (name, value) in [("score", "2"), ("iou", "x"), ("classes", "3")] {
        let set = vec![(name.to_owned(), value.to_owned())];
        darknet::import(FileId(0), &yolo, "Y", &Options { set, ..Options::default() })
            .expect_err(name);
    }
}

/// The centre of a cell, the size of an anchor, and the first grid of YOLO by hand.
#[test]
fn the_first_yolo_is_read_cell_by_cell() {
    let text = "[net]\nheight=20\nwidth=40\nchannels=3\n[connected]\noutput=24\nactivation=linear\n\
        [detection]\nclasses=1\ncoords=4\nside=2\nnum=1\nsqrt=1\n";
    let Imported { graph, layout, .. } = good(text);
    // Without weights the layer gives its bias: 4 shares of 0.5, 4 objects 1 to 4 tenths, boxes (.5, .25, .5, 1).
    let bias = [[0.5; 4], [0.1, 0.2, 0.3, 0.4]].concat();
    let boxes = [0.5, 0.25, 0.5, 1.0].repeat(4);
    let numbers = bias.iter().chain(&boxes).copied().chain(std::iter::repeat_n(0.0, 24 * 2400));
    let header = OLD.iter().flat_map(|it| it.to_le_bytes());
    let bytes: Vec<u8> = header.chain(numbers.flat_map(|it: f32| it.to_le_bytes())).collect();
    let weights = layout.read(&bytes, None).expect("the file fits");
    let input = Tensor::filled(graph.node(graph.inputs()[0]).shape.clone(), 1.0);
    let params = |id| weights.tensor(&graph, id);
    let values = interpret::run(&graph, &params, &[input]);
    let nms = graph.outputs()[0].node;
    let [boxes, scores] = [0, 1].map(|it| &values[&graph.node(nms).operands()[it]]);
    assert_eq!(scores.data, [0.05, 0.1, 0.15, 0.2]);
    assert_eq!(boxes.data[..4], [10.0, 2.5, 10.0, 20.0]);
    assert_eq!(boxes.data[12..], [30.0, 12.5, 10.0, 20.0]);
}

#[test]
fn mistakes_have_their_line_and_say_what_is_wrong() {
    assert!(complaint("").contains("no section"));
    assert!(complaint("height=3\n").contains("before any section"));
    for head in [
        "region]\nanchors=1,2\nclasses=9",
        "yolo]\nanchors=1,2\nclasses=9",
        "detection]\nside=1\nclasses=9",
    ] {
        let found = complaint(&format!("[net]\ninputs=16\n[connected]\noutput=14\n[{head}\n"));
        assert!(found.contains("needs a picture"), "{head}: {found}");
    }
    assert!(complaint("[convolutional]\n").contains("first section is `[convolutional]`"));
    assert!(complaint("[net]\nheight=3\n").contains("needs `height`, `width` and `channels`"));
    assert!(complaint("[net\n").contains("not a section"));
    assert!(complaint(&net("rubbish\n")).contains("neither a section nor an option"));
    assert!(complaint(&net("[convolutional]\nfilters=x\n")).contains("found `x`"));
    assert!(complaint(&net("[convolutional]\nfilters=0\n")).contains("at least 1"));
    assert!(complaint(&net("[convolutional]\nsize=9\n")).contains("covers 9x9 rows"));
    assert!(complaint(&net("[convolutional]\nxnor=1\n")).contains("`xnor=1` changes the result"));
    assert!(complaint(&net("[route]\nlayers=0\n")).contains("does not come before"));
    assert!(complaint(&net("[route]\nlayers=-9\n")).contains("does not come before"));
    assert!(
        complaint(&net("[rnn]\noutput=3\n[lstm]\n[gru]\n")).contains("`[rnn]`, `[lstm]`, `[gru]`")
    );
    assert!(complaint(&net("[softmax]\nspatial=1\n")).contains("spatial"));
    assert!(complaint(&net("[cost]\n")).contains("no layer"));
    let found = import(&net("[convolutional]\nfilters=x\nsize=y\n")).expect_err("two mistakes");
    assert_eq!(found.len(), 2);
    let warned = good(&net("[maxpool]\nsiez=3\nsize=2\nsize=3\n"));
    let messages: Vec<&str> = warned.warnings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`[maxpool]` has no option `siez`; it is ignored",
            "`size` is given twice; the first counts",
        ]
    );
}

#[test]
fn what_grows_without_bound_is_refused() {
    let doubled = "[route]\nlayers=-1,-1\n".repeat(40);
    assert!(complaint(&net(&format!("[upsample]\nstride=1\n{doubled}"))).contains("would be"));
    let many = "[dropout]\n".repeat(10_001);
    assert!(complaint(&net(&many)).contains("more than 10000 sections"));
    let wide = "[connected]\noutput=40000\n".repeat(7);
    assert!(complaint(&net(&wide)).contains("too many"));
}

/// Numbers that overflow where sums and products are not checked.
const HOSTILE: [&str; 8] = ["0", "-1", "2", "255", "65536", "2147483647", "2147483648", "1e39"];

/// A generator of numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn changed_networks_are_read_or_refused() {
    let bases = [
        SMALL.to_owned(),
        net(
            "[convolutional]\nfilters=14\nsize=3\npad=1\n[maxpool]\nsize=2\n[upsample]\nstride=2\n[route]\nlayers=-1,0\n\
            [reorg]\nstride=2\n[shortcut]\nfrom=-2\nactivation=ramp\n[avgpool]\n[softmax]\ngroups=2\n",
        ),
        net(
            "[crop]\ncrop_height=4\ncrop_width=3\n[convolutional]\nfilters=14\nactivation=linear\n\
            [yolo]\nmask=1,2\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=2\n",
        ),
        net("[connected]\noutput=44\n[detection]\nclasses=1\ncoords=4\nside=2\nnum=2\n"),
    ];
    let limits =
        netc::elaborate::Limits { elements: 1 << 20, params: 1 << 22, ..Default::default() };
    let options = Options { limits, train: true, ..Options::default() };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut built = 0;
    for _ in 0..20_000 {
        let mut lines: Vec<String> = bases[dice.below(4)].lines().map(str::to_owned).collect();
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(lines.len());
            match dice.below(4) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[dice.below(lines.len())].clone()),
                2 => lines[at] = lines[at].replacen('=', &format!("={}", dice.below(100)), 1),
                _ => {
                    let key = lines[at].split('=').next().unwrap_or_default().to_owned();
                    lines[at] = format!("{key}={}", HOSTILE[dice.below(HOSTILE.len())]);
                }
            }
        }
        let text = lines.join("\n");
        match darknet::import(FileId(0), &text, "Test", &options) {
            Ok(imported) => {
                imported.graph.verify();
                built += 1;
            }
            Err(found) => {
                assert!(!found.is_empty(), "{text}");
                for it in found {
                    let span = it.span.start as usize..it.span.end as usize;
                    assert!(text.get(span).is_some(), "{text}");
                }
            }
        }
    }
    assert!(built > 2000, "{built} of the changed nets are nets");
}
