//! What this machine could do at best, measured: what kernels are held against.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::Cpu;
use super::memory::Floats;
use crate::plan::Processor;

/// How long one measurement of a rate takes, and how often it is repeated; the best counts.
const BURST: Duration = Duration::from_millis(4);
const BURSTS: usize = 5;
/// Bytes that no cache holds.
const FAR: usize = 96 << 20;

/// What multiplies and adds, of what this machine has.
#[derive(Clone, Copy, Debug)]
pub struct Vectors(Width);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// Fused, in 512 bits.
    Wide,
    /// Fused, in 256 bits.
    Narrow,
    /// Multiplications and additions as the Rust compiler makes them for any processor of this architecture.
    Portable,
}

impl Vectors {
    /// The widest that code for such a processor uses, of those that this machine has.
    pub fn of(processor: Processor, cpu: Cpu) -> Vectors {
        Vectors(match cpu {
            Cpu::Native if processor.wide && Processor::host().wide => Width::Wide,
            Cpu::Native if has_narrow() => Width::Narrow,
            Cpu::Native | Cpu::Baseline => Width::Portable,
        })
    }

    fn lanes(self) -> usize {
        if self.0 == Width::Wide { 16 } else { 8 }
    }
}

/// Floating-point operations in a nanosecond on so many threads, in registers.
pub fn flops(vectors: Vectors, threads: usize) -> f64 {
    // The first round finds out how many rounds fill a burst.
    let mut rounds = 20_000;
    let mut best = 0.0;
    for _ in 0..=BURSTS {
        let took = together(threads, &|_| multiply_add(vectors, rounds)).as_nanos().max(1) as f64;
        best = crate::tensor::max(
            best,
            (threads * rounds * CHAINS * vectors.lanes() * 2) as f64 / took,
        );
        let more = BURST.as_nanos() as f64 / took;
        rounds = (rounds as f64 * more.clamp(0.01, 100.0)) as usize + 1;
    }
    best
}

/// Bytes that are read from memory in a nanosecond by so many threads together.
pub fn bytes(threads: usize) -> f64 {
    let mut memory = Floats::zeroed(FAR / size_of::<f32>());
    let numbers = memory.as_mut_slice();
    // Pages that were never written may all be one.
    numbers.iter_mut().step_by(1024).for_each(|it| *it = 1.0);
    let share = numbers.len() / threads;
    let numbers = &*numbers;
    let read = |thread: usize| read_all(&numbers[thread * share..][..share]);
    let took = (0..BURSTS).map(|_| together(threads, &read)).min().expect("there are bursts");
    (threads * share * size_of::<f32>()) as f64 / took.as_nanos().max(1) as f64
}

/// The time from when all threads begin until all are done.
fn together(threads: usize, run: &(dyn Fn(usize) + Sync)) -> Duration {
    let barrier = Barrier::new(threads);
    let begin = |thread: usize| {
        barrier.wait();
        let begun = Instant::now();
        run(thread);
        (begun, Instant::now())
    };
    let times: Vec<_> = std::thread::scope(|scope| {
        let begin = &begin;
        let others: Vec<_> =
            (1..threads).map(|thread| scope.spawn(move || begin(thread))).collect();
        let own = begin(0);
        let others = others.into_iter().map(|it| it.join().expect("a loop does not panic"));
        others.chain([own]).collect()
    });
    let first = times.iter().map(|it| it.0).min().expect("one thread");
    let last = times.iter().map(|it| it.1).max().expect("one thread");
    last - first
}

/// Reads all, line by line.
#[cfg(target_arch = "x86_64")]
fn read_all(numbers: &[f32]) {
    let lines = numbers.len() / 16;
    if lines == 0 {
        return;
    }
    // SAFETY: the loop reads as many lines of 64 bytes as the slice has and changes the named registers only.
    unsafe {
        std::arch::asm!(
            "2:",
            "movups xmm0, [{at}]",
            "movups xmm1, [{at} + 16]",
            "movups xmm2, [{at} + 32]",
            "movups xmm3, [{at} + 48]",
            "add {at}, 64",
            "dec {lines}",
            "jnz 2b",
            at = inout(reg) numbers.as_ptr() => _,
            lines = inout(reg) lines => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(readonly, nostack),
        );
    }
}

/// Reads all.
#[cfg(not(target_arch = "x86_64"))]
fn read_all(numbers: &[f32]) {
    black_box(numbers.iter().fold(0, |sum: u32, it| sum.wrapping_add(it.to_bits())));
}

/// Multiply-adds of a round.
const CHAINS: usize = 14;

/// [`CHAINS`] multiply-adds a round that do not wait for each other, of registers with this name.
#[cfg(target_arch = "x86_64")]
macro_rules! multiply_add_rounds {
    ($register:literal, $rounds:expr) => {
        // SAFETY: [`Vectors::of`] found that the processor has the instructions; they change the named registers (and the
        // wider ones that those are part of) only, and the loop ends because the count is at least one.
        unsafe {
            std::arch::asm!(
                "vzeroall",
                "2:",
                concat!("vfmadd231ps ", $register, "0, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "1, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "2, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "3, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "4, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "5, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "6, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "7, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "8, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "9, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "10, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "11, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "12, ", $register, "14, ", $register, "15"),
                concat!("vfmadd231ps ", $register, "13, ", $register, "14, ", $register, "15"),
                "dec {count}",
                "jnz 2b",
                "vzeroupper",
                count = inout(reg) $rounds.max(1) => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nomem, nostack),
            );
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn has_narrow() -> bool {
    std::arch::is_x86_feature_detected!("avx") && std::arch::is_x86_feature_detected!("fma")
}

/// Rounds of multiply-adds.
#[cfg(target_arch = "x86_64")]
fn multiply_add(vectors: Vectors, rounds: usize) {
    match vectors.0 {
        Width::Wide => multiply_add_rounds!("zmm", rounds),
        Width::Narrow => multiply_add_rounds!("ymm", rounds),
        Width::Portable => portable(rounds),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn has_narrow() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_add(_: Vectors, rounds: usize) {
    portable(rounds);
}

/// The same work without fused instructions.
fn portable(rounds: usize) {
    let mut sums = [0.0_f32; CHAINS * 8];
    let (a, b) = (black_box(0.5_f32), black_box(1e-3_f32));
    for _ in 0..rounds {
        sums.iter_mut().for_each(|it| *it = *it * a + b);
    }
    black_box(sums);
}
