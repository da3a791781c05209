//! Asking with wrong passwords, and how long each refusal took.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use sprag::random::{self, Random};

use super::kinds::{Kind, Mix};
use crate::load::wire::Client;

/// Nobody's password.
const WRONG: &str = "no horse has this battery";

/// At most one attempt in so many may be put off: what is left would else be no random sample.
const MOST_PUT_OFF_PARTS: usize = 100;

/// One log-in to be tried.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    kind: Kind,
    pub(super) name: String,
}

/// What one came to.
pub(super) struct Measured {
    pub(super) millis: f64,
}

/// What is left to do, and how often the server had no time for it: such an attempt is made again.
struct Work {
    waiting: Mutex<VecDeque<Attempt>>,
    put_off: AtomicUsize,
}

/// How hard the server is asked.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) in_flight: usize,
    /// How each attempt must be refused.
    pub(super) status: u16,
}

impl Attempt {
    /// With the name of the user of that kind and number. All names are alike.
    pub(super) fn of(kind: Kind, number: usize) -> Self {
        Self { kind, name: format!("user{:02}x{number:06}", kind as usize) }
    }

    fn request(&self) -> serde_json::Value {
        json!({ "name": self.name, "password": WRONG })
    }
}

/// Every kind of a mix equally often, in random order.
pub(super) fn planned(mix: &Mix, each: usize, users: usize, random: &dyn Random) -> Vec<Attempt> {
    let of = |kind: &Kind| {
        let kind = *kind;
        (0..each).map(move |number| Attempt::of(kind, number % users))
    };
    let mut attempts: Vec<Attempt> = mix.kinds.iter().flat_map(of).collect();
    for last in (1..attempts.len()).rev() {
        let drawn = u64::from_le_bytes(random::bytes(random));
        attempts.swap(last, usize::try_from(drawn % (last as u64 + 1)).unwrap_or(last));
    }
    attempts
}

/// Tries all of them, so many at a time.
pub(super) fn measure(
    server: SocketAddr,
    attempts: Vec<Attempt>,
    bounds: Bounds,
) -> anyhow::Result<BTreeMap<Kind, Vec<Measured>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("could not start")?;
    let most_put_off = attempts.len() / MOST_PUT_OFF_PARTS;
    let work = Arc::new(Work { waiting: Mutex::new(attempts.into()), put_off: AtomicUsize::new(0) });
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..bounds.in_flight.max(1) {
            clients.spawn(client(server, bounds.status, Arc::clone(&work)));
        }
        let mut measured: BTreeMap<Kind, Vec<Measured>> = BTreeMap::new();
        while let Some(done) = clients.join_next().await {
            for (kind, millis) in done.context("a client panicked")?? {
                measured.entry(kind).or_default().push(Measured { millis });
            }
        }
        let put_off = work.put_off.load(Ordering::Relaxed);
        ensure!(
            put_off <= most_put_off,
            "{put_off} log-ins were answered \"not now\", too many to compare the others; ask fewer at a time with \
             --in-flight, or let the machine do nothing else"
        );
        Ok(measured)
    })
}

/// One client, which asks on one connection until nothing waits.
async fn client(server: SocketAddr, status: u16, work: Arc<Work>) -> anyhow::Result<Vec<(Kind, f64)>> {
    let (mut client, mut took) = (Client::to(server), Vec::new());
    loop {
        let next = work.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(attempt) = next else { return Ok(took) };
        let (request, since) = (attempt.request(), Instant::now());
        let reply = client.post("/login", &request).await.context("a log-in was not answered")?;
        let millis = since.elapsed().as_secs_f64() * 1000.0;
        if reply.status == 503 {
            work.put_off.fetch_add(1, Ordering::Relaxed);
            work.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(attempt);
            continue;
        }
        ensure!(reply.status == status, "a wrong password was answered {}, not {status}", reply.status);
        took.push((attempt.kind, millis));
    }
}

/// Fails where one kind is answered in other words, or under other headers, than another.
pub(super) fn expect_one_answer(server: SocketAddr, mix: &Mix, status: u16) -> anyhow::Result<()> {
    let ask = |kind: &Kind| {
        let answer = raw_answer(server, &Attempt::of(*kind, 0));
        Ok((*kind, answer.with_context(|| format!("could not ask for {kind:?}"))?))
    };
    let answers: anyhow::Result<Vec<_>> = mix.kinds.iter().map(ask).collect();
    expect_alike(&answers?, status)
}

/// Head and body of an answer, but for the date, for what the request is called, and for what a second later would be another.
fn raw_answer(server: SocketAddr, attempt: &Attempt) -> std::io::Result<String> {
    let body = attempt.request().to_string();
    let mut stream = TcpStream::connect(server)?;
    write!(
        stream,
        "POST /login HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let differs = |line: &String| {
        ["date:", "x-request-id:", "retry-after:", "ratelimit:"].iter().any(|name| line.starts_with(name))
    };
    let kept = answer.lines().map(str::to_ascii_lowercase).filter(|line| !differs(line));
    Ok(kept.collect::<Vec<_>>().join("\n"))
}

/// The first of the answers that differs, for the message.
fn differing(answers: &[(Kind, String)]) -> Option<(&Kind, &str, &str)> {
    let (_, first) = answers.first()?;
    answers
        .iter()
        .find(|(_, answer)| answer != first)
        .map(|(kind, answer)| (kind, answer.as_str(), first.as_str()))
}

/// Fails where one kind is answered otherwise than another.
fn expect_alike(answers: &[(Kind, String)], status: u16) -> anyhow::Result<()> {
    let first = answers.first().context("nobody was asked for")?;
    ensure!(
        first.1.starts_with(&format!("http/1.1 {status} ")),
        "a wrong password was answered with {}",
        first.1
    );
    match differing(answers) {
        Some((kind, answer, usual)) => {
            bail!("{} is answered with {answer:?}, and nobody with {usual:?}", kind.name())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sprag::random::SeededRandom;

    use super::super::kinds::MIXES;
    use super::*;

    #[test]
    fn every_kind_is_asked_for_equally_often_and_in_another_order_each_time() {
        let (one, other) = (SeededRandom::new(1), SeededRandom::new(2));
        let names = |attempts: &[Attempt]| attempts.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        for mix in &MIXES {
            let attempts = planned(mix, 20, 5, &one);
            for kind in mix.kinds {
                assert_eq!(attempts.iter().filter(|attempt| attempt.kind == *kind).count(), 20, "{kind:?}");
            }
            assert_ne!(names(&attempts), names(&planned(mix, 20, 5, &other)));
        }
    }

    #[test]
    fn an_answer_that_differs_is_found() {
        let answer = |kind, text: &str| (kind, text.to_owned());
        let usual = "http/1.1 401 unauthorized\n\n{}";
        assert!(expect_alike(&[answer(Kind::Nobody, usual), answer(Kind::Bcrypt10, usual)], 401).is_ok());
        let other = [answer(Kind::Nobody, usual), answer(Kind::Disabled, "http/1.1 403 forbidden\n\n{}")];
        assert!(expect_alike(&other, 401).unwrap_err().to_string().starts_with("disabled is answered with"));
        assert!(expect_alike(&[answer(Kind::Nobody, "http/1.1 500 internal\n\n{}")], 401).is_err());
    }
}
