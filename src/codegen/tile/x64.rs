//! A tile as x86-64 machine code: AVX2 and FMA (F16C, if it reads f16), or AVX-512 for a wide tile.

use iced_x86::IcedError;
use iced_x86::code_asm::registers::{gpr32, gpr64, k, xmm, ymm, zmm};
use iced_x86::code_asm::{
    AsmMemoryOperand, AsmRegister32, AsmRegister64, AsmRegisterXmm, AsmRegisterYmm, AsmRegisterZmm,
    CodeAssembler, byte_ptr, dword_ptr, xmmword_ptr, ymmword_ptr, zmmword_ptr,
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

const YMM: [AsmRegisterYmm; super::WIDE_VECTORS as usize] = [
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
    ymm::ymm16,
    ymm::ymm17,
    ymm::ymm18,
    ymm::ymm19,
    ymm::ymm20,
    ymm::ymm21,
    ymm::ymm22,
    ymm::ymm23,
    ymm::ymm24,
    ymm::ymm25,
    ymm::ymm26,
    ymm::ymm27,
    ymm::ymm28,
    ymm::ymm29,
    ymm::ymm30,
    ymm::ymm31,
];

const ZMM: [AsmRegisterZmm; super::WIDE_VECTORS as usize] = [
    zmm::zmm0,
    zmm::zmm1,
    zmm::zmm2,
    zmm::zmm3,
    zmm::zmm4,
    zmm::zmm5,
    zmm::zmm6,
    zmm::zmm7,
    zmm::zmm8,
    zmm::zmm9,
    zmm::zmm10,
    zmm::zmm11,
    zmm::zmm12,
    zmm::zmm13,
    zmm::zmm14,
    zmm::zmm15,
    zmm::zmm16,
    zmm::zmm17,
    zmm::zmm18,
    zmm::zmm19,
    zmm::zmm20,
    zmm::zmm21,
    zmm::zmm22,
    zmm::zmm23,
    zmm::zmm24,
    zmm::zmm25,
    zmm::zmm26,
    zmm::zmm27,
    zmm::zmm28,
    zmm::zmm29,
    zmm::zmm30,
    zmm::zmm31,
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

/// The tile as position-independent machine code for x86-64 with AVX2 and FMA, and F16C if it [widens](Tile::widens);
/// with AVX-512 F, VL and DQ if it is wide.
///
/// A System V leaf: its arguments are the addresses of [`Tile::pointers`], in order; it changes
/// caller-saved registers only, uses no stack, needs no relocation, and returns with the upper
/// halves of the vector registers clear. Align it to 32 bytes. Any address may be unaligned.
#[must_use]
pub fn emit_x64(tile: &Tile) -> Vec<u8> {
    assemble(tile).unwrap_or_else(|error| panic!("{error}: cannot assemble\n{tile}"))
}

fn assemble(tile: &Tile) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    // The registers from 16 on have no other encoding.
    asm.set_prefer_vex(!tile.is_wide());
    let mut code = Emitter { asm, pointers: tile.pointers(), wide: tile.is_wide() };
    code.block(tile.body(), tile.pointers().len())?;
    code.asm.vzeroupper()?;
    code.asm.ret()?;
    code.asm.assemble(0)
}

struct Emitter<'a> {
    asm: CodeAssembler,
    pointers: &'a [Pointer],
    wide: bool,
}

fn y(vector: Vector) -> AsmRegisterYmm {
    YMM[usize::from(vector.0)]
}

fn z(vector: Vector) -> AsmRegisterZmm {
    ZMM[usize::from(vector.0)]
}

