//! The folders of the profiles, and the scenes that their files name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a test file's name ends, and how a line begins that names a scene.
const TEST_FILE: &str = ".test.mjs";
const SCENE: &str = "scene('";

/// One profile's folder.
pub struct Room {
    /// The profile's name, which is the folder's.
    pub profile: String,
    pub test: PathBuf,
    pub scenes: Vec<String>,
}

/// All of them, by name.
pub fn all(here: &Path) -> io::Result<Vec<Room>> {
    let mut rooms = Vec::new();
    for entry in fs::read_dir(here)? {
        let folder = entry?.path();
        let profile = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let test = folder.join(format!("{profile}{TEST_FILE}"));
        if test.is_file() {
            let scenes = scenes(&fs::read_to_string(&test)?);
            rooms.push(Room { profile, test, scenes });
        }
    }
    assert!(!rooms.is_empty(), "no folder in {} holds a file *{TEST_FILE}", here.display());
    rooms.sort_by(|a, b| a.profile.cmp(&b.profile));
    Ok(rooms)
}

fn scenes(text: &str) -> Vec<String> {
    let named = text.lines().filter_map(|line| line.strip_prefix(SCENE)?.split_once("', "));
    named.map(|(name, _)| name.to_owned()).collect()
}
