//! `--cache DIR`: packed weights that a later start reads instead of packing them again.
//!
//! ```text
//! netcpack | format | key: SHA-256 | elements | CRC-32 of each block | padding to 4096 | elements
//! ```
//!
//! The key is of everything that the packed weights follow from: the versions of netc and of its packing, the order of
//! each parameter, and where its values come from (a file's identity and last change, or the values themselves). An entry is used
//! only if its length, key and every checksum are as they must be, and holds nothing but numbers that kernels read
//! within their bounds, so that a damaged one costs time and no more. It is read, not mapped: a mapped file that is
//! cut off would end the program. It is written beside its place and renamed, so that no reader sees half of one.
//! Nothing is ever removed: what no key asks for any more stays until the user deletes the folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::terminal::Terminal;
use super::{files, phase};
use crate::graph::{Graph, ParamId};
use crate::plan::{Packing, Plan};
use crate::program::Program;
use crate::weights::{Bytes as _, OfGraph, Value, Values, Weights};

const MAGIC: &[u8; 8] = b"netcpack";
const FORMAT: u32 = 1;
/// Elements of a block.
const BLOCK: usize = 1 << 20;
/// Where elements begin is a multiple of this.
const PAGE: usize = 4096;

/// The entry for one plan and its weights.
pub(super) struct Entry {
    path: PathBuf,
    key: [u8; 32],
    is_there: AtomicBool,
}

/// A graph's parameters, packed ones from the cache if they are there.
pub(super) struct Cached<'a> {
    pub(super) values: OfGraph<'a>,
    pub(super) entry: Option<&'a Entry>,
    pub(super) progress: &'a Progress,
}

impl Values for Cached<'_> {
    fn value(&self, id: ParamId) -> Value {
        self.progress.step();
        self.values.value(id)
    }

    fn recall(&self, packed: &mut [f32]) -> bool {
        self.entry.is_some_and(|it| it.read(packed))
    }
}

impl Entry {
    /// The entry in a folder; `None` if what the weights are cannot be told by anything shorter than themselves.
    pub(super) fn new(
        folder: &Path,
        plan: &Plan,
        graph: &Graph,
        weights: &Weights,
    ) -> Option<Entry> {
        let mut hash = Sha256::new();
        let (netc, packing) = (env!("CARGO_PKG_VERSION"), Packing::VERSION);
        hash.update(format!("netc {netc} {FORMAT} {packing}\n"));
        for packed in &plan.packed {
            hash.update(format!("{:?} {} {}\n", packed.packing, packed.shape, packed.elements));
            let value = weights.value(graph, packed.param);
            if !value.identify(&mut |bytes| hash.update(bytes)) {
                return None;
            }
        }
        let key: [u8; 32] = hash.finalize().into();
        let name: String = key.iter().map(|it| format!("{it:02x}")).collect();
        let path = folder.join(name).with_extension("netcpack");
        Some(Entry { path, key, is_there: AtomicBool::new(false) })
    }

    /// What every entry for this key and this many elements begins with.
    fn prefix(&self, elements: usize) -> Vec<u8> {
        let mut prefix = MAGIC.to_vec();
        prefix.extend(FORMAT.to_le_bytes());
        prefix.extend(self.key);
        prefix.extend((elements as u64).to_le_bytes());
        prefix
    }

    /// Fills memory from the entry; leaves it zero if there is none, or a damaged one.
    fn read(&self, packed: &mut [f32]) -> bool {
        phase::enter("reading the packed weights");
        let is_whole = cfg!(target_endian = "little") && self.try_read(packed).is_some();
        if !is_whole {
            packed.fill(0.0);
        }
        self.is_there.store(is_whole, Ordering::Relaxed);
        is_whole
    }

    fn try_read(&self, packed: &mut [f32]) -> Option<()> {
        let file = files::on_disk(&self.path)?;
        let prefix = self.prefix(packed.len());
        let sums = packed.len().div_ceil(BLOCK);
        let start = (prefix.len() + 4 * sums).next_multiple_of(PAGE);
        if file.count() != (start + size_of_val(packed)) as u64 {
            return None;
        }
        let mut header = vec![0; start];
        file.read(0, &mut header).ok()?;
        let sums = header.strip_prefix(prefix.as_slice())?.as_chunks().0;
        let blocks = Mutex::new(packed.chunks_mut(BLOCK).zip(sums).enumerate());
        let is_whole = AtomicBool::new(true);
        let work = || {
            loop {
                let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((at, (block, &sum))) = next else { return };
                let bytes = bytemuck::cast_slice_mut(block);
                let read = file.read((start + at * BLOCK * size_of::<f32>()) as u64, bytes);
                if read.is_err() || crc32fast::hash(bytes) != u32::from_le_bytes(sum) {
                    is_whole.store(false, Ordering::Relaxed);
                }
            }
        };
        let others = std::thread::available_parallelism().map_or(1, usize::from).min(8) - 1;
        std::thread::scope(|scope| {
            (0..others).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        is_whole.into_inner().then_some(())
    }

    /// Writes the entry if it was not there. That it cannot be written is no fault of the command's.
    pub(super) fn remember(&self, terminal: &Terminal, program: &Program) {
        if self.is_there.load(Ordering::Relaxed) || cfg!(target_endian = "big") {
            return;
        }
        phase::enter("writing the packed weights");
        if let Err(fault) = self.write(program.code().blob().packed()) {
            let folder = files::name(files::folder(&self.path));
            terminal
                .say(&format!("note: the packed weights cannot be kept in `{folder}`: {fault}"));
        }
    }

    fn write(&self, packed: &[f32]) -> std::io::Result<()> {
        let folder = files::folder(&self.path);
        std::fs::create_dir_all(folder)?;
        let mut header = self.prefix(packed.len());
        for block in packed.chunks(BLOCK) {
            header.extend(crc32fast::hash(bytemuck::cast_slice(block)).to_le_bytes());
        }
        header.resize(header.len().next_multiple_of(PAGE), 0);
        let mut file = tempfile::Builder::new().prefix(".netcpack").tempfile_in(folder)?;
        file.write_all(&header)?;
        file.write_all(bytemuck::cast_slice(packed))?;
        file.persist(&self.path).map_err(|it| it.error)?;
        Ok(())
    }
}
