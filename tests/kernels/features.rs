//! Emitted code uses no instruction that its target lacks: all of it is decoded, for models of the project here and
//! for every net that [`crate::ways`] compiles.

use std::collections::BTreeSet;
use std::path::Path;

use iced_x86::{CpuidFeature, Decoder, DecoderOptions, FlowControl, Instruction};
use netc::codegen::{self, Code, Cpu, Options};
use netc::diag::Source;
use netc::elaborate;
use netc::graph::{Graph, ParamId};
use netc::model::build;
use netc::plan::{self, Kernel, Plan, Processor, plan};
use netc::weights::{Value, Values};

/// Values of parameters do not matter for the code.
struct AlreadyPacked;

impl Values for AlreadyPacked {
    fn value(&self, _: ParamId) -> Value {
        panic!("nothing is left to pack")
    }

    fn recall(&self, _: &mut [f32]) -> bool {
        true
    }
}

/// Models that together use every kind of kernel: file and net.
const MODELS: &[(&str, &str)] = &[
    ("lenet5", "LeNet5"),
    ("alexnet", "AlexNetGrouped"),
    ("googlenet", "GoogLeNet"),
    ("resnet", "ResNet18"),
    ("mobilenet_v2", "MobileNetV2"),
    ("squeezenet1_1", "SqueezeNet"),
    ("yolov2", "YOLOv2"),
];

fn graph(file: &str, net: &str) -> Graph {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file).with_extension("net");
    let text = std::fs::read_to_string(&path).unwrap();
    let source = Source { name: file.to_owned(), text };
    let options = elaborate::Options { net: Some(net.to_owned()), ..Default::default() };
    let mut no_files = |_: &str| Err("models stand alone".to_owned());
    let net = build(source, &mut no_files, &options).unwrap_or_else(|it| panic!("{it}"));
    netc::passes::optimise(net.graph, &mut |_, _| {})
}

/// What every x86-64 with SSE 4.2 has, as far as compilers use it.
const BASELINE: &[CpuidFeature] = &[
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::CMOV,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
    CpuidFeature::SSE3,
    CpuidFeature::SSSE3,
    CpuidFeature::SSE4_1,
    CpuidFeature::SSE4_2,
    CpuidFeature::POPCNT,
];

/// What this machine has beyond the baseline, of what is ever emitted.
fn native() -> Vec<CpuidFeature> {
    let found = [
        (is_x86_feature_detected!("avx"), CpuidFeature::AVX),
        (is_x86_feature_detected!("avx2"), CpuidFeature::AVX2),
        (is_x86_feature_detected!("fma"), CpuidFeature::FMA),
        (is_x86_feature_detected!("bmi1"), CpuidFeature::BMI1),
        (is_x86_feature_detected!("bmi2"), CpuidFeature::BMI2),
        (is_x86_feature_detected!("lzcnt"), CpuidFeature::LZCNT),
        (is_x86_feature_detected!("f16c"), CpuidFeature::F16C),
        (is_x86_feature_detected!("avx512f"), CpuidFeature::AVX512F),
        (is_x86_feature_detected!("avx512vl"), CpuidFeature::AVX512VL),
        (is_x86_feature_detected!("avx512dq"), CpuidFeature::AVX512DQ),
        (is_x86_feature_detected!("avx512bw"), CpuidFeature::AVX512BW),
    ];
    found.into_iter().filter_map(|(has, feature)| has.then_some(feature)).collect()
}

/// The instructions that can be reached from the first one. Constants lie behind them.
fn reached(code: &[u8]) -> Vec<Instruction> {
    let mut seen = BTreeSet::new();
    let mut open = vec![0];
    let mut all = Vec::new();
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        decoder.set_position(usize::try_from(at).unwrap()).unwrap();
        decoder.set_ip(at);
        let instruction = decoder.decode();
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {
                open.push(instruction.next_ip());
            }
            FlowControl::UnconditionalBranch => open.push(instruction.near_branch_target()),
            FlowControl::ConditionalBranch => {
                open.extend([instruction.next_ip(), instruction.near_branch_target()]);
            }
            FlowControl::Return => {}
            other => panic!("{other:?} at {at:#x}: {:?}", instruction.code()),
        }
        all.push(instruction);
    }
    all
}

