//! A tile as Cranelift IR on four lanes: the portable path, and the oracle of the wide one.

use cranelift::codegen::ir::{self, MemFlagsData, UserFuncName};
use cranelift::codegen::isa::{CallConv, TargetIsa};
use cranelift::prelude::*;

use super::{Address, Arithmetic, Instr, Operand, Pointer, Tile, Vector};

/// The signature of a tile, however it is emitted: one address per pointer, in order.
#[must_use]
pub fn signature(tile: &Tile) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = tile.pointers().iter().map(|_| AbiParam::new(types::I64)).collect();
    signature
}

/// The tile as a function of [`signature`], ready for `Module::define_function`.
///
/// A vector of eight lanes does not fit; so the program runs twice (a wide one four times), first on the lowest four
/// lanes of every vector, then on the next, and needs no more registers than the wide form. Where
/// the target fuses multiply and add, every result has the bits of [`super::emit_x64`] (but
/// which NaN it is); elsewhere it rounds twice. An output must not overlap what is broadcast.
#[must_use]
pub fn emit_clif(tile: &Tile, isa: &dyn TargetIsa) -> ir::Function {
    let mut function = ir::Function::with_name_signature(UserFuncName::default(), signature(tile));
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let start = builder.block_params(entry).to_vec();
    let vectors = (0..super::WIDE_VECTORS).map(|_| builder.declare_var(types::F32X4)).collect();
    let pointers: Vec<_> =
        tile.pointers().iter().map(|pointer| (*pointer, builder.declare_var(types::I64))).collect();
    let fused = has_fma(isa);
    let mut emitter = Emitter { builder, vectors, pointers, part: 0, fused };
    for part in 0..if tile.is_wide() { 4 } else { 2 } {
        emitter.part = part;
        for (value, (_, variable)) in start.iter().zip(emitter.pointers.clone()) {
            emitter.builder.def_var(variable, *value);
        }
        emitter.block(tile.body());
    }
    let mut builder = emitter.builder;
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(isa.frontend_config());
    function
}

/// Whether the target rounds `a * b + c` once without calling a library.
fn has_fma(isa: &dyn TargetIsa) -> bool {
    match isa.triple().architecture.into_str().as_ref() {
        "x86_64" => isa
            .isa_flags()
            .iter()
            .any(|flag| flag.name == "has_fma" && flag.as_bool() == Some(true)),
        _ => true,
    }
}

struct Emitter<'a> {
    builder: FunctionBuilder<'a>,
    vectors: Vec<Variable>,
    pointers: Vec<(Pointer, Variable)>,
    /// Which four lanes.
    part: i32,
    fused: bool,
}

const FLAGS: MemFlagsData = MemFlagsData::new().with_notrap();

