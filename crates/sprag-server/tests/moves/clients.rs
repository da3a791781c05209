//! The clients: each has the token that the old system gave it, and knows nothing of a move.

use std::thread;

use libtest_mimic::Failed;
use serde_json::{Value, json};
use sprag_server::profile::{Fact, Facts, Profile, Route};
use sprag_testkit::binary::wire::{Connection, Request};

use crate::old::{Old, PASSWORD};
use crate::server::Server;

/// How many come at the same time.
const AT_ONCE: usize = 32;

/// Every n-th client comes a second time, with its new token.
const COMES_AGAIN: usize = 10;

/// Each client presents its old token and is given a new one; some come again with that.
pub(crate) fn all_stay_in(server: &Server, profile: &Profile, tokens: &[String]) -> Result<(), Failed> {
    let call = Call::of(profile)?;
    let share = tokens.len().div_ceil(AT_ONCE);
    thread::scope(|scope| {
        let crowds = tokens.chunks(share).map(|tokens| scope.spawn(|| crowd(server, &call, tokens)));
        let crowds: Vec<_> = crowds.collect();
        crowds.into_iter().try_for_each(|crowd| crowd.join().expect("no client panics"))
    })
}

fn crowd(server: &Server, call: &Call, tokens: &[String]) -> Result<(), Failed> {
    let mut connection = Connection::open(server.address)?;
    for (position, token) in tokens.iter().enumerate() {
        let next =
            call.refresh(&mut connection, token)?.map_err(|refusal| format!("logged out: {refusal}"))?;
        if position % COMES_AGAIN == 0 {
            let again = call.refresh(&mut connection, &next)?;
            let again = again.map_err(|refusal| format!("the new token is refused: {refusal}"))?;
            if again == next {
                return Err("the session did not turn".into());
            }
        }
    }
    Ok(())
}

/// Whoever was logged out before the move stays so.
pub(crate) fn dead_ones_stay_dead(
    server: &Server,
    profile: &Profile,
    tokens: &[String],
) -> Result<(), Failed> {
    let call = Call::of(profile)?;
    let mut connection = Connection::open(server.address)?;
    for token in tokens {
        if call.refresh(&mut connection, token)?.is_ok() {
            return Err("a session that was over lives again".into());
        }
    }
    Ok(())
}

pub(crate) fn log_in_with_the_old_password(server: &Server, old: &Old) -> Result<(), Failed> {
    let body = json!({ (old.log_in.name.as_str()): old.log_in.value, "password": PASSWORD });
    let reply = Connection::open(server.address)?.ask(&Request::post(&old.log_in.path, &body))?;
    if reply.status == 200 { Ok(()) } else { Err(format!("{}: {:?}", reply.status, reply.body).into()) }
}

/// How the profile refreshes, read from the profile.
struct Call {
    path: String,
    takes: String,
    /// Where its answer has the new token.
    gives: String,
}

impl Call {
    fn of(profile: &Profile) -> Result<Self, Failed> {
        let route: Option<&Route> = profile.wire.routes.iter().find(|route| route.action.name() == "refresh");
        let (Some(route), Some(takes)) = (route, profile.wire.refresh.body.clone()) else {
            return Err("the profile has no refresh in the body".into());
        };
        let probe = Facts { refresh_token: Some("here"), ..Facts::default() };
        assert!(route.gives.names(Fact::RefreshToken));
        let gives = route.gives.members(&probe).into_iter().find(|(_, value)| value == "here");
        let (gives, _) = gives.ok_or("the new token stands deeper in the answer")?;
        Ok(Self { path: route.path.clone(), takes, gives })
    }

    /// The new token, or the refusal.
    fn refresh(&self, connection: &mut Connection, token: &str) -> Result<Result<String, String>, Failed> {
        let body = json!({ (self.takes.as_str()): token });
        let reply = connection.ask(&Request::post(&self.path, &body))?;
        let answer: Value = serde_json::from_slice(&reply.body)?;
        match (reply.status, answer[&self.gives].as_str()) {
            (200, Some(next)) => Ok(Ok(next.to_owned())),
            (401, _) => Ok(Err(answer.to_string())),
            (status, _) => Err(format!("{status}: {answer}").into()),
        }
    }
}
