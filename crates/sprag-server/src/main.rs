//! The binary `sprag`.

use std::io::Write as _;
use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes some fifty small things that live no longer than it does: this allocator takes a third of the work for each
/// that the system's takes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match sprag_server::cli::run() {
        Ok(code) => code,
        Err(error) => {
            // With nobody to read it, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "sprag: {}", sprag::text::shown_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
