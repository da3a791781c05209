//! Calls that take an address: whether the time of their answer tells that somebody has it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sprag::random::{self, SeededRandom};
use sprag_testkit::folder::Folder;

use super::{Args, LEAST_PROBABILITY, MOST_MILLIS, USERS_OF_A_KIND, ranks};
use crate::load::wire::Client;

/// A profile whose calls tell nobody who has an address.
const PROFILE: &str = r#"id = 1000
about = "A system whose addresses must be confirmed"
registration = "open"
email_confirmation = "required"
refresh_token = { body = "refresh_token" }

[[route]]
on = "POST /login"
does = "login"
takes = { name = "$name", password = "$password" }
gives = { token = "$access_token", refresh_token = "$refresh_token" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { token = "$access_token", refresh_token = "$refresh_token" }

[[route]]
on = "POST /register"
does = "register"
takes = { username = "$username", email = "$email", password = "$password" }
status = 201
gives = { id = "$account.id" }

[[route]]
on = "POST /forgot"
does = "forgot_password"
takes = { email = "$email" }
status = 202
gives = {}

[[route]]
on = "POST /code"
does = "send_code"
takes = { email = "$email" }
status = 202
gives = { login_id = "$login_id" }

[[route]]
on = "POST /code/login"
does = "login_by_code"
takes = { token = "$token?", login_id = "$login_id?", code = "$code?" }
gives = { token = "$access_token", refresh_token = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "id", email = "email", password_hash = "hash" }
"#;

/// A call, and what it says of an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Call {
    Register,
    Forgot,
    SendCode,
}

impl Call {
    const ALL: [Self; 3] = [Self::Register, Self::Forgot, Self::SendCode];

    fn path(self) -> &'static str {
        match self {
            Self::Register => "/register",
            Self::Forgot => "/forgot",
            Self::SendCode => "/code",
        }
    }

    /// A request with an address; `number` is no other request's.
    fn request(self, address: &str, number: usize) -> Value {
        match self {
            Self::Register => {
                let name = format!("somebody{number:07}");
                json!({ "username": name, "email": address, "password": "no horse has this battery" })
            }
            Self::Forgot | Self::SendCode => json!({ "email": address }),
        }
    }
}

/// One request to be made.
#[derive(Clone)]
struct Asked {
    number: usize,
    is_known: bool,
}

impl Asked {
    fn address(&self) -> String {
        match self.is_known {
            true => address_of(self.number % USERS_OF_A_KIND),
            false => format!("nobody{:07}@example.org", self.number),
        }
    }
}

/// The address of one of those who have an account. All addresses are alike.
fn address_of(number: usize) -> String {
    format!("people{number:07}@example.org")
}

/// Asks each call with addresses that somebody has and that nobody has, prints the table, and says whether its times tell
/// nothing.
pub(super) fn told_by_times(args: &Args, folder: &Folder) -> anyhow::Result<bool> {
    folder.write("profile.toml", PROFILE);
    let hash = super::kinds::Kind::Argon2id;
    let random = SeededRandom::new(args.seed);
    let user = |number| {
        let address = address_of(number);
        format!("{}\n", json!({ "id": address, "email": address, "hash": hash.hash(&random) }))
    };
    folder.write("users.jsonl", (0..USERS_OF_A_KIND).map(user).collect::<String>());
    let imported = folder.run(&["user", "import", "--from", "users.jsonl", "--json"]);
    ensure!(imported.code == 0, "the users could not be imported: {}", imported.err);
    let server = folder.serve();
    println!(
        "\n### calls\n\n| call | n | median ms, nobody's | median ms, somebody's | p |\n|---|--:|--:|--:|--:|"
    );
    let mut is_silent = true;
    for call in Call::ALL {
        let planned = planned(args.each, &random);
        let measured = measure(server.address, call, planned, args.in_flight)?;
        let times = |is_known: bool| measured.get(&is_known).cloned().unwrap_or_default();
        let (nobody, somebody) = (times(false), times(true));
        let probability = ranks::probability(&nobody, &somebody);
        let (one, other) = (ranks::median(&nobody), ranks::median(&somebody));
        println!("| {} | {} | {one:.2} | {other:.2} | {probability:.3} |", call.path(), nobody.len());
        is_silent &= probability > LEAST_PROBABILITY && (one - other).abs() < MOST_MILLIS;
    }
    Ok(is_silent)
}

/// Both equally often, in random order.
fn planned(each: usize, random: &SeededRandom) -> Vec<Asked> {
    let mut asked: Vec<Asked> =
        (0..2 * each).map(|number| Asked { number, is_known: number % 2 == 0 }).collect();
    for last in (1..asked.len()).rev() {
        let drawn = u64::from_le_bytes(random::bytes(random));
        asked.swap(last, usize::try_from(drawn % (last as u64 + 1)).unwrap_or(last));
    }
    asked
}

/// How long each took, by whether somebody has the address.
fn measure(
    server: SocketAddr,
    call: Call,
    asked: Vec<Asked>,
    in_flight: usize,
) -> anyhow::Result<BTreeMap<bool, Vec<f64>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waiting = Arc::new(Mutex::new(asked));
    runtime.context("could not start")?.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..in_flight.max(1) {
            clients.spawn(client(server, call, Arc::clone(&waiting)));
        }
        let mut measured: BTreeMap<bool, Vec<f64>> = BTreeMap::new();
        while let Some(done) = clients.join_next().await {
            for (is_known, millis) in done.context("a client panicked")?? {
                measured.entry(is_known).or_default().push(millis);
            }
        }
        Ok(measured)
    })
}

async fn client(
    server: SocketAddr,
    call: Call,
    waiting: Arc<Mutex<Vec<Asked>>>,
) -> anyhow::Result<Vec<(bool, f64)>> {
    let (mut client, mut took) = (Client::to(server), Vec::new());
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(asked) = next else { return Ok(took) };
        let (request, since) = (call.request(&asked.address(), asked.number), Instant::now());
        let reply = client.post(call.path(), &request).await.context("a call was not answered")?;
        let millis = since.elapsed().as_secs_f64() * 1000.0;
        ensure!(reply.status == 202, "{} was answered {}, not 202", call.path(), reply.status);
        took.push((asked.is_known, millis));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_somebody_and_of_nobody_come_equally_often_and_look_alike() {
        let planned = planned(50, &SeededRandom::new(1));
        assert_eq!(planned.iter().filter(|asked| asked.is_known).count(), 50);
        let lengths: std::collections::BTreeSet<usize> =
            planned.iter().map(|asked| asked.address().len()).collect();
        assert_eq!(lengths.len(), 1);
    }
}
