//! Lists the pages in `profiles/`, so that they are part of the binary and no Rust file has to name one.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by the environment where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?;
    let mut pages: Vec<PathBuf> = fs::read_dir(Path::new(&root).join("profiles"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, Box<dyn Error>>>()?;
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "toml"));
    pages.sort();
    let mut table = String::from("const SHIPPED: &[(&str, &str)] = &[\n");
    for page in &pages {
        let name = page.file_stem().and_then(|stem| stem.to_str()).ok_or("a page's name is not UTF-8")?;
        writeln!(table, "    ({name:?}, include_str!({page:?})),")?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("shipped.rs"), table)?;
    Ok(())
}
