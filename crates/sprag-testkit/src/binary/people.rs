//! What people and their apps do with the server's own profile.

use std::io;

use data_encoding::HEXLOWER;
use serde_json::json;

use crate::binary::server::PASSWORD;
use crate::binary::token::facts;
use crate::binary::wire::{Answer, Connection, Request};

pub const LOGIN: &str = "/api/v1/auth/login";
pub const REFRESH: &str = "/api/v1/auth/refresh";
pub const LOGOUT: &str = "/api/v1/auth/logout";
pub const ME: &str = "/api/v1/auth/me";

/// What a client keeps of a token pair.
#[derive(Clone, Debug)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl Pair {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        Self { access: answer.member("access_token"), refresh: answer.member("refresh_token") }
    }
}

pub fn login(name: &str, password: &str) -> Request {
    Request::post(LOGIN, &json!({ "username": name, "password": password }))
}

pub fn refresh(token: &str) -> Request {
    Request::post(REFRESH, &json!({ "refresh_token": token }))
}

/// A refresh that carries a retry id: one for each token, the same whenever it is asked again.
pub fn refresh_with_id(token: &str) -> Request {
    let facts = facts(token);
    let id = format!("{}-{}", HEXLOWER.encode(&facts.session), facts.generation);
    refresh(token).header("Idempotency-Key", &id)
}

pub fn logout(token: &str) -> Request {
    Request::post(LOGOUT, &json!({ "refresh_token": token }))
}

/// A change of the password to another one, with the refresh token and a retry id, as a careful client asks for it.
pub fn change_password(pair: &Pair, current: &str, new: &str) -> Request {
    let body = json!({ "current_password": current, "new_password": new, "refresh_token": pair.refresh });
    Request::post("/api/v1/auth/password", &body).bearer(&pair.access).header("Idempotency-Key", "change-1")
}

pub fn me(access: &str) -> Request {
    Request::get(ME).bearer(access)
}

/// Logs in with the password of all test accounts; again where a busy machine has no time to compare it.
pub fn log_in(connection: &mut Connection, name: &str) -> io::Result<Pair> {
    let answer = connection.ask_until_served(&login(name, PASSWORD))?;
    Ok(Pair::of(&answer))
}
