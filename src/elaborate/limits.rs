//! The limits of the language: each is a diagnostic, none a crash.

/// How much a compilation may ask for. Every field can be raised by `--limit KEY=N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Applications of blocks inside one another, and bodies, branches and operators inside one another.
    pub nesting: usize,
    /// Copies of one `n * x`, turns of one `for`, and elements of one range.
    pub repeat: usize,
    /// Layers after expansion.
    pub nodes: usize,
    /// Steps of evaluation: layers, turns, list elements and arithmetic.
    pub steps: usize,
    /// Elements of one value or parameter.
    pub elements: usize,
    /// Elements of all parameters together.
    pub params: u64,
    /// Files brought in by `use`, the first one included.
    pub files: usize,
    /// `use` inside `use`.
    pub depth: usize,
    /// Bytes of all files together.
    pub bytes: usize,
    /// Items in one batch.
    pub batch: usize,
    /// Errors that are printed before the rest is counted.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nesting: 64,
            repeat: 10_000,
            nodes: 100_000,
            steps: 4_000_000,
            elements: 1 << 31,
            params: 1 << 33,
            files: 256,
            depth: 16,
            bytes: 16 << 20,
            batch: 65_536,
            errors: 20,
        }
    }
}

impl Limits {
    /// The keys that [`Limits::set`] knows.
    pub const KEYS: &'static [&'static str] = &[
        "nesting", "repeat", "nodes", "steps", "elements", "params", "files", "depth", "bytes",
        "batch", "errors",
    ];

    /// Changes a limit; says what is wrong with an unknown key or a number that is out of range.
    /// `nesting` and `elements` can only be lowered: the compiler's own stack and index arithmetic rest on them.
    pub fn set(&mut self, key: &str, value: u64) -> Result<(), String> {
        let fixed = Self::default();
        let count = usize::try_from(value).map_err(|_| format!("{value} is too large"))?;
        match key {
            "nesting" if count <= fixed.nesting => self.nesting = count,
            "elements" if count <= fixed.elements => self.elements = count,
            "nesting" => return Err(format!("`nesting` can be at most {}", fixed.nesting)),
            "elements" => return Err(format!("`elements` can be at most {}", fixed.elements)),
            "repeat" => self.repeat = count,
            "nodes" => self.nodes = count,
            "steps" => self.steps = count,
            "params" => self.params = value,
            "files" => self.files = count,
            "depth" => self.depth = count,
            "bytes" => self.bytes = count,
            "batch" => self.batch = count,
            "errors" => self.errors = count,
            _ => {
                let keys = Self::KEYS.join("`, `");
                return Err(format!("there is no limit `{key}`; the limits are `{keys}`"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_set_and_no_other() {
        for key in Limits::KEYS {
            let mut limits = Limits::default();
            assert_eq!(limits.set(key, 1), Ok(()), "{key}");
            assert_ne!(limits, Limits::default(), "{key}");
        }
        assert!(Limits::default().set("node", 1).is_err());
        assert!(Limits::default().set("nesting", 65).is_err());
    }
}
