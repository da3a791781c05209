//! Cookies of others beside ours, and how ours may be written: no profile loses its own by it.

use crate::call::Call;
use crate::data::{Data, Texts};
use crate::stage::Stage;
use crate::tour::{bodiless, logs_in};
use crate::world::ORIGIN;

/// Headers with which a browser may bring our cookie: what stands for `@` is the pair.
const BROUGHT: [&[&[u8]]; 7] = [
    &[b"@"],
    &[b"name=J\xc3\xb6rg; @"],
    &[b"name=J\xf6rg; @"],
    &[b"@; n\xe4me=x; half=\xc3"],
    &[b"lang=fran\xe7ais", b"@", b"theme=\xff"],
    &[b"a=\"q\xfc\"; \"; @;; =; \xfe"],
    &[b"a=1;\t@ ;b=2"],
];

/// Where another system's cookie on the same host has a letter that is not ASCII, or Starlette has put ours into quotes, a
/// refresh and a log-out find it as before.
pub(crate) async fn are_read_whatever_stands_beside_them(name: &'static str, data: &'static Data) {
    let stage = Stage::of(name, data, &Texts::new()).await;
    let Some(cookie) = &stage.profile.wire.refresh.cookie else { return };
    let route_of =
        |action: &str| stage.profile.wire.routes.iter().find(|route| route.action.name() == action);
    for action in ["refresh", "logout", "revoke"] {
        let Some(route) = route_of(action) else { continue };
        for headers in BROUGHT {
            for quote in ["", "\""] {
                let client = logs_in(&stage).await;
                let pair = format!("{}={quote}{}{quote}", cookie.name, client.refresh);
                let call = bodiless(&stage, route, &client).header("origin", ORIGIN);
                let call = headers.iter().fold(call, |call, header| beside(call, header, &pair));
                let answer = stage.world.is_asked(call).await;
                assert_eq!(answer.status, route.status, "{action} {headers:?} {quote}: {}", answer.text());
                assert!(
                    answer.cookie(&cookie.name).is_some(),
                    "{action} {headers:?}: ours is set or cleared"
                );
            }
        }
    }
}

fn beside(call: Call, header: &[u8], pair: &str) -> Call {
    let mut whole = Vec::new();
    for byte in header {
        if *byte == b'@' { whole.extend_from_slice(pair.as_bytes()) } else { whole.push(*byte) }
    }
    call.header("cookie", whole)
}
