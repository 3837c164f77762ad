//! Random parameters that are the same on every machine.
//!
//! The generator is splitmix64 (Steele, Lea and Flood 2014), whose `n`-th output is a function of
//! `state + n * GOLDEN`. The state is the seed mixed with a hash of the parameter's path (FNV-1a), so
//! parameters are independent of each other and of their order.

use crate::ops::Init;
use crate::shape::Shape;
use crate::tensor::Tensor;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// How the parameter with some path is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    stream: Stream,
    init: Init,
}

impl Draw {
    pub(super) fn new(seed: u64, path: &str, init: Init) -> Draw {
        Draw { stream: Stream::new(seed, path), init }
    }

    /// The elements that begin at `from`.
    pub(super) fn part(&self, from: usize, to: &mut [f32]) {
        let mut stream = self.stream;
        stream.skip(from);
        match self.init {
            Init::He { fan_in } => {
                let deviation = libm::sqrt(2.0 / fan_in as f64);
                to.iter_mut().for_each(|it| *it = (stream.normal() * deviation) as f32);
            }
            Init::Uniform(low, high) => {
                let (low, high) = (f64::from(low), f64::from(high));
                let range = high - low;
                to.iter_mut().for_each(|it| *it = (low + range * stream.unit()) as f32);
            }
        }
    }
}

/// Random values for an input: mean 0, variance 1, from the seed, the input's name and the position alone.
pub fn noise(seed: u64, name: &str, shape: &Shape) -> Tensor {
    let mut stream = Stream::new(seed, &format!("input {name}"));
    Tensor::new(shape.clone(), (0..shape.elements()).map(|_| stream.normal() as f32).collect())
}

/// Independent random numbers.
#[derive(Clone, Copy, Debug)]
struct Stream {
    state: u64,
}

impl Stream {
    /// The numbers that belong to a seed and a name.
    fn new(seed: u64, name: &str) -> Stream {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let hash = name.bytes().fold(OFFSET, |it, byte| (it ^ u64::from(byte)).wrapping_mul(PRIME));
        Stream { state: mix(mix(seed.wrapping_add(GOLDEN)) ^ hash) }
    }

    /// Leaves so many numbers out.
    fn skip(&mut self, count: usize) {
        self.state = self.state.wrapping_add(GOLDEN.wrapping_mul(count as u64));
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Mean 0, variance 1, close to normal: the sum of four uniform numbers of 16 bits (Irwin-Hall),
    /// exact in integers and hence equal everywhere.
    fn normal(&mut self) -> f64 {
        // The mean of the sum, and 1 / sqrt(4 * (2^32 - 1) / 12) for its deviation.
        const MEAN: i64 = 2 * 65535;
        const SCALE: f64 = 2.642_899_792_130_301_4e-5;
        let bits = self.next();
        let sum = (0..4).map(|it| (bits >> (16 * it) & 0xffff) as i64).sum::<i64>();
        (sum - MEAN) as f64 * SCALE
    }
}

/// The output function of splitmix64.
fn mix(mut it: u64) -> u64 {
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of splitmix64 from state 1234567, as published with the generator.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut stream = Stream { state: 1_234_567 };
        assert_eq!(stream.next(), 6_457_827_717_110_365_317);
        assert_eq!(stream.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut stream = Stream::new(0, "conv1.weight");
        let drawn: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let variance = drawn.iter().map(|it| it * it).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn a_parameter_depends_on_seed_and_path_alone() {
        let part = |seed, path, from, count| {
            let mut data = vec![0.0; count];
            Draw::new(seed, path, Init::He { fan_in: 2 }).part(from, &mut data);
            data
        };
        let first = part(7, "a.weight", 0, 6);
        assert_eq!(first, part(7, "a.weight", 0, 6));
        assert_ne!(first, part(8, "a.weight", 0, 6));
        assert_ne!(first, part(7, "b.weight", 0, 6));
        assert_ne!(first, [0.0; 6]);
        assert_eq!(first[2..5], part(7, "a.weight", 2, 3));
    }
}
