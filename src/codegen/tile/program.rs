//! The vector program: what a tile does, one instruction at a time.

use std::fmt;

/// How many virtual vectors a tile may use: what AVX2 has in registers.
pub const VECTORS: u8 = 16;
/// How many a wide tile may use: what AVX-512 has.
pub const WIDE_VECTORS: u8 = 32;
/// Pointers and nested loops together: the caller-saved general registers of System V.
pub const GENERAL: usize = 9;

/// A virtual register of eight f32 lanes, numbered below [`VECTORS`]; in a wide tile of sixteen, below
/// [`WIDE_VECTORS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vector(pub u8);

/// The buffers a tile speaks of. A tile's parameters are the ones it uses, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pointer {
    /// What is read, by broadcast or by vector.
    Input,
    /// The packed weights, read in order.
    Weights,
    /// One vector per eight output channels.
    Bias,
    /// What the epilogue adds, laid out like the output.
    Residual,
    /// What is written.
    Output,
    /// Weights that a later call reads, to be brought near meanwhile.
    Ahead,
    /// What a tile sets aside and takes up again in the same call.
    Temp,
}

impl Pointer {
    /// Every pointer, in the order of parameters.
    pub const ALL: [Pointer; 7] = [
        Pointer::Input,
        Pointer::Weights,
        Pointer::Bias,
        Pointer::Residual,
        Pointer::Output,
        Pointer::Ahead,
        Pointer::Temp,
    ];
}

/// A place in a buffer: bytes from where the pointer is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The buffer.
    pub base: Pointer,
    /// Bytes from the pointer.
    pub offset: i32,
}

/// The second operand of arithmetic: a register, or eight lanes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A virtual vector.
    Vector(Vector),
    /// Eight consecutive f32, of any alignment.
    Memory(Address),
}

/// Arithmetic on two vectors, lane by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// `a > b ? a : b`, so `b` when either is NaN.
    Max,
    /// `a < b ? a : b`, so `b` when either is NaN.
    Min,
    /// All bits set where `a` or `b` is NaN, else no bit.
    Unordered,
    /// The bitwise or; with the mask of [`Arithmetic::Unordered`] it makes NaN.
    Or,
    /// The bitwise and.
    And,
    /// `a * 2^n` where the last bits of `b` are the integer `n` and the result is a normal number; the result may
    /// not take the place of `a`.
    Power,
}

/// One instruction of a tile.
#[derive(Clone, Debug, PartialEq)]
pub enum Instr {
    /// Every lane becomes the constant.
    Splat(Vector, f32),
    /// As many consecutive f32 as there are lanes, of any alignment.
    Load(Vector, Address),
    /// As many consecutive f16 as there are lanes, of any alignment, as the f32 of the same values.
    Widen(Vector, Address),
    /// Two times eight consecutive f32 of one buffer: the low lanes, then the high; zeros where there is no second.
    Join(Vector, Address, Option<Address>),
    /// One f32 into every lane.
    Broadcast(Vector, Address),
    /// `acc + a * b`, rounded once where the target can.
    Fma {
        /// The sum, read and written.
        acc: Vector,
        /// The first factor.
        a: Vector,
        /// The second factor.
        b: Operand,
    },
    /// `acc * by + plus`, rounded once where the target can.
    Scale {
        /// The factor that the result replaces.
        acc: Vector,
        /// The other factor.
        by: Vector,
        /// What is added.
        plus: Operand,
    },
    /// `dst = op(a, b)`
    Arithmetic {
        /// What to do.
        op: Arithmetic,
        /// Where the result goes.
        dst: Vector,
        /// The first operand.
        a: Vector,
        /// The second operand.
        b: Operand,
    },
    /// `dst = sign bit of mask ? negative : other`
    Select {
        /// Where the result goes.
        dst: Vector,
        /// Whose sign bit decides.
        mask: Vector,
        /// Taken where the sign bit is set.
        negative: Vector,
        /// Taken where it is not.
        other: Vector,
    },
    /// Writes as many consecutive f32 as there are lanes, of any alignment.
    Store(Address, Vector),
    /// Writes the low eight lanes, then the high eight elsewhere in the same buffer, or nowhere.
    Split(Address, Option<Address>, Vector),
    /// Asks for a line of memory to be brought into the second-level cache; any address is fine.
    Prefetch(Address),
    /// Moves a pointer by some bytes.
    Bump(Pointer, i32),
    /// Runs the body that many times (at least once).
    Loop {
        /// How often.
        count: u32,
        /// What.
        body: Vec<Instr>,
    },
}

