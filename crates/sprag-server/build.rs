//! Lists the profiles in `profiles/`, so that they are part of the binary and no Rust file has to name one.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by the environment where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?;
    let mut profiles: Vec<PathBuf> = fs::read_dir(Path::new(&root).join("profiles"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, Box<dyn Error>>>()?;
    profiles.retain(|profile| profile.extension().is_some_and(|extension| extension == "toml"));
    profiles.sort();
    let mut table = String::from("const SHIPPED: &[(&str, &str)] = &[\n");
    for profile in &profiles {
        let name =
            profile.file_stem().and_then(|stem| stem.to_str()).ok_or("a profile's name is not UTF-8")?;
        writeln!(table, "    ({name:?}, include_str!({profile:?})),")?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("shipped.rs"), table)?;
    Ok(())
}
