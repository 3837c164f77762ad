//! A tile as AVX2 and FMA machine code.

use iced_x86::IcedError;
use iced_x86::code_asm::registers::{gpr32, gpr64, xmm, ymm};
use iced_x86::code_asm::{
    AsmMemoryOperand, AsmRegister32, AsmRegister64, AsmRegisterXmm, AsmRegisterYmm, CodeAssembler,
    byte_ptr, dword_ptr, ymmword_ptr,
};

use super::{Address, Arithmetic, Instr, Operand, Pointer, Tile, Vector};

/// Where System V passes the first integers, then the other registers a leaf may change.
const REGISTERS: [(AsmRegister64, AsmRegister32); super::GENERAL] = [
    (gpr64::rdi, gpr32::edi),
    (gpr64::rsi, gpr32::esi),
    (gpr64::rdx, gpr32::edx),
    (gpr64::rcx, gpr32::ecx),
    (gpr64::r8, gpr32::r8d),
    (gpr64::r9, gpr32::r9d),
    (gpr64::r10, gpr32::r10d),
    (gpr64::r11, gpr32::r11d),
    (gpr64::rax, gpr32::eax),
];

const YMM: [AsmRegisterYmm; super::VECTORS as usize] = [
    ymm::ymm0,
    ymm::ymm1,
    ymm::ymm2,
    ymm::ymm3,
    ymm::ymm4,
    ymm::ymm5,
    ymm::ymm6,
    ymm::ymm7,
    ymm::ymm8,
    ymm::ymm9,
    ymm::ymm10,
    ymm::ymm11,
    ymm::ymm12,
    ymm::ymm13,
    ymm::ymm14,
    ymm::ymm15,
];

const XMM: [AsmRegisterXmm; super::VECTORS as usize] = [
    xmm::xmm0,
    xmm::xmm1,
    xmm::xmm2,
    xmm::xmm3,
    xmm::xmm4,
    xmm::xmm5,
    xmm::xmm6,
    xmm::xmm7,
    xmm::xmm8,
    xmm::xmm9,
    xmm::xmm10,
    xmm::xmm11,
    xmm::xmm12,
    xmm::xmm13,
    xmm::xmm14,
    xmm::xmm15,
];

/// The tile as position-independent machine code for x86-64 with AVX2 and FMA.
///
/// A System V leaf: its arguments are the addresses of [`Tile::pointers`], in order; it changes
/// caller-saved registers only, uses no stack, needs no relocation, and returns with the upper
/// halves of the vector registers clear. Align it to 32 bytes. Any address may be unaligned.
#[must_use]
pub fn emit_avx2(tile: &Tile) -> Vec<u8> {
    assemble(tile).unwrap_or_else(|error| panic!("{error}: cannot assemble\n{tile}"))
}

fn assemble(tile: &Tile) -> Result<Vec<u8>, IcedError> {
    let mut code = Emitter { asm: CodeAssembler::new(64)?, pointers: tile.pointers() };
    code.block(tile.body(), tile.pointers().len())?;
    code.asm.vzeroupper()?;
    code.asm.ret()?;
    code.asm.assemble(0)
}

struct Emitter<'a> {
    asm: CodeAssembler,
    pointers: &'a [Pointer],
}

fn y(vector: Vector) -> AsmRegisterYmm {
    YMM[usize::from(vector.0)]
}

/// One instruction whose last operand is a register or memory.
macro_rules! with_operand {
    ($self:ident, $op:ident, $dst:expr, $a:expr, $b:expr) => {
        match $b {
            Operand::Vector(b) => $self.asm.$op(y($dst), y($a), y(b)),
            Operand::Memory(b) => {
                let memory = ymmword_ptr($self.address(b));
                $self.asm.$op(y($dst), y($a), memory)
            }
        }
    };
}

impl Emitter<'_> {
    fn pointer(&self, pointer: Pointer) -> AsmRegister64 {
        let index = self.pointers.iter().position(|it| *it == pointer);
        REGISTERS[index.expect("a tile lists every pointer it uses")].0
    }

    fn address(&self, address: Address) -> AsmMemoryOperand {
        self.pointer(address.base) + address.offset
    }

    /// Emits instructions; general registers from `free` on hold nothing.
    fn block(&mut self, body: &[Instr], free: usize) -> Result<(), IcedError> {
        for instr in body {
            self.instr(instr, free)?;
        }
        Ok(())
    }

    fn instr(&mut self, instr: &Instr, free: usize) -> Result<(), IcedError> {
        match *instr {
            Instr::Splat(dst, value) if value.to_bits() == 0 => {
                self.asm.vxorps(y(dst), y(dst), y(dst))
            }
            Instr::Splat(dst, value) => {
                let low = XMM[usize::from(dst.0)];
                self.asm.mov(REGISTERS[free].1, value.to_bits())?;
                self.asm.vmovd(low, REGISTERS[free].1)?;
                self.asm.vbroadcastss(y(dst), low)
            }
            Instr::Load(dst, from) => self.asm.vmovups(y(dst), ymmword_ptr(self.address(from))),
            Instr::Broadcast(dst, from) => {
                self.asm.vbroadcastss(y(dst), dword_ptr(self.address(from)))
            }
            Instr::Fma { acc, a, b } => with_operand!(self, vfmadd231ps, acc, a, b),
            Instr::Arithmetic { op, dst, a, b } => match op {
                Arithmetic::Add => with_operand!(self, vaddps, dst, a, b),
                Arithmetic::Sub => with_operand!(self, vsubps, dst, a, b),
                Arithmetic::Mul => with_operand!(self, vmulps, dst, a, b),
                Arithmetic::Max => with_operand!(self, vmaxps, dst, a, b),
                Arithmetic::Min => with_operand!(self, vminps, dst, a, b),
                Arithmetic::Unordered => with_operand!(self, vcmpunordps, dst, a, b),
                Arithmetic::Or => with_operand!(self, vorps, dst, a, b),
            },
            Instr::Select { dst, mask, negative, other } => {
                self.asm.vblendvps(y(dst), y(other), y(negative), y(mask))
            }
            Instr::Store(to, from) => self.asm.vmovups(ymmword_ptr(self.address(to)), y(from)),
            Instr::Prefetch(at) => self.asm.prefetcht1(byte_ptr(self.address(at))),
            Instr::Bump(pointer, bytes) => self.asm.add(self.pointer(pointer), bytes),
            Instr::Loop { count: 1, ref body } => self.block(body, free),
            Instr::Loop { count, ref body } => {
                self.asm.mov(REGISTERS[free].1, count)?;
                let mut head = self.asm.create_label();
                self.asm.set_label(&mut head)?;
                self.block(body, free + 1)?;
                self.asm.dec(REGISTERS[free].1)?;
                self.asm.jne(head)
            }
        }
    }
}