/// A leaf routine: a checked vector program and the pointers it takes. What is said of eight lanes is true of
/// sixteen where it is wide.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    body: Vec<Instr>,
    pointers: Vec<Pointer>,
    wide: bool,
}

/// What one call of a tile costs, counted from its program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Vector multiply-adds executed (8 multiply-accumulates each).
    pub fmas: u64,
    /// Loads executed, broadcasts and memory operands included.
    pub loads: u64,
    /// Vector stores executed.
    pub stores: u64,
    /// Prefetches executed, of 64 bytes each.
    pub prefetches: u64,
    /// Instructions executed, loop control included.
    pub instructions: u64,
    /// Size of the AVX2 routine in bytes, within a fifth.
    pub code_bytes: u64,
}

impl Tile {
    /// Checks a program and finds the pointers it uses.
    ///
    /// # Panics
    /// When a vector is read before it is written, a vector is numbered [`VECTORS`] or higher,
    /// pointers and nested loops need more than [`GENERAL`] registers, or a loop runs no time:
    /// each is a fault of the function that built the program.
    #[must_use]
    pub fn new(body: Vec<Instr>) -> Tile {
        Tile::of_width(body, false)
    }

    /// As [`Tile::new`], with vectors of sixteen lanes if `wide`.
    ///
    /// # Panics
    /// As [`Tile::new`].
    #[must_use]
    pub fn of_width(body: Vec<Instr>, wide: bool) -> Tile {
        let mut pointers = Vec::new();
        collect_pointers(&body, &mut pointers);
        pointers.sort_unstable();
        pointers.dedup();
        let tile = Tile { body, pointers, wide };
        let general = tile.pointers.len() + counters(&tile.body);
        assert!(general <= GENERAL, "{general} general registers in\n{tile}");
        let mut written = vec![false; usize::from(if wide { WIDE_VECTORS } else { VECTORS })];
        verify(&tile.body, &mut written).unwrap_or_else(|fault| panic!("{fault} in\n{tile}"));
        tile
    }

    /// Whether vectors have sixteen lanes.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.wide
    }

    /// Whether it reads f16.
    #[must_use]
    pub fn widens(&self) -> bool {
        widens(&self.body)
    }

    /// The program.
    #[must_use]
    pub fn body(&self) -> &[Instr] {
        &self.body
    }

    /// The parameters, in order; each is passed as an address.
    #[must_use]
    pub fn pointers(&self) -> &[Pointer] {
        &self.pointers
    }

    /// The tile run `count` times, the pointers moving by `steps` bytes from run to run.
    ///
    /// A pointer without a step starts each run where it started the first. `None` if no general
    /// register is left for another counter.
    #[must_use]
    pub fn repeated(&self, count: u32, steps: &[(Pointer, i32)]) -> Option<Tile> {
        if count == 1 {
            return Some(self.clone());
        }
        let mut body = self.body.clone();
        for &pointer in &self.pointers {
            let step = steps.iter().find(|(it, _)| *it == pointer).map_or(0, |(_, step)| *step);
            bump(&mut body, pointer, step - displacement(&self.body, pointer));
        }
        let spare = self.pointers.len() + counters(&body) < GENERAL;
        spare.then(|| Tile::of_width(vec![Instr::Loop { count, body }], self.wide))
    }

    /// What one call costs.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let mut total = Estimate::default();
        estimate(&self.body, 1, &mut total);
        total.instructions += 2;
        total.code_bytes += 4;
        total
    }
}

