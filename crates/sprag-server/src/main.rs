//! The binary `sprag`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match sprag_server::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sprag: {error:#}");
            ExitCode::FAILURE
        }
    }
}
