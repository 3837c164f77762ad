//! Ways to do one thing, measured by criterion in one run, and what each costs beside the first.

use std::time::{Duration, Instant};

use criterion::Criterion;
use netc::codegen::Cpu;

use crate::net::{Net, run};

/// A way to do it, and what it is called.
pub(crate) type Way<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// Criterion with rounds so short that a whole file takes a minute or two.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args()
}

/// One run of a net on one thread: native code, portable code, the reference.
pub(crate) fn compare_runs(criterion: &mut Criterion, name: &str, net: &Net) {
    let inputs = net.inputs();
    let fed: Vec<&[f32]> = inputs.iter().map(|it| it.data.as_slice()).collect();
    let (mut native, mut portable) = (net.session(Cpu::Native), net.session(Cpu::Baseline));
    let ways: Vec<Way<'_>> = vec![
        ("native", Box::new(|| run(&mut native, &fed))),
        ("portable", Box::new(|| run(&mut portable, &fed))),
        ("reference", Box::new(|| drop(net.reference(&inputs)))),
    ];
    compare(criterion, name, ways);
}

/// Measures each way and prints how many times as long it takes as the first, or the first as it: least time against least
/// time, since everything else that the machine does only adds.
pub(crate) fn compare(criterion: &mut Criterion, name: &str, ways: Vec<Way<'_>>) {
    let mut group = criterion.benchmark_group(name);
    let mut least: Vec<(&str, f64)> = Vec::new();
    for (way, mut work) in ways {
        let mut best = f64::INFINITY;
        group.bench_function(way, |bencher| {
            bencher.iter_custom(|times| {
                let begun = Instant::now();
                (0..times).for_each(|_| work());
                let took = begun.elapsed();
                let each = took.as_secs_f64() / times as f64;
                best = if each < best { each } else { best };
                took
            });
        });
        least.push((way, best));
    }
    group.finish();
    let measured = |it: &&(&str, f64)| it.1.is_finite();
    if let Some((first, base)) = least.first().filter(measured) {
        for (way, time) in least.iter().skip(1).filter(measured) {
            let [slow, quick] = if time < base { [first, way] } else { [way, first] };
            let ratio = if time < base { base / time } else { time / base };
            println!("{name}: {slow} takes {ratio:.2} times as long as {quick}");
        }
    }
}
