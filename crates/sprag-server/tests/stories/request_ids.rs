//! What a request is called: every answer says it, whatever it is that answers.

use crate::call::Call;
use crate::people::{LOGIN, ME};
use crate::world::World;

#[tokio::test]
async fn whatever_answers_says_what_the_request_is_called() {
    let world = World::new();
    let paths = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/nothing",
        ME,
    ];
    let pages = ["/verify", "/reset", "/email", "/undo", "/code", "/not-me", "/delete"];
    let reads = paths.into_iter().chain(pages).map(Call::get);
    let acts = pages.into_iter().chain([LOGIN, "/healthz"]).map(Call::post);
    for call in reads.chain(acts) {
        let line = call.line();
        let answer = world.is_asked(call.header("x-request-id", "one-of-ours")).await;
        assert_eq!(answer.header("x-request-id"), "one-of-ours", "{line}");
    }
    let made = world.is_asked(Call::get("/verify?token=none")).await.header("x-request-id");
    assert_eq!(made.len(), 16, "one that came without a name gets one");
}

#[tokio::test]
async fn what_a_page_does_is_counted_like_what_a_profile_does() {
    let world = World::new();
    world.is_asked(Call::get("/undo?token=none")).await;
    world.is_asked(Call::post("/undo").form(&[("token", "none")])).await;
    let counted = world.sends(Call::get("/metrics")).await.text();
    assert!(counted.contains("sprag_requests_total{action=\"page_undo\",status=\"400\"} 2"), "{counted}");
}
