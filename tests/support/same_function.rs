//! The oracle of the passes: an optimised graph computes what the plain one computes.

use netc::graph::Graph;
use netc::interpret;
use netc::shape::Shape;
use netc::tensor::Tensor;
use netc::weights::Weights;

use super::nets::Numbers;

/// How far apart two results may be, as a share of the largest magnitude among a result's elements: folding
/// moves roundings about, and every layer behind them passes the difference on.
const SHARE: f32 = 2e-5;

/// Panics unless both graphs have the same inputs and results by name and shape, and give the same numbers
/// for random inputs: finite ones, and ones with a NaN, an infinity, zeros and a subnormal among them.
pub(crate) fn assert_same_function(plain: &Graph, optimised: &Graph, seed: u64) {
    assert_eq!(interface(plain), interface(optimised), "in\n{optimised}");
    let weights = Weights::random(seed);
    for odd in [false, true] {
        let mut numbers = Numbers::new(seed);
        let inputs: Vec<_> = plain
            .inputs()
            .iter()
            .map(|&it| input(&mut numbers, &plain.node(it).shape, odd))
            .collect();
        let wanted = interpret::outputs(plain, &|id| weights.tensor(plain, id), &inputs);
        let found = interpret::outputs(optimised, &|id| weights.tensor(optimised, id), &inputs);
        for ((output, wanted), found) in plain.outputs().iter().zip(&wanted).zip(&found) {
            assert_close(&output.name, wanted, found, odd, optimised);
        }
    }
}

/// Names and shapes of inputs and results.
fn interface(graph: &Graph) -> Vec<(String, Shape)> {
    let inputs = graph.inputs().iter().map(|&it| (graph.node(it).path.clone(), it));
    let outputs = graph.outputs().iter().map(|it| (it.name.clone(), it.node));
    inputs.chain(outputs).map(|(name, it)| (name, graph.node(it).shape.clone())).collect()
}

fn input(numbers: &mut Numbers, shape: &Shape, odd: bool) -> Tensor {
    let mut data: Vec<f32> = (0..shape.elements()).map(|_| numbers.normal()).collect();
    if odd {
        for it in [f32::NAN, f32::INFINITY, -0.0, 0.0, 1e-40] {
            let at = numbers.below(data.len());
            data[at] = it;
        }
    }
    Tensor::new(shape.clone(), data)
}

/// A NaN equals a NaN and an infinity itself; other numbers may differ by [`SHARE`].
fn assert_close(name: &str, wanted: &Tensor, found: &Tensor, odd: bool, graph: &Graph) {
    assert_eq!(wanted.shape, found.shape, "`{name}` of\n{graph}");
    let finite = wanted.data.iter().filter(|it| it.is_finite());
    let largest = finite.map(|it| it.abs()).fold(0.0, f32::max);
    for (at, (&wanted, &found)) in wanted.data.iter().zip(&found.data).enumerate() {
        let same = wanted == found || wanted.is_nan() && found.is_nan();
        let close = (wanted - found).abs() <= SHARE * largest + f32::MIN_POSITIVE;
        assert!(
            same || close,
            "element {at} of `{name}` is {found}, but {wanted} before the passes (odd inputs: {odd}), in\n{graph}"
        );
    }
}