impl Emitter<'_> {
    fn pointer(&self, pointer: Pointer) -> Variable {
        let found = self.pointers.iter().find(|(it, _)| *it == pointer);
        found.expect("a tile lists every pointer it uses").1
    }

    fn get(&mut self, vector: Vector) -> Value {
        self.builder.use_var(self.vectors[usize::from(vector.0)])
    }

    fn set(&mut self, vector: Vector, value: Value) {
        self.builder.def_var(self.vectors[usize::from(vector.0)], value);
    }

    /// The pointer's value and the offset of these four of the lanes there.
    fn address(&mut self, address: Address) -> (Value, i32) {
        let base = self.pointer(address.base);
        (self.builder.use_var(base), address.offset + 16 * self.part)
    }

    /// As [`Emitter::address`], of lanes that lie in two places.
    fn either(&mut self, low: Address, high: Option<Address>) -> Option<(Value, i32)> {
        let of = if self.part < 2 { Some(low) } else { high }?;
        let base = self.pointer(of.base);
        Some((self.builder.use_var(base), of.offset + 16 * (self.part % 2)))
    }

    fn operand(&mut self, operand: Operand) -> Value {
        match operand {
            Operand::Vector(it) => self.get(it),
            Operand::Memory(it) => {
                let (base, offset) = self.address(it);
                self.builder.ins().load(types::F32X4, FLAGS, base, offset)
            }
        }
    }

    fn block(&mut self, body: &[Instr]) {
        for instr in body {
            self.instr(instr);
        }
    }

    fn instr(&mut self, instr: &Instr) {
        match *instr {
            Instr::Splat(dst, value) => {
                let value = self.builder.ins().f32const(value);
                let value = self.builder.ins().splat(types::F32X4, value);
                self.set(dst, value);
            }
            Instr::Load(dst, from) => {
                let value = self.operand(Operand::Memory(from));
                self.set(dst, value);
            }
            Instr::Widen(dst, from) => self.widen(dst, from),
            Instr::Join(dst, low, high) => {
                let value = self.join(low, high);
                self.set(dst, value);
            }
            Instr::Split(low, high, from) => {
                let value = self.get(from);
                if let Some((base, at)) = self.either(low, high) {
                    self.builder.ins().store(FLAGS, value, base, at);
                }
            }
            Instr::Broadcast(dst, from) => {
                let base = self.pointer(from.base);
                let base = self.builder.use_var(base);
                let value = self.builder.ins().load(types::F32, FLAGS, base, from.offset);
                let value = self.builder.ins().splat(types::F32X4, value);
                self.set(dst, value);
            }
            Instr::Fma { acc, a, b } => {
                let (x, y, sum) = (self.get(a), self.operand(b), self.get(acc));
                let value = self.multiply_add(x, y, sum);
                self.set(acc, value);
            }
            Instr::Scale { acc, by, plus } => {
                let (x, y, sum) = (self.get(acc), self.get(by), self.operand(plus));
                let value = self.multiply_add(x, y, sum);
                self.set(acc, value);
            }
            Instr::Arithmetic { op, dst, a, b } => {
                let (a, b) = (self.get(a), self.operand(b));
                let value = self.arithmetic(op, a, b);
                self.set(dst, value);
            }
            Instr::Select { dst, mask, negative, other } => {
                let (mask, negative, other) = (self.get(mask), self.get(negative), self.get(other));
                let bits = self.builder.ins().bitcast(types::I32X4, little(), mask);
                let bits = self.builder.ins().sshr_imm_u(bits, 31);
                let mask = self.builder.ins().bitcast(types::F32X4, little(), bits);
                let value = self.builder.ins().bitselect(mask, negative, other);
                self.set(dst, value);
            }
            Instr::Store(to, from) => {
                let value = self.get(from);
                let (base, offset) = self.address(to);
                self.builder.ins().store(FLAGS, value, base, offset);
            }
            // Cranelift has no such instruction, and a result does not depend on it.
            Instr::Prefetch(_) => {}
            Instr::Bump(pointer, bytes) => {
                let variable = self.pointer(pointer);
                let value = self.builder.use_var(variable);
                let value = self.builder.ins().iadd_imm_s(value, i64::from(bytes));
                self.builder.def_var(variable, value);
            }
            Instr::Loop { count, ref body } => self.repeat(count, body),
        }
    }

    /// Four f16 as f32, exactly, also where subnormal operands count as zero.
    ///
    /// The bits of a normal number move up and its exponent grows by the difference of the biases; that of NaN and of
    /// infinities grows by it once more, to the greatest there is. A subnormal number is given the exponent of the
    /// least normal one, and that number is subtracted again.
    fn widen(&mut self, dst: Vector, from: Address) {
        const BIASES: u32 = (127 - 15) << 23;
        const LEAST: u32 = 1 << 23;
        let base = self.pointer(from.base);
        let base = self.builder.use_var(base);
        let at = from.offset + 8 * self.part;
        let bits = self.builder.ins().uload16x4(FLAGS, base, at);
        let sign = self.builder.ins().ushr_imm_u(bits, 15);
        let sign = self.builder.ins().ishl_imm_u(sign, 31);
        let size = self.builder.ins().ishl_imm_u(bits, 17);
        let size = self.builder.ins().ushr_imm_u(size, 4);

        let biases = self.everywhere(BIASES);
        let normal = self.builder.ins().iadd(size, biases);
        let greatest = self.everywhere((31 << 23) - 1);
        let beyond = self.builder.ins().icmp(IntCC::SignedGreaterThan, size, greatest);
        let more = self.builder.ins().band(beyond, biases);
        let whole = self.builder.ins().iadd(normal, more);

        let least = self.everywhere(LEAST);
        let raised = self.builder.ins().iadd(normal, least);
        let raised = self.builder.ins().bitcast(types::F32X4, little(), raised);
        let by = self.everywhere(BIASES + LEAST);
        let by = self.builder.ins().bitcast(types::F32X4, little(), by);
        let small = self.builder.ins().fsub(raised, by);
        let small = self.builder.ins().bitcast(types::I32X4, little(), small);

        let is_small = self.builder.ins().icmp(IntCC::SignedGreaterThan, least, size);
        let size = self.builder.ins().bitselect(is_small, small, whole);
        let value = self.builder.ins().bor(size, sign);
        let value = self.builder.ins().bitcast(types::F32X4, little(), value);
        self.set(dst, value);
    }

    /// The bits in every lane.
    fn everywhere(&mut self, bits: u32) -> Value {
        let data = [bits; 4].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        let data = self.builder.func.dfg.constants.insert(data.into());
        self.builder.ins().vconst(types::I32X4, data)
    }

    fn join(&mut self, low: Address, high: Option<Address>) -> Value {
        match self.either(low, high) {
            Some((base, at)) => self.builder.ins().load(types::F32X4, FLAGS, base, at),
            None => {
                let zero = self.builder.ins().f32const(0.0);
                self.builder.ins().splat(types::F32X4, zero)
            }
        }
    }

    fn multiply_add(&mut self, a: Value, b: Value, sum: Value) -> Value {
        if self.fused {
            self.builder.ins().fma(a, b, sum)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(sum, product)
        }
    }

    fn arithmetic(&mut self, op: Arithmetic, a: Value, b: Value) -> Value {
        let ins = self.builder.ins();
        match op {
            Arithmetic::Add => ins.fadd(a, b),
            Arithmetic::Sub => ins.fsub(a, b),
            Arithmetic::Mul => ins.fmul(a, b),
            Arithmetic::Div => ins.fdiv(a, b),
            Arithmetic::Max => {
                let greater = ins.fcmp(FloatCC::LessThan, b, a);
                self.choose(greater, a, b)
            }
            Arithmetic::Min => {
                let less = ins.fcmp(FloatCC::LessThan, a, b);
                self.choose(less, a, b)
            }
            Arithmetic::Unordered => {
                let mask = ins.fcmp(FloatCC::Unordered, a, b);
                self.builder.ins().bitcast(types::F32X4, little(), mask)
            }
            Arithmetic::Or => ins.bor(a, b),
            Arithmetic::And => ins.band(a, b),
            Arithmetic::Power => {
                let n = ins.bitcast(types::I32X4, little(), b);
                let n = self.builder.ins().ishl_imm_u(n, 23);
                let a = self.builder.ins().bitcast(types::I32X4, little(), a);
                let sum = self.builder.ins().iadd(a, n);
                self.builder.ins().bitcast(types::F32X4, little(), sum)
            }
        }
    }

    /// The form that Cranelift's x64 back end knows as `minps` and `maxps`.
    fn choose(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().bitcast(types::F32X4, little(), mask);
        self.builder.ins().bitselect(mask, a, b)
    }

    fn repeat(&mut self, count: u32, body: &[Instr]) {
        let counter = self.builder.declare_var(types::I64);
        let (head, exit) = (self.builder.create_block(), self.builder.create_block());
        let count = self.builder.ins().iconst(types::I64, i64::from(count));
        self.builder.def_var(counter, count);
        self.builder.ins().jump(head, &[]);
        self.builder.switch_to_block(head);
        self.block(body);
        let left = self.builder.use_var(counter);
        let left = self.builder.ins().iadd_imm_s(left, -1);
        self.builder.def_var(counter, left);
        self.builder.ins().brif(left, head, &[], exit, &[]);
        self.builder.switch_to_block(exit);
    }
}

fn little() -> MemFlagsData {
    MemFlagsData::new().with_endianness(ir::Endianness::Little)
}