/// Appends a move of a pointer, unless it moves nowhere.
pub(super) fn bump(body: &mut Vec<Instr>, pointer: Pointer, bytes: i32) {
    if bytes != 0 {
        body.push(Instr::Bump(pointer, bytes));
    }
}

/// How far a program moves a pointer, in bytes.
pub(super) fn displacement(body: &[Instr], pointer: Pointer) -> i32 {
    let total: i64 = body
        .iter()
        .map(|instr| match instr {
            Instr::Bump(moved, bytes) if *moved == pointer => i64::from(*bytes),
            Instr::Loop { count, body } => {
                i64::from(*count) * i64::from(displacement(body, pointer))
            }
            _ => 0,
        })
        .sum();
    i32::try_from(total).expect("a tile moves a pointer by less than 2 GiB")
}

/// General registers that a program needs beside its pointers.
fn counters(body: &[Instr]) -> usize {
    let of = |instr: &Instr| match instr {
        Instr::Loop { body, .. } => 1 + counters(body),
        Instr::Splat(_, value) if value.to_bits() != 0 => 1,
        _ => 0,
    };
    body.iter().map(of).fold(0, usize::max)
}

fn widens(body: &[Instr]) -> bool {
    body.iter().any(|it| match it {
        Instr::Widen(..) => true,
        Instr::Loop { body, .. } => widens(body),
        _ => false,
    })
}

fn collect_pointers(body: &[Instr], pointers: &mut Vec<Pointer>) {
    for instr in body {
        pointers.extend(instr.uses().2.map(|it| it.base));
        match instr {
            Instr::Bump(pointer, _) => pointers.push(*pointer),
            Instr::Loop { body, .. } => collect_pointers(body, pointers),
            _ => {}
        }
    }
}

fn verify(body: &[Instr], written: &mut [bool]) -> Result<(), String> {
    for instr in body {
        let (reads, write, _) = instr.uses();
        for read in reads.into_iter().flatten() {
            if !written.get(usize::from(read.0)).copied().unwrap_or(false) {
                return Err(format!("{read} is read before it is written"));
            }
        }
        if let Some(write) = write {
            *written
                .get_mut(usize::from(write.0))
                .ok_or_else(|| format!("{write} is not a register"))? = true;
        }
        match instr {
            Instr::Loop { count: 0, .. } => return Err("a loop runs no time".to_owned()),
            Instr::Loop { body, .. } => verify(body, written)?,
            _ => {}
        }
    }
    Ok(())
}

impl Instr {
    /// The vectors read, the vector written, the memory touched.
    fn uses(&self) -> ([Option<Vector>; 3], Option<Vector>, Option<Address>) {
        let of = |operand: Operand| match operand {
            Operand::Vector(it) => (Some(it), None),
            Operand::Memory(it) => (None, Some(it)),
        };
        match *self {
            Instr::Splat(dst, _) => ([None; 3], Some(dst), None),
            Instr::Load(dst, from)
            | Instr::Widen(dst, from)
            | Instr::Broadcast(dst, from)
            | Instr::Join(dst, from, _) => ([None; 3], Some(dst), Some(from)),
            Instr::Fma { acc, a, b } => {
                let (register, memory) = of(b);
                ([Some(acc), Some(a), register], Some(acc), memory)
            }
            Instr::Scale { acc, by, plus } => {
                let (register, memory) = of(plus);
                ([Some(acc), Some(by), register], Some(acc), memory)
            }
            Instr::Arithmetic { dst, a, b, .. } => {
                let (register, memory) = of(b);
                ([Some(a), register, None], Some(dst), memory)
            }
            Instr::Select { dst, mask, negative, other } => {
                ([Some(mask), Some(negative), Some(other)], Some(dst), None)
            }
            Instr::Store(to, from) | Instr::Split(to, _, from) => {
                ([Some(from), None, None], None, Some(to))
            }
            Instr::Prefetch(at) => ([None; 3], None, Some(at)),
            Instr::Bump(..) | Instr::Loop { .. } => ([None; 3], None, None),
        }
    }

