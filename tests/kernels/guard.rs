//! Code that stays in its buffers and goes away with its owner.
#![cfg(target_os = "linux")]

use std::ffi::c_void;

use netc::codegen::{self, Code, Context, Cpu, Options};
use netc::graph::ParamId;
use netc::ops::Value;
use netc::plan::{self, Home, Plan, plan};
use netc::program::Program;
use netc::tensor::Tensor;
use netc::weights::Weights;

use crate::case::Random;
use crate::net::Net;

unsafe extern "C" {
    fn mmap(
        at: *mut c_void,
        bytes: usize,
        access: i32,
        flags: i32,
        file: i32,
        from: i64,
    ) -> *mut c_void;
    fn mprotect(at: *mut c_void, bytes: usize, access: i32) -> i32;
    fn munmap(at: *mut c_void, bytes: usize) -> i32;
}

const PAGE: usize = 4096;
const NONE: i32 = 0;
const READ: i32 = 1;
const READ_WRITE: i32 = 3;

/// Numbers between two pages that nobody may touch, flush against the first or the second.
struct Guarded {
    map: *mut c_void,
    bytes: usize,
    data: *mut f32,
    len: usize,
}

impl Guarded {
    fn new(numbers: &[f32], at_end: bool, access: i32) -> Guarded {
        let inner = (numbers.len() * 4).next_multiple_of(PAGE).max(PAGE);
        let bytes = inner + 2 * PAGE;
        // SAFETY: a private anonymous mapping of this test's own; the numbers fit between its guards.
        unsafe {
            let map = mmap(std::ptr::null_mut(), bytes, NONE, 0x22, -1, 0);
            assert_ne!(map as isize, -1, "no memory");
            let start = map.byte_add(PAGE);
            assert_eq!(mprotect(start, inner, READ_WRITE), 0);
            let skip = if at_end { inner - numbers.len() * 4 } else { 0 };
            let data = start.byte_add(skip).cast::<f32>();
            data.copy_from_nonoverlapping(numbers.as_ptr(), numbers.len());
            assert_eq!(mprotect(start, inner, access), 0);
            Guarded { map, bytes, data, len: numbers.len() }
        }
    }

    fn numbers(&self) -> &[f32] {
        // SAFETY: the mapping holds so many numbers and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and nothing points into it any more.
        unsafe { munmap(self.map, self.bytes) };
    }
}

/// Runs a plan all of whose buffers lie alone between guards; gives the values of its outputs.
fn run_guarded(
    plan: &Plan,
    code: &Code,
    inputs: &[Vec<f32>],
    at_end: bool,
    split: i64,
) -> Vec<Vec<f32>> {
    let blob = Guarded::new(code.blob().as_slice(), at_end, READ);
    let scratch = Guarded::new(&vec![f32::NAN; plan.scratch_bytes / 4], at_end, READ_WRITE);
    let buffers: Vec<Guarded> = plan
        .buffers
        .iter()
        .enumerate()
        .map(|(at, buffer)| match inputs.get(at) {
            Some(data) => Guarded::new(data, at_end, READ),
            None => Guarded::new(&vec![0.0; buffer.elements], at_end, READ_WRITE),
        })
        .collect();
    let pointers: Vec<*mut f32> = buffers.iter().map(|it| it.data).collect();
    let context = Context {
        arena: std::ptr::null_mut(),
        blob: blob.data,
        inputs: std::ptr::null(),
        outputs: pointers.as_ptr(),
        scratch: scratch.data,
    };
    for step in 0..plan.steps.len() {
        let units = code.units(step);
        for (begin, end) in [(0, units / split), (units / split, units)] {
            // SAFETY: every buffer of the plan has its pointer in the context, and nobody else computes.
            unsafe { code.routine(step)(&raw const context, begin, end) };
        }
    }
    buffers.iter().map(|it| it.numbers().to_vec()).collect()
}