/// What both widths have under one name.
macro_rules! vectors {
    ($name:ident, $register:ident, $pointer:ident, $half:ident) => {
        fn $name(&mut self, instr: &Instr) -> Result<(), IcedError> {
            macro_rules! with_operand {
                ($op:ident, $dst:expr, $a:expr, $b:expr) => {
                    match $b {
                        Operand::Vector(b) => {
                            self.asm.$op($register($dst), $register($a), $register(b))
                        }
                        Operand::Memory(b) => {
                            let memory = $pointer(self.address(b));
                            self.asm.$op($register($dst), $register($a), memory)
                        }
                    }
                };
            }
            match *instr {
                Instr::Load(dst, from) => {
                    self.asm.vmovups($register(dst), $pointer(self.address(from)))
                }
                Instr::Widen(dst, from) => {
                    self.asm.vcvtph2ps($register(dst), $half(self.address(from)))
                }
                Instr::Store(to, from) => {
                    self.asm.vmovups($pointer(self.address(to)), $register(from))
                }
                Instr::Broadcast(dst, from) => {
                    self.asm.vbroadcastss($register(dst), dword_ptr(self.address(from)))
                }
                Instr::Fma { acc, a, b } => with_operand!(vfmadd231ps, acc, a, b),
                Instr::Scale { acc, by, plus } => with_operand!(vfmadd213ps, acc, by, plus),
                Instr::Arithmetic { op, dst, a, b } => match op {
                    Arithmetic::Add => with_operand!(vaddps, dst, a, b),
                    Arithmetic::Sub => with_operand!(vsubps, dst, a, b),
                    Arithmetic::Mul => with_operand!(vmulps, dst, a, b),
                    Arithmetic::Div => with_operand!(vdivps, dst, a, b),
                    Arithmetic::And => with_operand!(vandps, dst, a, b),
                    Arithmetic::Power => {
                        let Operand::Vector(b) = b else { panic!("an exponent is not memory") };
                        assert_ne!(dst, a, "an exponent is added to what stays");
                        self.asm.vpslld($register(dst), $register(b), 23)?;
                        self.asm.vpaddd($register(dst), $register(dst), $register(a))
                    }
                    Arithmetic::Max => with_operand!(vmaxps, dst, a, b),
                    Arithmetic::Min => with_operand!(vminps, dst, a, b),
                    Arithmetic::Or => with_operand!(vorps, dst, a, b),
                    Arithmetic::Unordered => panic!("the two widths compare differently"),
                },
                _ => panic!("no instruction of vectors: {instr:?}"),
            }
        }
    };
}

impl Emitter<'_> {
    vectors!(narrow, y, ymmword_ptr, xmmword_ptr);
    vectors!(wide, z, zmmword_ptr, ymmword_ptr);

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
            Instr::Splat(dst, value) => self.splat(dst, value, free),
            Instr::Select { dst, mask, negative, other } => self.select(dst, mask, negative, other),
            Instr::Arithmetic { op: Arithmetic::Unordered, dst, a, b: Operand::Vector(b) } => {
                assert!(!self.wide, "no wide tile looks for NaN");
                self.asm.vcmpunordps(y(dst), y(a), y(b))
            }
            Instr::Join(dst, low, high) => {
                assert!(self.wide, "a narrow vector is one whole");
                self.asm.vmovups(y(dst), ymmword_ptr(self.address(low)))?;
                let Some(high) = high else { return Ok(()) };
                let high = ymmword_ptr(self.address(high));
                self.asm.vinsertf32x8(z(dst), z(dst), high, 1)
            }
            Instr::Split(low, high, from) => {
                assert!(self.wide, "a narrow vector is one whole");
                self.asm.vmovups(ymmword_ptr(self.address(low)), y(from))?;
                let Some(high) = high else { return Ok(()) };
                self.asm.vextractf32x8(ymmword_ptr(self.address(high)), z(from), 1)
            }
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
            _ if self.wide => self.wide(instr),
            _ => self.narrow(instr),
        }
    }

    fn splat(&mut self, dst: Vector, value: f32, free: usize) -> Result<(), IcedError> {
        if value.to_bits() == 0 {
            return match self.wide {
                true => self.asm.vxorps(z(dst), z(dst), z(dst)),
                false => self.asm.vxorps(y(dst), y(dst), y(dst)),
            };
        }
        self.asm.mov(REGISTERS[free].1, value.to_bits())?;
        if self.wide {
            return self.asm.vpbroadcastd(z(dst), REGISTERS[free].1);
        }
        let low = XMM[usize::from(dst.0)];
        self.asm.vmovd(low, REGISTERS[free].1)?;
        self.asm.vbroadcastss(y(dst), low)
    }

    fn select(
        &mut self,
        dst: Vector,
        mask: Vector,
        negative: Vector,
        other: Vector,
    ) -> Result<(), IcedError> {
        if self.wide {
            self.asm.vpmovd2m(k::k1, z(mask))?;
            return self.asm.vblendmps(z(dst).k1(), z(other), z(negative));
        }
        self.asm.vblendvps(y(dst), y(other), y(negative), y(mask))
    }
}