    /// Bytes of the instruction in AVX2 code, nearly.
    fn code_bytes(&self) -> u64 {
        let (_, _, address) = self.uses();
        let displacement = address.map_or(0, |it| match it.offset {
            0 => 0,
            -128..=127 => 1,
            _ => 4,
        });
        displacement
            + match self {
                Instr::Splat(_, 0.0) | Instr::Load(..) | Instr::Store(..) => 4,
                Instr::Splat(..) => 14,
                Instr::Prefetch(_) => 3,
                Instr::Select { .. } => 6,
                Instr::Join(..) | Instr::Split(..) => 16,
                Instr::Loop { .. } => 14,
                Instr::Bump(_, -128..=127) => 4,
                Instr::Bump(..) => 7,
                _ => 5,
            }
    }
}

fn estimate(body: &[Instr], times: u64, total: &mut Estimate) {
    for instr in body {
        total.code_bytes += instr.code_bytes();
        total.instructions += times;
        let memory = u64::from(instr.uses().2.is_some()) * times;
        match instr {
            Instr::Store(..) | Instr::Split(..) => total.stores += memory,
            Instr::Prefetch(_) => total.prefetches += memory,
            Instr::Loop { count, body } => {
                let times = times * u64::from(*count);
                total.instructions += 2 * times;
                estimate(body, times, total);
            }
            _ => total.loads += memory,
        }
        if matches!(instr, Instr::Fma { .. }) {
            total.fmas += times;
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.pointers.iter().map(ToString::to_string).collect();
        writeln!(f, "tile({})", names.join(", "))?;
        print(&self.body, 1, f)
    }
}

fn print(body: &[Instr], depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for instr in body {
        write!(f, "{:1$}", "", 2 * depth)?;
        match instr {
            Instr::Splat(dst, value) => writeln!(f, "{dst} = {value:?}")?,
            Instr::Load(dst, from) => writeln!(f, "{dst} = {from}")?,
            Instr::Widen(dst, from) => writeln!(f, "{dst} = widen {from}")?,
            Instr::Broadcast(dst, from) => writeln!(f, "{dst} = broadcast {from}")?,
            Instr::Fma { acc, a, b } => writeln!(f, "{acc} += {a} * {b}")?,
            Instr::Scale { acc, by, plus } => writeln!(f, "{acc} = {acc} * {by} + {plus}")?,
            Instr::Arithmetic { op, dst, a, b } => writeln!(f, "{dst} = {op:?}({a}, {b})")?,
            Instr::Select { dst, mask, negative, other } => {
                writeln!(f, "{dst} = {mask} < 0 ? {negative} : {other}")?;
            }
            Instr::Store(to, from) => writeln!(f, "{to} = {from}")?,
            Instr::Join(dst, low, None) => writeln!(f, "{dst} = {low} and zeros")?,
            Instr::Join(dst, low, Some(high)) => writeln!(f, "{dst} = {low} and {high}")?,
            Instr::Split(low, None, from) => writeln!(f, "{low} = low {from}")?,
            Instr::Split(low, Some(high), from) => writeln!(f, "{low} and {high} = {from}")?,
            Instr::Prefetch(at) => writeln!(f, "prefetch {at}")?,
            Instr::Bump(pointer, bytes) => writeln!(f, "{pointer} += {bytes}")?,
            Instr::Loop { count, body } => {
                writeln!(f, "loop {count}")?;
                print(body, depth + 1, f)?;
            }
        }
    }
    Ok(())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pointer::Input => "input",
            Pointer::Weights => "weights",
            Pointer::Bias => "bias",
            Pointer::Residual => "residual",
            Pointer::Output => "output",
            Pointer::Ahead => "ahead",
            Pointer::Temp => "temp",
        })
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}{:+}]", self.base, self.offset)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Vector(it) => it.fmt(f),
            Operand::Memory(it) => it.fmt(f),
        }
    }
}
