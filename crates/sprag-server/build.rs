//! Lists the profiles in `profiles/` and what they share in `profiles/base/`, so that they are part of the binary and no
//! Rust file has to name one.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by the environment where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?;
    let profiles = Path::new(&root).join("profiles");
    let shipped = table("SHIPPED", &profiles)? + &table("BASES", &profiles.join("base"))?;
    fs::write(Path::new(&out).join("shipped.rs"), shipped)?;
    Ok(())
}

/// A constant with the name and the text of each TOML file in the folder.
fn table(constant: &str, folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Box<dyn Error>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut table = format!("const {constant}: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a profile's name is not UTF-8")?;
        writeln!(table, "    ({name:?}, include_str!({file:?})),")?;
    }
    table.push_str("];\n");
    Ok(table)
}