fn net(seed: u64) -> Net {
    let mut random = Random(seed * 0x9e37_79b9);
    (0..9).for_each(|_| assert_ne!(random.next(), 0));
    let space = [random.between(4, 11), random.between(4, 11)];
    let (mut net, x) = Net::new(&[random.between(1, 2), random.between(1, 9), space[0], space[1]]);
    let channels = [7, 8, 20, 40][random.between(0, 3)];
    let a = net.conv(x, channels, [3, random.between(1, 2), 1, 1, 1]);
    let a = net.add("relu", &[], &[a]);
    let b = net.conv(a, channels, [3, 1, 1, 1, channels]);
    let b = net.add("silu", &[], &[b]);
    let c = net.conv(b, channels, [1, 1, 0, 1, 1]);
    let c = net.add("add", &[], &[c, a]);
    let pool = [("kernel", Value::Int(2)), ("stride", Value::Int(1)), ("pad", Value::Int(1))];
    let d = net.add("maxpool", &pool, &[c]);
    let e = net.add("avgpool", &pool, &[c]);
    let f = net.add("concat", &[], &[d, e]);
    let f = net.add("upsample", &[("factor", Value::Int(2))], &[f]);
    let g = net.add("flatten", &[], &[f]);
    let g = net.add("fc", &[("features", Value::Int(11))], &[g]);
    net.with_output(g)
}

#[test]
fn no_step_leaves_its_buffers() {
    for seed in 1..=8 {
        let net = net(seed);
        let graph = netc::passes::optimise(net.graph, &mut |_, _| {});
        let weights = Weights::random(&graph, seed);
        let tensor = |id: ParamId| weights.tensor(&graph, id);
        let kept = plan(&graph, &plan::Options { keep_all: true, ..Default::default() });
        let mut random = Random(seed);
        let input = random.tensor(&kept.inputs[0].1).data;
        for cpu in [Cpu::Native, Cpu::Baseline] {
            let options = Options { cpu, ..Options::default() };
            let expected = Program::compile(&kept, &tensor, &options).run(&[&input], 1).unwrap();
            let mut apart = kept.clone();
            let mut inputs = Vec::new();
            for (at, buffer) in apart.buffers.iter_mut().enumerate() {
                if buffer.home == Home::Input(0) {
                    assert_eq!(at, 0, "the input is placed first");
                    inputs.push(input.clone());
                }
                buffer.home = Home::Output(at);
            }
            let code = codegen::compile(&apart, &tensor, &options);
            let output = apart.steps.last().unwrap().output.buffer.0;
            for (at_end, split) in [(true, 1), (false, 1), (true, 3)] {
                let got = run_guarded(&apart, &code, &inputs, at_end, split);
                let close = expected[0].data.iter().zip(&got[output]);
                // Subnormal numbers are not flushed here.
                assert!(close.clone().all(|(a, b)| (a - b).abs() < 1e-30), "{cpu:?} {kept}");
            }
        }
    }
}

#[test]
fn no_page_is_both_written_and_executed() {
    let (mut net, x) = Net::new(&[1, 8]);
    let y = net.add("relu", &[], &[x]);
    let net = net.with_output(y);
    let program = Program::compile(
        &plan(&net.graph, &plan::Options::default()),
        &|_: ParamId| -> Tensor { panic!("no parameters") },
        &Options { texts: true, ..Options::default() },
    );
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().all(|it| !it.split(' ').nth(1).unwrap().starts_with("rwx")));
    let last = program.paths().len() - 1;
    assert!(program.code().clif(last).contains("function"));
    assert!(program.code().asm(last).contains("ret"));
}

#[test]
fn wrong_inputs_are_refused() {
    let (mut net, x) = Net::new(&[1, 8]);
    let y = net.add("relu", &[], &[x]);
    let net = net.with_output(y);
    let program = Program::compile(
        &plan(&net.graph, &plan::Options::default()),
        &|_: ParamId| -> Tensor { panic!("no parameters") },
        &Options::default(),
    );
    let mut session = program.session(2);
    let error =
        |it: Result<&[netc::tensor::Tensor], netc::program::RunError>| it.unwrap_err().to_string();
    assert_eq!(error(session.run(&[])), "the net takes 1 inputs, 0 were given");
    assert_eq!(error(session.run(&[&[1.0; 7]])), "input `x` has 8 values, 7 were given");
    assert_eq!(session.run(&[&[1.0; 8]]).unwrap()[0].data, [1.0; 8]);
}
