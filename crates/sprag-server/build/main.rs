//! Lists what becomes part of the binary: the profiles in `profiles/` and what they share in `profiles/base/`, so that no
//! Rust file has to name one, and the files of Swagger UI.

mod archive;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// What Swagger UI's HTML page asks for, and what each file is. How it starts, the server writes itself.
const VIEWER: [(&str, &str); 9] = [
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
    ("index.css", "text/css"),
    ("index.html", "text/html"),
    ("oauth2-redirect.html", "text/html"),
    ("oauth2-redirect.js", "text/javascript"),
    ("swagger-ui-bundle.js", "text/javascript"),
    ("swagger-ui-standalone-preset.js", "text/javascript"),
    ("swagger-ui.css", "text/css"),
];

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script by the environment where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=profiles");
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?;
    let profiles = Path::new(&root).join("profiles");
    let shipped = table("SHIPPED", &profiles)? + &table("BASES", &profiles.join("base"))?;
    fs::write(Path::new(&out).join("shipped.rs"), shipped)?;
    viewer(Path::new(&out))
}

/// Writes the viewer's files, and a constant that lists them.
fn viewer(out: &Path) -> Result<(), Box<dyn Error>> {
    let folder = out.join("viewer");
    fs::create_dir_all(&folder)?;
    let entries = archive::entries(SWAGGER_UI_VENDORED).ok_or("the archive of Swagger UI cannot be read")?;
    let mut table = "const FILES: &[File] = &[\n".to_owned();
    for (name, kind) in VIEWER {
        let ends = format!("/dist/{name}");
        let mut found = entries.iter().filter(|entry| entry.name.matches('/').count() == 2);
        let entry = found.find(|entry| entry.name.ends_with(&ends));
        let content = entry.ok_or_else(|| format!("Swagger UI has no {name}"))?.content();
        let (content, is_gzip) = content.ok_or_else(|| format!("{name} of Swagger UI is damaged"))?;
        let file = folder.join(name);
        fs::write(&file, content)?;
        let path = format!("/docs/{name}");
        writeln!(
            table,
            "    File {{ path: {path:?}, kind: {kind:?}, is_gzip: {is_gzip}, content: include_bytes!({file:?}) }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("viewer.rs"), table)?;
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
