use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::random::SeededRandom;

use super::*;
use crate::config::{Config, Flags};

/// The jobs of a server with these settings.
async fn names(settings: &[(&str, &str)]) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let given = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = given.chain([("SPRAG_DATA_DIR".to_owned(), data)]);
    let config = Config::resolve(Flags::new(), environment, folder.path()).unwrap();
    let node = Node::make(config, Vec::new()).await.unwrap();
    jobs(&node, RingWatch::of(&node)).into_iter().map(|job| job.name).collect()
}

#[tokio::test]
async fn a_server_marks_its_life_sweeps_watches_its_ring_and_adds_checkpoints() {
    assert_eq!(
        names(&[]).await,
        [
            "mark",
            "sweep",
            "key ring",
            "checkpoint",
            "counted",
            "budgets",
            "refreshes",
            "counts",
            "erasures",
            "outbox",
            "outbox sweep"
        ]
    );
    let ring = KeyRing::generate(Algorithm::Es256, &SeededRandom::new(1), Timestamp(0)).unwrap().to_json();
    let without = [("SPRAG_SWEEP_INTERVAL", "0s"), ("SPRAG_KEY_RING", ring.as_str())];
    assert_eq!(
        names(&without).await,
        [
            "mark",
            "checkpoint",
            "counted",
            "budgets",
            "refreshes",
            "counts",
            "erasures",
            "outbox",
            "outbox sweep"
        ],
        "no file to watch, and nothing to sweep"
    );
    let unlimited = [("SPRAG_RATE_LIMITS", "off")];
    assert_eq!(
        names(&unlimited).await,
        [
            "mark",
            "sweep",
            "key ring",
            "checkpoint",
            "counted",
            "budgets",
            "counts",
            "erasures",
            "outbox",
            "outbox sweep"
        ]
    );
    let kept = [("SPRAG_KEEP_JOURNAL", "400d")];
    assert_eq!(
        names(&kept).await,
        [
            "mark",
            "sweep",
            "key ring",
            "checkpoint",
            "counted",
            "budgets",
            "refreshes",
            "counts",
            "cut",
            "erasures",
            "outbox",
            "outbox sweep"
        ]
    );
}

#[tokio::test]
async fn what_has_expired_was_kept_for_ever_where_letters_are_off() {
    assert!(names(&[("SPRAG_MAIL_URL", "off")]).await.contains(&"outbox sweep"));
}
