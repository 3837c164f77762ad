//! The text of a plan.

use std::fmt;

use super::{Home, Kernel, Part, Plan, Pooling, Post, Step, Storage, View};
use crate::nest::suppress::Rows;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "plan {}: {} steps, arena {} bytes",
            self.name,
            self.steps.len(),
            self.arena_bytes
        )?;
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "{i:>4} {}: ", step.path)?;
            self.write_step(f, step)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Plan {
    fn write_step(&self, f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
        write!(f, "{} ", step.kernel)?;
        for (i, view) in step.inputs.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, self.view(view))?;
        }
        write!(f, " -> {}", self.view(&step.output))
    }

    /// `arena+4096 [8, 28, 28]/8 halo 1`.
    fn view(&self, view: &View) -> String {
        let home = match self.buffers[view.buffer.0].home {
            Home::Input(i) => format!("input {i}"),
            Home::Output(i) => format!("output {i}"),
            Home::Arena(at) => format!("arena+{at}"),
        };
        let blocked = if view.blocked { "/8" } else { "" };
        let halo = match view.halo.as_slice() {
            [] => String::new(),
            halo => format!(" halo {halo:?}"),
        };
        format!("{home} {}{blocked}{halo}", view.shape)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kernel::Loops(it) => {
                write!(f, "loops {{ {} }}", it.stage)?;
                it.epilogue.iter().try_for_each(|post| write!(f, " |> {post}"))
            }
            Kernel::Contract(it) => {
                write!(f, "contract {}x{}", it.in_channels, it.out_channels)?;
                if it.groups > 1 {
                    write!(f, " groups {}", it.groups)?;
                }
                write_windows(f, &it.windows)?;
                write_parts(f, &it.parts)?;
                if it.storage == Storage::F16 {
                    f.write_str(" f16 weights")?;
                }
                write!(f, " tile {}x{}", it.pixels, it.vectors * super::LANES)?;
                write_epilogue(f, it.bias, &it.epilogue)
            }
            Kernel::Winograd(it) => {
                let (scheme, cut) = (it.cut.scheme, it.cut);
                write!(f, "winograd {scheme} {}x{}", it.in_channels, it.out_channels)?;
                write!(f, " block {}x{}", cut.rows, cut.columns)?;
                write!(f, " tile {}", cut.vectors * super::LANES)?;
                write_epilogue(f, it.bias, &it.epilogue)
            }
            Kernel::Suppress(it) => {
                write!(f, "suppress {} most {} iou {:?}", it.form, it.most, it.iou)?;
                if it.rows == Rows::Boxes {
                    f.write_str(" boxes")?;
                }
                it.score.map_or(Ok(()), |it| write!(f, " score {it:?}"))
            }
            Kernel::Depthwise(it) => {
                f.write_str("depthwise")?;
                write_windows(f, &it.windows)?;
                write_parts(f, &it.parts)?;
                write!(f, " tile {}", it.pixels)?;
                write_epilogue(f, it.bias, &it.epilogue)
            }
            Kernel::Pool(it) => {
                f.write_str(match it.pooling {
                    Pooling::Max => "maximum",
                    Pooling::Mean => "mean",
                })?;
                let windows: Vec<_> = it.axes.iter().map(|it| it.window).collect();
                write_windows(f, &windows)?;
                write_epilogue(f, false, &it.epilogue)
            }
        }
    }
}

/// The rows that are computed, if not all are: `first..end`, or `first..end/step`.
fn write_parts(f: &mut fmt::Formatter<'_>, parts: &[Part]) -> fmt::Result {
    let each = parts.iter().map(|it| {
        let end = it.first + (it.count - 1) * it.step + 1;
        let step = if it.step > 1 { format!("/{}", it.step) } else { String::new() };
        format!("{}..{end}{step}", it.first)
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() { Ok(()) } else { write!(f, " rows {}", each.join(" x ")) }
}

fn write_windows(f: &mut fmt::Formatter<'_>, windows: &[crate::shape::Window]) -> fmt::Result {
    let kernels: Vec<_> = windows.iter().map(|it| it.kernel.to_string()).collect();
    write!(f, " {}", if kernels.is_empty() { "1".to_owned() } else { kernels.join("x") })?;
    if windows.iter().any(|it| it.stride > 1) {
        write!(
            f,
            " stride {}",
            windows.iter().map(|it| it.stride.to_string()).collect::<Vec<_>>().join("x")
        )?;
    }
    if windows.iter().any(|it| it.dilation > 1) {
        write!(
            f,
            " dilation {}",
            windows.iter().map(|it| it.dilation.to_string()).collect::<Vec<_>>().join("x")
        )?;
    }
    Ok(())
}

fn write_epilogue(f: &mut fmt::Formatter<'_>, bias: bool, epilogue: &[Post]) -> fmt::Result {
    if bias {
        f.write_str(" |> bias")?;
    }
    for post in epilogue {
        match post {
            Post::Add(i) => write!(f, " |> add(in{i})")?,
            Post::Relu => f.write_str(" |> relu")?,
            Post::Clamp(low, high) => write!(f, " |> clamp({low}, {high})")?,
            Post::Leaky(slope) => write!(f, " |> leaky({slope})")?,
            Post::Map(function) => write!(f, " |> {}", function.name())?,
        }
    }
    Ok(())
}
