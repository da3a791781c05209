//! The binary `sprag`.

use std::io::Write as _;
use std::process::ExitCode;

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
