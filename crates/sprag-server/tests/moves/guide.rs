//! A guide's own commands.

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use crate::old::Source;

/// What a guide tells its reader to do.
pub(crate) struct Guide {
    /// What it adds to the old `.env`.
    added: String,
    /// The commands of the section "The move", in order.
    pub(crate) commands: Vec<String>,
}

impl Guide {
    pub(crate) fn read(profile: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join(format!("../../docs/guide/moving-from-{profile}.md"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
        let commands = blocks(section(&text, "The move"), "sh");
        let added = blocks(section(&text, "Settings"), "ini").join("\n");
        assert!(commands.len() >= 2, "{} has no commands in its section \"The move\"", path.display());
        assert!(added.contains("SPRAG_PROFILES"), "{} adds no profile to .env", path.display());
        Self { added, commands }
    }

    /// The old system's `.env` and what the guide adds to it.
    pub(crate) fn environment(&self, old: &str) -> String {
        format!("{old}\n{}\nSPRAG_RATE_LIMITS=off\nSPRAG_LOG=error\n", self.added)
    }
}

/// Runs a command as a reader would, in the folder with `.env`.
pub(crate) fn run(command: &str, home: &Path, source: &Source) -> Result<(), Failed> {
    let binary = Path::new(env!("CARGO_BIN_EXE_sprag")).parent().expect("it lies in a folder");
    let path = format!("{}:/usr/bin:/bin", binary.display());
    let mut shell = Command::new("sh");
    shell.args(["-euc", command]).current_dir(home).env_clear().env("PATH", path);
    if let Source::Url(url) = source {
        shell.env("OLD_DATABASE", url);
    }
    let output = shell.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    Err(format!("{command}\n{}\n{out}\n{err}", output.status).into())
}

fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let begin = format!("\n## {heading}\n");
    let (_, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("there is no section {heading:?}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

fn blocks(section: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = section.split(&fence).skip(1);
    rest.filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect()
}
