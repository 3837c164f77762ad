//! What the passes do, file by file, and that they keep the function.

#[path = "support/nets.rs"]
mod nets;
#[path = "support/same_function.rs"]
mod same_function;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use netc::diag::{Source, Sources};
use netc::elaborate::{Options, elaborate};
use netc::graph::Graph;
use netc::passes::{self, PASSES};

use same_function::assert_same_function;

/// The graph that a text with one net means.
fn graph(name: &str, text: &str) -> Graph {
    graph_of(name, text, None)
}

/// The graph that a net of a text means; it must mean one.
fn graph_of(name: &str, text: &str, net: Option<&str>) -> Graph {
    let options = Options { net: net.map(str::to_owned), ..Options::default() };
    let mut sources = Sources::default();
    let root = sources.add(Source { name: name.to_owned(), text: text.to_owned() });
    let mut read = |it: &str| Err(format!("{it} is not asked for"));
    match elaborate(&mut sources, root, &mut read, &options) {
        Ok(elaborated) => elaborated.graph,
        Err(diagnostics) => panic!("{name}: {diagnostics:#?}\n{text}"),
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/passes");
    let entries = fs::read_dir(folder).expect("the corpus is there");
    let mut paths: Vec<_> = entries.map(|it| it.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

fn load(path: &Path) -> (String, Graph) {
    let text = fs::read_to_string(path).expect("a corpus file is readable");
    let graph = graph(&path.display().to_string(), &text);
    (text, graph)
}

/// What each pass changed, by its name; passes that changed nothing are left out.
fn diffs(graph: Graph) -> (Vec<(&'static str, String)>, passes::Why) {
    let mut before = graph.to_string();
    let mut diffs = Vec::new();
    let mut passes = PASSES.iter();
    let (_, why) = passes::explain(graph, &mut |_, graph| {
        let pass = passes.next().expect("every pass is observed once").name;
        let after = graph.to_string();
        let diff = passes::diff(&before, &after);
        if !diff.is_empty() {
            diffs.push((pass, diff));
        }
        before = after;
    });
    (diffs, why)
}

#[test]
fn goldens() {
    insta::glob!("corpus/passes/*.net", |path| {
        let (text, graph) = load(path);
        let (diffs, why) = diffs(graph);
        let mut golden = text;
        for (pass, diff) in diffs {
            write!(golden, "\n-- {pass}\n{diff}").expect("a string grows");
        }
        golden.push_str("\n-- why\n");
        for it in why.notes() {
            let mark = if it.did { '+' } else { '-' };
            writeln!(golden, "{mark} `{}` {} [{}]", it.layer, it.reason, it.pass)
                .expect("a string grows");
        }
        compare("rewrite", path, &golden);
    });
}

/// What is left of the models, and what could not be done to them.
#[test]
fn models() {
    insta::glob!("../models", "*.net", |path| {
        let text = fs::read_to_string(path).expect("a model is readable");
        let name = path.display().to_string();
        let nets = text.lines().filter_map(|it| it.strip_prefix("net "));
        let mut golden = String::new();
        for net in nets.map(|it| it.split(['(', ' ']).next().expect("a net has a name")) {
            summarise(net, graph_of(&name, &text, Some(net)), &mut golden);
        }
        compare("passes", path, &golden);
    });
}

fn summarise(net: &str, plain: Graph, golden: &mut String) {
    let (layers, inputs) = (plain.len(), plain.inputs().len());
    let (optimised, why) = passes::explain(plain, &mut |_, _| {});
    let mut line = |text: String| writeln!(golden, "{text}").expect("a string grows");
    line(format!("{net}: {} layers, {} left", layers - inputs, optimised.len() - inputs));
    for pass in PASSES {
        let done = why.notes().iter().filter(|it| it.pass == pass.name && it.did).count();
        if done > 0 {
            line(format!("{done:4} {}", pass.name));
        }
    }
    for pass in PASSES {
        let mut kept = why.notes().iter().filter(|it| it.pass == pass.name && !it.did);
        if let Some(it) = kept.next() {
            let others = match kept.count() {
                0 => String::new(),
                others => format!(" and {others} others"),
            };
            line(format!("     `{}` {} [{}]{others}", it.layer, it.reason, it.pass));
        }
    }
    line(String::new());
}

/// Compares with the golden of a file.
fn compare(stage: &str, path: &Path, golden: &str) {
    let mut settings = insta::Settings::clone_current();
    let stem = path.file_stem().expect("a file has a stem").to_string_lossy();
    // Set by hand: insta strips the common prefix, so a second file would rename the first one's.
    settings.set_snapshot_suffix(stem);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(stage, golden));
}

/// A corpus file belongs to the pass that begins its name.
#[test]
fn every_pass_has_a_file_where_it_fires_and_one_where_it_does_not() {
    let mut fires = HashSet::new();
    let mut stays = HashSet::new();
    for path in corpus() {
        let stem = path.file_stem().expect("a file has a stem").to_string_lossy().replace('_', "-");
        let pass = PASSES.iter().find(|it| stem.starts_with(it.name));
        let pass = pass.unwrap_or_else(|| panic!("{stem} begins with the name of a pass")).name;
        let (diffs, _) = diffs(load(&path).1);
        let fired = diffs.iter().any(|it| it.0 == pass);
        if fired {
            fires.insert(pass)
        } else {
            stays.insert(pass)
        };
    }
    for pass in PASSES {
        assert!(fires.contains(pass.name), "no file shows `{}` at work", pass.name);
        assert!(stays.contains(pass.name), "no file shows where `{}` must not fire", pass.name);
    }
}

#[test]
fn passes_keep_the_function_of_the_corpus() {
    for path in corpus() {
        let (_, plain) = load(&path);
        let optimised = passes::optimise(plain.clone(), &mut |_, _| {});
        assert_same_function(&plain, &optimised, 1);
    }
}

#[test]
fn passes_keep_the_function_of_random_nets() {
    for seed in 0..300 {
        let text = nets::random_net(seed);
        let plain = graph("random.net", &text);
        let optimised = passes::optimise(plain.clone(), &mut |_, _| {});
        assert_same_function(&plain, &optimised, seed);
    }
}

/// What has been optimised has nothing left to do, but for what the cap on epilogues cut in two.
#[test]
fn passes_run_once_are_done() {
    for seed in 0..300 {
        let plain = graph("random.net", &nets::random_net(seed));
        let once = passes::optimise(plain, &mut |_, _| {});
        let twice = passes::optimise(once.clone(), &mut |_, _| {});
        assert_eq!(once.to_string(), twice.to_string(), "seed {seed}");
    }
}

#[test]
fn results_keep_their_names_and_order() {
    for path in corpus() {
        let (_, plain) = load(&path);
        let names = |it: &Graph| it.outputs().iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        let wanted = names(&plain);
        let optimised = passes::optimise(plain, &mut |_, graph| assert_eq!(names(graph), wanted));
        assert_eq!(names(&optimised), wanted);
    }
}

#[test]
fn a_layer_is_asked_for_by_its_path() {
    let text = fs::read_to_string(corpus_file("fold_batch_norm_producers")).expect("it is there");
    let (_, why) = passes::explain(graph("producers.net", &text), &mut |_, _| {});
    let about: Vec<_> = why.of("conv1").map(|it| (it.pass, it.layer.as_str(), it.did)).collect();
    assert_eq!(about, [("fold-batch-norm", "bn1", true), ("fuse-activations", "relu1", true)]);
}

fn corpus_file(stem: &str) -> PathBuf {
    let found = corpus().into_iter().find(|it| it.file_stem().is_some_and(|it| it == stem));
    found.expect("the file is in the corpus")
}
