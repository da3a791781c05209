//! What an answer may tell of a session's pair of tokens.

use std::time::Duration;

use sprag::account::Account;
use sprag::authn::DeviceText;
use sprag::engine::TokenPair;

use crate::profile::Facts;

/// The facts of a pair; its refresh token, and what a device keeps beside that, only where the body has them.
pub(super) fn of<'a>(pair: &'a TokenPair, in_body: bool, account: Option<&'a Account>) -> Facts<'a> {
    let seconds = |seconds| u64::try_from(seconds).ok();
    let (expires_in, refresh_expires_in) = (seconds(pair.expires_in), seconds(pair.refresh_expires_in));
    let after =
        |seconds: Option<u64>| seconds.map(|seconds| pair.issued_at.plus(Duration::from_secs(seconds)));
    Facts {
        access_token: Some(&pair.access_token),
        refresh_token: in_body.then(|| pair.refresh.text()),
        expires_in,
        refresh_in: seconds(pair.refresh_in),
        refresh_expires_in,
        expires_at: after(expires_in),
        refresh_expires_at: after(refresh_expires_in),
        session_id: Some(pair.session),
        account_id: Some(pair.account),
        account,
        device_token: pair.remembered.as_ref().filter(|_| in_body).map(DeviceText::as_str),
        ..Facts::default()
    }
}
