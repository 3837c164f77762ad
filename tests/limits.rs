//! Every limit of the language holds at N and is a diagnostic at N + 1; nothing that a file says can
//! make elaboration overflow, recurse or grow without end.

use netc::diag::{Diagnostic, Source, Sources};
use netc::elaborate::{self, Elaborated, Limits, Options};

fn elaborate_with(
    options: &Options,
    files: &dyn Fn(&str) -> Option<String>,
    text: &str,
) -> Result<Elaborated, Vec<Diagnostic>> {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "a.net".into(), text: text.to_owned() });
    let mut read = |name: &str| {
        let text = files(name).ok_or("not found")?;
        Ok(Source { name: name.to_owned(), text })
    };
    elaborate::elaborate(&mut sources, root, &mut read, options)
}

fn net(body: &str) -> String {
    format!("net A {{\n  input x: f32[N, 4, 8, 8]\n  {body}\n  output y\n}}\n")
}

/// Whether a file is accepted; if not, it must be for the limit and nothing else.
fn holds(key: &str, most: u64, text: &str, files: &dyn Fn(&str) -> Option<String>) -> bool {
    let mut limits = Limits::default();
    limits.set(key, most).expect("a limit");
    let options = Options { limits, ..Options::default() };
    match elaborate_with(&options, files, text) {
        Ok(_) => true,
        Err(found) => {
            let codes: Vec<_> = found.iter().map(|it| it.code).collect();
            assert!(codes.iter().all(|it| *it == "limit"), "{key}: {codes:?}");
            let help = found[0].help.clone().unwrap_or_default();
            assert!(help.contains(&format!("--limit {key}=N")), "{key}: {help}");
            false
        }
    }
}

#[test]
fn each_limit_holds_at_n_and_not_beyond() {
    let none = |_: &str| None;
    let repeat = |n: usize| net(&format!("{n} * relu"));
    assert!(holds("repeat", 5, &repeat(5), &none) && !holds("repeat", 5, &repeat(6), &none));
    let range = |n: usize| net(&format!("for _ in 0..{n} {{ relu }}"));
    assert!(holds("repeat", 5, &range(5), &none) && !holds("repeat", 5, &range(6), &none));
    assert!(holds("nodes", 5, &range(5), &none) && !holds("nodes", 5, &range(6), &none));
    let conv = |c: usize| net(&format!("conv({c}, 1, bias=false)"));
    assert!(holds("params", 32, &conv(8), &none) && !holds("params", 32, &conv(9), &none));
    assert!(holds("elements", 512, &conv(8), &none) && !holds("elements", 512, &conv(9), &none));
    let nested = "block a { relu }\nblock b { a }\n";
    let inside = |name: &str| format!("{nested}{}", net(name));
    assert!(holds("nesting", 2, &inside("a"), &none) && !holds("nesting", 2, &inside("b"), &none));
    let steps = |n: usize| net(&format!("for _ in 0..{n} {{ }}\n  relu"));
    assert!(holds("steps", 100, &steps(20), &none) && !holds("steps", 100, &steps(101), &none));
    let chain = |name: &str| {
        let at: usize = name.strip_suffix(".net")?.strip_prefix('b')?.parse().ok()?;
        Some(format!("use \"b{}.net\"\nblock c{at} {{ relu }}\n", at + 1))
            .filter(|_| at < 3)
            .or_else(|| Some(format!("block c{at} {{ relu }}\n")))
    };
    let uses = format!("use \"b1.net\"\n{}", net("c1"));
    assert!(holds("depth", 4, &uses, &chain) && !holds("depth", 3, &uses, &chain));
    assert!(holds("files", 4, &uses, &chain) && !holds("files", 3, &uses, &chain));
    let bytes = uses.len() as u64 + 32 + 32 + 18;
    assert!(
        holds("bytes", bytes + 64, &uses, &chain) && !holds("bytes", bytes - 18, &uses, &chain)
    );
}

#[test]
fn the_batch_has_a_limit() {
    let batch = |batch| Options { batch, ..Options::default() };
    let text = net("relu");
    assert!(elaborate_with(&batch(65_536), &|_| None, &text).is_ok());
    let found = elaborate_with(&batch(65_537), &|_| None, &text).err().unwrap_or_default();
    assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), ["limit"]);
}

