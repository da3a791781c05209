//! Calls that are off until one line turns them on.

use sprag_server::profile::{Profile, builtin_names};

use crate::call::Call;
use crate::world::{Plan, World};

#[tokio::test]
async fn a_call_that_is_off_is_answered_like_a_path_that_was_never_there() {
    for name in builtin_names() {
        let profile = Profile::builtin(name).expect("a shipped profile").expect("it can be read");
        let off = profile.wire.off.clone();
        let world = World::planned(Plan { profiles: vec![profile], ..Plan::default() });
        for route in off {
            for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
                let asked = async |path: &str| {
                    let call = Call::new(method, path).header("origin", "https://app.example.org");
                    let answer = world.is_asked(call.bearer("a-token")).await;
                    (answer.status, answer.everything())
                };
                let (off, unknown) = (asked(&route.path).await, asked(&format!("{}-not", route.path)).await);
                assert_eq!(off, unknown, "{name}: {method} {}", route.path);
                assert!(method == "OPTIONS" || off.0 == 404, "{name}: {method} {}: {}", route.path, off.0);
            }
        }
    }
}
