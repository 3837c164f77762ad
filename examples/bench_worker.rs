//! One engine of a comparison, driven through its standard input:
//! `bench_worker NAME MODEL INPUT OUTPUT THREADS N,C,H,W`.
//!
//! Compiles MODEL (ONNX), reads INPUT (raw little-endian f32), runs once, writes OUTPUT (the first result, raw
//! f32) and prints `{"import": s, "load": s, "first": s, "rss": MiB}`. Then answers each line `go SECONDS LEAST`
//! with `{"t": [seconds of each run], "wall": s, "cpu": s, "rss": MiB}`: at least LEAST runs, until SECONDS have
//! passed, 5,000 runs at most. Ends at any other line and at the end of its input.
//!
//! Every run computes everything from the input. Figures of memory and of time on the CPU need Linux's `/proc`.

use std::error::Error;
use std::fs;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netc::model::Model;
use netc::onnx::{self, Imported, Options};
use netc::weights::Bytes;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The most runs of one burst.
const RUNS_MAX: usize = 5_000;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [_, model, input, output, threads, shape] = args.as_slice() else {
        return Err("usage: bench_worker NAME MODEL INPUT OUTPUT THREADS N,C,H,W".into());
    };
    let begun = Instant::now();
    let shape = shape.split(',').map(str::parse).collect::<std::result::Result<Vec<usize>, _>>()?;
    let compiled = compile(model, &shape)?;
    let mut session = compiled.program().session(threads.parse()?);
    let load = begun.elapsed();
    let values = floats(&fs::read(input)?)?;
    let begun = Instant::now();
    session.run(&[&values])?;
    let first = begun.elapsed();
    let result = session.outputs().first().ok_or("the net has no outputs")?;
    fs::write(output, result.data.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>())?;
    answer(&json!({
        "import": 0.0, "load": load.as_secs_f64(), "first": first.as_secs_f64(), "rss": resident()?,
    }))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["go", seconds, least] = words.as_slice() else { break };
        let (seconds, least) = (seconds.parse()?, least.parse()?);
        let (begun, before) = (Instant::now(), on_cpu()?);
        let times = burst(seconds, least, &mut || session.run(&[&values]).map(|_| ()))?;
        answer(&json!({
            "t": times, "wall": begun.elapsed().as_secs_f64(), "cpu": on_cpu()? - before,
            "rss": resident()?,
        }))?;
    }
    Ok(())
}

/// Imports a model, at these extents of its inputs where the file leaves them open, and compiles it.
fn compile(path: &str, shape: &[usize]) -> Result<Model> {
    let file = fs::File::open(path)?;
    let count = file.metadata()?.len();
    let file = onnx::File::open(path, Box::new(OnDisk { file: Mutex::new(file), count }))?;
    let import = |inputs: &[(String, Vec<usize>)]| {
        file.import("Net", &Options { inputs, ..Options::default() })
    };
    let imported = match import(&[]) {
        Err(onnx::Error::NeedsExtents(names)) => {
            let inputs: Vec<_> = names.into_iter().map(|it| (it, shape.to_vec())).collect();
            import(&inputs)
        }
        other => other,
    };
    let Imported { graph, weights, .. } = imported?;
    let model = Model::compile(&graph, &weights);
    weights.fault().map_or(Ok(model), |it| Err(it.into()))
}

/// A file whose weights are read as they are packed, so that it is never in memory.
#[derive(Debug)]
struct OnDisk {
    file: Mutex<fs::File>,
    count: u64,
}

impl Bytes for OnDisk {
    fn count(&self) -> u64 {
        self.count
    }

    fn read(&self, from: u64, to: &mut [u8]) -> std::result::Result<(), String> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(to));
        read.map_err(|it| it.to_string())
    }
}

/// The times of runs, in seconds.
fn burst<E>(
    seconds: f64,
    least: usize,
    run: &mut dyn FnMut() -> std::result::Result<(), E>,
) -> std::result::Result<Vec<f64>, E> {
    let wanted = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < least || (begun.elapsed() < wanted && times.len() < RUNS_MAX) {
        let once = Instant::now();
        run()?;
        times.push(once.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn answer(value: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

fn floats(bytes: &[u8]) -> Result<Vec<f32>> {
    let (values, []) = bytes.as_chunks::<4>() else {
        return Err("the input is no array of f32".into());
    };
    Ok(values.iter().map(|&it| f32::from_le_bytes(it)).collect())
}

/// The most memory that this process has held, in MiB.
fn resident() -> Result<f64> {
    let about = fs::read_to_string("/proc/self/status")?;
    let peak = about.lines().find_map(|it| it.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

/// The seconds that the threads of this process have had of a CPU.
fn on_cpu() -> Result<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let about = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += about.split(' ').next().ok_or("no schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}