/// On a thread as small as a test's or a server's.
fn on_a_small_stack(text: String) -> Vec<&'static str> {
    let run = move || {
        // A tenth of the default, for the sake of a build that is not optimised.
        let limits = Limits { steps: Limits::default().steps / 10, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let found = elaborate_with(&options, &|_| None, &text);
        found.err().unwrap_or_default().iter().map(|it| it.code).collect()
    };
    let thread = std::thread::Builder::new().stack_size(1 << 21).spawn(run);
    thread.expect("a thread starts").join().expect("no file makes it panic")
}

#[test]
fn no_file_exhausts_the_stack() {
    // Sixty blocks inside one another, each inside forty parentheses.
    let open = "(relu -> ".repeat(40);
    let close = ")".repeat(40);
    let mut text = "block b0 { relu }\n".to_owned();
    for i in 1..60 {
        text.push_str(&format!("block b{i} {{ {open}b{}{close} }}\n", i - 1));
    }
    text.push_str(&net("b59"));
    assert_eq!(on_a_small_stack(text), ["limit"]);
    let sum = format!("x{}", " + x".repeat(5000));
    let found = on_a_small_stack(net(&sum));
    assert!(found.iter().all(|it| ["limit", "nesting"].contains(it)), "{found:?}");
}

#[test]
fn no_list_is_walked_without_end() {
    let mut doubled = "const a0 = [1, 1]\n".to_owned();
    let mut deep = "const a0 = [1, 1]\n".to_owned();
    let mut read = String::new();
    for i in 1..3000 {
        let before = i - 1;
        if i < 60 {
            doubled.push_str(&format!("const a{i} = [a{before}, a{before}]\n"));
        }
        deep.push_str(&format!("const a{i} = [a{before}]\n"));
        read.push_str(&format!("if a{before} == a{before} {{ }}\n"));
    }
    let doubled = format!("{doubled}{}", net("normalise(mean=a59)"));
    assert_eq!(on_a_small_stack(doubled), ["limit"]);
    assert_eq!(on_a_small_stack(format!("{deep}{}", net(&read))), ["limit"]);
}

#[test]
fn no_name_grows_without_end() {
    let name = "a".repeat(120);
    let mut text = format!("block {name}0 {{ relu }}\n");
    for i in 1..40 {
        text.push_str(&format!("block {name}{i} {{ {name}{} }}\n", i - 1));
    }
    assert_eq!(on_a_small_stack(format!("{text}{}", net(&format!("{name}39")))), ["limit"]);
    let call = format!("conv({})", "1, ".repeat(300));
    assert_eq!(on_a_small_stack(net(&call)), ["limit"]);
}

#[test]
fn no_file_expands_without_end() {
    let laughs = "block a { 10000 * relu }\nblock b { 10000 * a }\nblock c { 10000 * b }\n";
    assert_eq!(on_a_small_stack(format!("{laughs}{}", net("c"))), ["limit"]);
    let empty = net("for i in 0..10000 { for j in 0..10000 { for k in 0..10000 { } } }");
    assert_eq!(on_a_small_stack(empty), ["limit"]);
    let identity = "block a { }\nblock b { 10000 * a }\nblock c { 10000 * b }\n";
    assert_eq!(on_a_small_stack(format!("{identity}{}", net("c"))), ["limit"]);
    let errors = net(&"nothing\n  ".repeat(1500));
    assert_eq!(on_a_small_stack(errors).len(), 1000);
    let list = format!("const big = [{}]\n", "1, ".repeat(5_000));
    let many = format!("{list}{}", net("for i in 0..10000 { normalise(mean=big) }"));
    assert!(!on_a_small_stack(many).is_empty());
}

#[test]
fn a_large_net_is_expanded_in_time_by_its_size() {
    let time = |n: usize| {
        let text = net(&format!("{} * block0", n / 2)) + "block block0 { conv(4, 1) -> relu }\n";
        let start = std::time::Instant::now();
        assert!(elaborate_with(&Options::default(), &|_| None, &text).is_ok());
        start.elapsed().as_secs_f64()
    };
    time(1_000);
    let (small, large) = (time(2_000), time(20_000));
    assert!(large < 40.0 * small.max(0.005), "{small} s for 2,000 layers, {large} s for 20,000");
}
