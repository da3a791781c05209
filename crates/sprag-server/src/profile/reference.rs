//! `docs/reference/errors.md`: the table of refusals, and what else there is to say of them.

use std::fmt::Write as _;

use sprag::error::CODES;

use super::Action;

/// The reference of refusals, whole: of all calls, and what `actions` say where the store fails.
#[must_use]
pub fn refusals_reference(actions: &[Action]) -> String {
    let mut rows = CODES.to_vec();
    rows.sort_by_key(|row| row.status);
    let mut reference = String::from(HEAD);
    // Writing to a String cannot fail.
    for row in rows {
        let _ = writeln!(reference, "| `{}` | {} | {} | {} |", row.name, row.status, row.when, row.event);
    }
    reference += TAIL;
    for action in actions {
        let _ = writeln!(reference, "| `{}` | {} |", action.name(), action.unavailable());
    }
    reference
}

const HEAD: &str = "\
# Refusals and faults

<!-- Made from the table in `crates/sprag/src/error/refusals.rs` and the words around it in
     `crates/sprag-server/src/profile/reference.rs`. Make it anew: just reference -->

**What.** Whatever is not done is answered with a status, a stable `code` and a sentence. On our own profile the answer is a
problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)); other profiles give it another shape, never another
code.

```json
{
  \"type\": \"about:blank\",
  \"title\": \"Unauthorized\",
  \"status\": 401,
  \"detail\": \"this session has ended because you signed out on all devices; log in again\",
  \"code\": \"session_ended\",
  \"cause\": \"logout_all\"
}
```

**Why a code and a cause.** A client decides by `code`; a person wants to know why. `cause` comes only with a genuine
token of a session that has ended, so it tells a stranger nothing.

**What a client should do.**

- 401 on an API call: refresh once, then repeat the call.
- 401 on a refresh: log in again. A cookie is not cleared by a refusal; a dead one does no harm.
- 503 on a refresh: try again after `Retry-After` seconds, **with the same token**. Whether the session rotated or not, the
  answer is the one that was missed.
- 503 on another call: what was asked for may have happened. [What to do then](#unavailable) depends on the call.
- Anything else in the 400s: mend the request; repeating it changes nothing.

## Codes

| code | status | when | event |
| --- | --- | --- | --- |
";

const TAIL: &str = "
What is refused with `request_ambiguous` is [listed on its own](framing.md).

Where a field of the request is at fault, `field` names it: with `field_missing`, `field_invalid`, `name_invalid`,
`password_rejected`, and with `name_taken`, where it is the first that was sent, not which of the two is taken.

Two refusals come before any profile is asked: 431 for a head of more than 16 KiB or 100 fields, and 400 for what is not
HTTP; they have no body.

## Causes

| cause | because |
| --- | --- |
| `logout` | its user logged out on this device |
| `logout_all` | its user logged out everywhere |
| `revoked` | its user ended it from another session, a client revoked its token, or its account changed in a way that ends sessions |
| `reuse` | a token came back that had been spent: theft until proven otherwise |
| `idle` | it was not refreshed for the idle timeout |
| `expired` | it reached its absolute lifetime |
| `password_changed` | the account's password changed |
| `disabled` | the account was disabled |
| `admin` | an administrator ended it |
| `replaced` | a newer log-in on the same device, or one more than the account may have, took its place |
| `lockstep` | another client refreshed in step with it, on a profile that ends sessions for that |
| `ahead` | its token was too far ahead of the database, or the profile refuses such tokens |

`sprag why <session>` tells the whole story of one session.

## Unavailable

`unavailable` means that the store failed, and whoever hears it cannot know when: before anything was written, or after it was
committed, when only the answer was lost. `busy` means that nothing was done. Nothing is acknowledged by either. Each call says
what that leaves, in the sentence of its answer; a profile that words `unavailable` itself says its own instead.

| call | what it says |
| --- | --- |
";
