//! The `netc` program.

fn main() -> std::process::ExitCode {
    netc::cli::main()
}
