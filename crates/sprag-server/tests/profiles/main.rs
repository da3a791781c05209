//! Every shipped profile keeps its promises: a test for each profile and scene, found at run time, since no code knows a profile.
//!
//! `cargo test --test profiles` runs, for each shipped profile, `<profile>::<scene>` for the scenes of its file `<profile>.toml` in
//! this folder, `<profile>::settings-…` for what its variables mean, and what holds for all profiles: `wire-…`, `refusals`,
//! `bad-input-…`, `tokens-…` and `origins`, each compared with a snapshot below `snapshots/`.
//!
//! # The language of the files
//!
//! ```toml
//! environment = { … }          # what the server is started with: the profile's own variables, and ours
//! [people.ann]                 # who came from the system before, by its key there; all have one password
//! external_id = "7"            # also username, email, name, given_name, family_name, role, is_admin
//! [[setting]]                  # what variables mean, besides those above
//! name = "lifetime"
//! given = { JWT_EXPIRE = "20m" }
//! means = { access-ttl = "20m" } # as `sprag config` shows it; or refused = "…", which the start says
//!
//! [[scene]]
//! name = "an-old-token-is-refused"
//! environment = { … }          # in addition
//! ```
//!
//! A scene is a list of steps, `step = [{ … }, …]`, told at noon on 1 July 2026. A step may have, and does in this order:
//!
//! | key | what |
//! |---|---|
//! | `clock = "+31m"` | winds the clock |
//! | `imports = { user = "7", token = "…", expires = "+7d" }` | a session of the system before, with its token |
//! | `disables = "ann"` | an administrator disables that account |
//! | `sweeps = { ended = 1, removed = 0 }` | what a server does by itself from time to time, and how many sessions it concerns |
//! | `send = "POST /path"` | a request, with what follows |
//! | `json`, `form`, `parts`, `text` | its body: JSON text, a table of fields, the same as multipart, or any text |
//! | `headers`, `bearer`, `from` | its headers, its access token, its address |
//! | `client = "browser"` | keeps cookies under that name and sends them; one that is called browser sends an `Origin` |
//! | `status = 200` | what must come back; always said |
//! | `answer = '{…}'` | the body, as exact JSON; without it there must be none, unless `contains` says what is in it |
//! | `contains = ["…"]` | texts that the body has |
//! | `cookies = ["…"]` | each `Set-Cookie`; without it there must be none |
//! | `tells = { allow = "POST" }` | headers of the answer |
//! | `claims = '{…}'` | what PyJWT and the like read in the access token of the answer, with the secret of the environment |
//! | `lives = "15m"` | how long that token lives |
//! | `unchanged = true` | accounts, sessions and journal are as before, but for log-ins that failed |
//! | `why = { of = "r1", says = ["…"] }` | what `sprag why` tells of the session of that refresh token |
//!
//! In `answer`, `cookies` and `claims` a text may be a hole, as `"<uuid>"`, which takes what is of that kind:
//! `access-token`, `refresh-token`, `uuid`, `time`, `number`, `text`. `"<refresh-token r1>"` keeps it under a name, and
//! `"{r1}"` in a request or an answer is what was kept; `"{password}"` is everybody's password.

mod bodies;
mod cookies;
mod data;
mod hole;
mod origins;
mod probe;
mod promises;
mod scene;
mod shape;
mod stage;
mod tour;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use sprag_server::profile::builtin_names;
use sprag_testkit::{call, head, passkey, people, rooms, world};

use data::Data;

fn main() -> ExitCode {
    let mut trials: Vec<Trial> = builtin_names().flat_map(of_profile).collect();
    let names = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.push(Trial::test("every-promise-has-a-test-or-a-reason", move || {
        promises::are_kept(&names).map_err(Failed::from)
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Every test of one profile.
fn of_profile(profile: &'static str) -> Vec<Trial> {
    let data: &'static Data = match Data::of(profile) {
        Ok(data) => Box::leak(Box::new(data)),
        Err(problem) => {
            return vec![Trial::test(format!("{profile}::data"), move || Err(Failed::from(problem)))];
        }
    };
    let mut trials: Vec<Trial> = Vec::new();
    for scene in &data.scene {
        let name = format!("{profile}::{}", scene.name);
        trials.push(trial(name, scene::plays(profile, data, scene)));
    }
    for setting in &data.setting {
        let name = format!("{profile}::settings-{}", setting.name);
        trials.push(Trial::test(name, move || stage::means(profile, data, setting).map_err(Failed::from)));
    }
    trials.push(trial(format!("{profile}::origins"), origins::are_kept_apart(profile, data)));
    trials.push(trial(format!("{profile}::bodies"), bodies::are_read_as_they_were(profile, data)));
    trials.push(trial(
        format!("{profile}::tokens-of-another-name"),
        bodies::of_another_name_are_named(profile, data),
    ));
    trials.push(trial(
        format!("{profile}::cookies"),
        cookies::are_read_whatever_stands_beside_them(profile, data),
    ));
    trials.push(Trial::test(format!("{profile}::refusals"), move || {
        tour::refusals(profile);
        Ok(())
    }));
    for (position, route) in stage::profile(profile).wire.routes.into_iter().enumerate() {
        let call = stage::slug(&route);
        trials.push(trial(format!("{profile}::wire-{call}"), tour::succeeds(profile, data, position)));
        trials.push(trial(format!("{profile}::bad-input-{call}"), probe::bad_input(profile, data, position)));
        trials.push(trial(
            format!("{profile}::tokens-{call}"),
            probe::tokens_that_were(profile, data, position),
        ));
    }
    trials
}

fn trial(name: String, story: impl Future<Output = ()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(story);
        Ok(())
    })
}
