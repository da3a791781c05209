//! The browser code of the systems that profiles take the place of, run for real: in Chromium and in Node, against the binary.
//!
//! Each folder here that holds a `….test.mjs` is a profile's; its scenes are the tests. What a profile's front end is stands in
//! that folder alone, so that no Rust file knows one.

mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use sprag_testkit::rooms::{self, Room};

use crate::tools::Tools;

/// How many profiles are played at once unless somebody says otherwise: their browsers wait as often as they work.
const AT_ONCE: usize = 3;

/// What takes longest, and so comes first.
const LONGEST: [&str; 2] = ["pages", "demo"];

/// How each scene ended: why it failed, or nothing.
type Ended = BTreeMap<String, Option<String>>;

/// A profile's scenes, played together at the first time that one is asked for.
struct Played {
    room: Room,
    ended: OnceLock<Result<Ended, String>>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_ends");
    let rooms = rooms::all(&here).expect("the folder of these tests can be read");
    let tools = Arc::new(Lazy { here, found: OnceLock::new() });
    libtest_mimic::run(&arguments, trials(rooms, &tools)).exit_code()
}

/// The first scene of every profile, then the second ones and so on: threads that take them in turn play several profiles at a
/// time instead of all waiting for one.
fn trials(rooms: Vec<Room>, tools: &Arc<Lazy>) -> Vec<Trial> {
    let mut ordered = Vec::new();
    for room in rooms {
        let played = Arc::new(Played { room, ended: OnceLock::new() });
        for (place, scene) in played.room.scenes.clone().into_iter().enumerate() {
            let name = format!("{}: {scene}", played.room.profile);
            let (played, tools) = (Arc::clone(&played), Arc::clone(tools));
            let is_short = !LONGEST.contains(&played.room.profile.as_str());
            ordered.push(((place, is_short), Trial::test(name, move || played.scene(&scene, &tools))));
        }
    }
    ordered.sort_by_key(|(rank, _)| *rank);
    ordered.into_iter().map(|(_, trial)| trial).collect()
}

impl Played {
    fn scene(&self, scene: &str, tools: &Lazy) -> Result<(), Failed> {
        let ended = self.ended.get_or_init(|| tools.get()?.play(&self.room));
        match ended.as_ref()?.get(scene) {
            Some(None) => Ok(()),
            Some(Some(why)) => Err(why.into()),
            None => Err("this scene was not played; see that its file calls play() after it".into()),
        }
    }
}

/// The tools, looked for and set up when the first scene needs them, so that listing the tests needs none.
struct Lazy {
    here: PathBuf,
    found: OnceLock<Result<Tools, String>>,
}

impl Lazy {
    fn get(&self) -> Result<&Tools, String> {
        self.found.get_or_init(|| Tools::find(&self.here)).as_ref().map_err(Clone::clone)
    }
}
