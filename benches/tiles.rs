//! How near tiles come to what the machine's multipliers can do: GFLOP/s of whole layers on one
//! thread, and percent of a peak measured in the same rounds.
//!
//! `cargo bench --bench tiles [-- [--quick] [PART-OF-A-NAME]]`. *Hot* uses the same weights every time; *cold*
//! takes others, so that they come from memory as they do in a large network. `--quick` looks only a few times.

#[path = "tiles/layer.rs"]
mod layer;
#[path = "tiles/machine.rs"]
mod machine;

use std::time::Instant;

use layer::{Layer, Work};
use machine::{Form, Machine, huge};
use netc::codegen::tile::{Address, Instr, Operand, Pointer, Tile, Vector};

const ROUNDS: usize = 12;
/// Rounds with `--quick`.
const FEW: usize = 2;
/// Runs of one kind in a row, so that activations are where the layer before would leave them.
const AGAIN: usize = 4;
const LAYERS: &[(&str, Layer)] = &[
    ("first 7x7/2 3->64 112x112", Layer { plain: true, ..conv(3, 64, 112, 7, 2) }),
    ("3x3 64->64 56x56", conv(64, 64, 56, 3, 1)),
    ("3x3 128->128 28x28", conv(128, 128, 28, 3, 1)),
    ("3x3 256->256 14x14", conv(256, 256, 14, 3, 1)),
    ("3x3 512->512 7x7", conv(512, 512, 7, 3, 1)),
    ("3x3/2 256->256 14x14", conv(256, 256, 14, 3, 2)),
    ("5x5 64->96 27x27", conv(64, 96, 27, 5, 1)),
    ("1x1 64->256 56x56", conv(64, 256, 56, 1, 1)),
    ("1x1 256->64 56x56", conv(256, 64, 56, 1, 1)),
    ("1x1 512->128 28x28", conv(512, 128, 28, 1, 1)),
    ("1x1 1024->256 14x14", conv(1024, 256, 14, 1, 1)),
    ("1x1 512->2048 7x7", conv(512, 2048, 7, 1, 1)),
    ("1x1 2048->512 7x7", conv(2048, 512, 7, 1, 1)),
    ("1x1/2 1024->2048 7x7", conv(1024, 2048, 7, 1, 2)),
    ("fc 2048->1000", conv(2048, 1000, 1, 1, 1)),
    ("fc 9216->4096", conv(9216, 4096, 1, 1, 1)),
    ("depthwise 3x3 144 56x56", Layer { depthwise: true, ..conv(144, 144, 56, 3, 1) }),
    ("depthwise 3x3/2 144 28x28", Layer { depthwise: true, ..conv(144, 144, 28, 3, 2) }),
    ("depthwise 3x3 960 7x7", Layer { depthwise: true, ..conv(960, 960, 7, 3, 1) }),
];

const fn conv(channels: usize, out: usize, size: usize, window: usize, stride: usize) -> Layer {
    Layer { channels, out, size, window, stride, plain: false, depthwise: false }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filter = args.iter().find(|it| !it.starts_with('-')).map_or("", |it| it);
    let rounds = if args.iter().any(|it| it == "--quick") { FEW } else { ROUNDS };
    let mut machine = Machine::default();
    let weights = huge(40 << 20);
    println!("{:28}{:>8} {:>18} {:>18} {:>18}", "layer", "tile", "hot", "cold", "portable, hot");
    for (name, layer) in LAYERS.iter().filter(|it| it.0.contains(filter)) {
        let mut wide = Work::new(layer, Form::Avx2, &mut machine);
        let mut portable = Work::new(layer, Form::Portable, &mut machine);
        let mut peak = Peak::new(&mut machine);
        let mut best = [f64::INFINITY; 4];
        let mut keep = |which: usize, seconds: f64| {
            best[which] = if seconds < best[which] { seconds } else { best[which] };
        };
        let copies = weights.len() / wide.weights;
        for round in 0..rounds {
            keep(3, peak.seconds());
            for _ in 0..AGAIN {
                keep(0, time(|| wide.run(&weights[..wide.weights])));
            }
            for again in 0..AGAIN {
                let copy = (round * AGAIN + again) % copies * wide.weights;
                let cold = &weights[copy..copy + wide.weights];
                keep(1, time(|| wide.run(cold)));
            }
            keep(2, time(|| portable.run(&weights[..portable.weights])));
        }
        wide.run(&weights[..wide.weights]);
        let peak = Peak::FLOP / best[3] / 1e9;
        print!("{name:28}{:>8}", wide.shape());
        for seconds in &best[..3] {
            let speed = layer.flop() / seconds / 1e9;
            print!(" {speed:>10.1} ({:>4.1}%)", 100.0 * speed / peak);
        }
        println!("{}", if portable.sum() == wide.sum() { "" } else { "  forms differ" });
    }
}

fn time(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Multiply-adds on registers alone.
struct Peak {
    leaf: machine::Leaf,
    memory: Vec<f32>,
}

impl Peak {
    const LOOPS: u32 = 4000;
    const UNROLL: u8 = 48;
    const FLOP: f64 = Self::LOOPS as f64 * Self::UNROLL as f64 * 16.0;

    fn new(machine: &mut Machine) -> Peak {
        let mut body: Vec<Instr> = (0..16).map(|it| Instr::Splat(Vector(it), 0.0)).collect();
        let fma = |index: u8| Instr::Fma {
            acc: Vector(index % 12),
            a: Vector(12),
            b: Operand::Vector(Vector(13)),
        };
        let fmas = (0..Self::UNROLL).map(fma).collect();
        body.push(Instr::Loop { count: Self::LOOPS, body: fmas });
        let output = Address { base: Pointer::Output, offset: 0 };
        body.push(Instr::Store(output, Vector(0)));
        let again = Address { base: Pointer::Input, offset: 0 };
        body.push(Instr::Load(Vector(0), again));
        let leaf = machine.leaf(&Tile::new(body), Form::Avx2);
        Peak { leaf, memory: vec![0.0; 8] }
    }

    fn seconds(&mut self) -> f64 {
        let at = self.memory.as_mut_ptr();
        time(|| self.leaf.call(&[at; 6]))
    }
}