/// The features that a step's tiles may use: of AVX-512, only what wide tiles ask for. Where the target has no vectors
/// for them, they are its own code.
fn of_tiles(kernel: &Kernel, target: &[CpuidFeature]) -> Vec<CpuidFeature> {
    use CpuidFeature::{AVX2, AVX512DQ, AVX512F, AVX512VL, FMA};
    let wide = match kernel {
        Kernel::Contract(it) => it.wide,
        Kernel::Depthwise(it) => it.wide,
        Kernel::Winograd(it) => it.cut.wide,
        Kernel::Pool(_) | Kernel::Loops(_) | Kernel::Suppress(_) => false,
    };
    let asked: &[CpuidFeature] = if wide { &[AVX512F, AVX512VL, AVX512DQ] } else { &[AVX2, FMA] };
    if !asked.iter().all(|it| target.contains(it)) {
        return target.to_vec();
    }
    let allowed =
        |it: &&CpuidFeature| !format!("{it:?}").starts_with("AVX512") || asked.contains(it);
    target.iter().filter(allowed).copied().collect()
}

/// Asserts that the code of a plan uses only what its target has; gives what it uses.
pub(crate) fn check(plan: &Plan, code: &Code, cpu: Cpu) -> BTreeSet<String> {
    let target = match cpu {
        Cpu::Baseline => BASELINE.to_vec(),
        Cpu::Native => [BASELINE, &native()].concat(),
    };
    let mut used = BTreeSet::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let [routine, tiles @ ..] = code.machine_code(at) else { panic!("texts are kept") };
        let of_tiles = of_tiles(&step.kernel, &target);
        let allowed = [&target].into_iter().chain(std::iter::repeat(&of_tiles));
        for (bytes, allowed) in [routine].into_iter().chain(tiles).zip(allowed) {
            for instruction in reached(bytes) {
                check_instruction(&instruction, allowed, &step.path);
                used.extend(instruction.cpuid_features().iter().map(|it| format!("{it:?}")));
            }
        }
    }
    used
}

fn check_instruction(instruction: &Instruction, allowed: &[CpuidFeature], path: &str) {
    assert!(!instruction.is_invalid(), "{path}: no instruction at {:#x}", instruction.ip());
    let code = instruction.code();
    let lacks = instruction.cpuid_features().iter().find(|it| !allowed.contains(it));
    assert_eq!(lacks, None, "{path}: {code:?} is beyond the target");
}

/// The features that the code of a graph uses; all of them must be the target's.
fn used(graph: &Graph, cpu: Cpu, options: &plan::Options) -> BTreeSet<String> {
    let plan = plan(graph, options);
    let code =
        codegen::compile(&plan, &AlreadyPacked, &Options { cpu, texts: true, verify: false });
    check(&plan, &code, cpu)
}

#[test]
fn no_instruction_is_beyond_its_target() {
    let has_wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let mut narrow = BTreeSet::new();
    let mut wide = BTreeSet::new();
    let mut halves = BTreeSet::new();
    for (at, &(file, net)) in MODELS.iter().enumerate() {
        let graph = graph(file, net);
        let host = plan::Options { half_weights: at % 2 == 1, ..Default::default() };
        let any = plan::Options { processor: Processor::NARROW, ..host.clone() };
        narrow.extend(used(&graph, Cpu::Baseline, &any));
        wide.extend(used(&graph, Cpu::Native, &host));
        if host.half_weights {
            halves.extend(used(&graph, Cpu::Native, &any));
        }
    }
    assert!(narrow.contains("SSE") && !narrow.contains("AVX"), "{narrow:?}");
    // In the encoding of AVX-512 a multiply-add is one of its own instructions.
    let has_fused = wide.contains("FMA") || wide.contains("AVX512F");
    assert_eq!(has_wide, has_fused, "{wide:?}");
    let converts = has_wide && is_x86_feature_detected!("f16c");
    assert_eq!(converts, halves.contains("F16C"), "{halves:?}");
}
