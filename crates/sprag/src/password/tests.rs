use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::compare::compare as compare_with;
use super::hands::Waiting as _;
use super::job::hash;
use super::memory::Memory;
use super::*;
use crate::error::FaultKind;
use crate::random::SeededRandom;

fn typed(text: &str) -> Password {
    Password::typed(text).unwrap()
}

fn compare(password: &str, stored: &str) -> Match {
    let secrets = SourceSecrets::default();
    compare_with(&[typed(password)], Some(stored), &secrets, &mut Memory::default()).unwrap().matched
}

#[tokio::test]
async fn a_password_matches_its_own_hash_and_no_other() {
    let hasher = Hasher::start(1, 4).unwrap();
    let hash = hasher.hash(typed("pässwörd 🐢"), &SeededRandom::new(1)).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(hasher.verify(typed("pässwörd 🐢"), Some(hash.clone())).await.unwrap(), Match::Yes);
    assert_eq!(hasher.verify(typed("passwörd 🐢"), Some(hash)).await.unwrap(), Match::No);
    assert_eq!(hasher.verify(typed("pässwörd 🐢"), None).await.unwrap(), Match::No);
}

#[tokio::test]
async fn r42_a_long_password_counts_to_its_last_byte() {
    let hasher = Hasher::start(1, 4).unwrap();
    let long = "x".repeat(MAX_PASSWORD_BYTES);
    let almost = format!("{}y", "x".repeat(MAX_PASSWORD_BYTES - 1));
    let hash = hasher.hash(typed(&long), &SeededRandom::new(1)).await.unwrap();
    assert_eq!(hasher.verify(typed(&almost), Some(hash.clone())).await.unwrap(), Match::No);
    assert_eq!(hasher.verify(typed(&long), Some(hash)).await.unwrap(), Match::Yes);
    assert!(Password::typed(&"x".repeat(MAX_PASSWORD_BYTES + 1)).is_err());
}

#[test]
fn r42_a_password_is_hashed_in_the_form_it_was_typed_in() {
    let stored = hash(&typed("caf\u{e9} au lait"), &[7; 16], &mut Memory::default()).unwrap();
    assert_eq!(compare("caf\u{e9} au lait", &stored), Match::Yes);
    assert_eq!(compare("cafe\u{301} au lait", &stored), Match::No, "no form but this is compared here");
}

#[tokio::test]
async fn a_password_typed_on_a_system_that_composes_otherwise_was_refused() {
    let hasher = Hasher::start(1, 4).unwrap();
    let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    for (chosen, other) in [(composed, decomposed), (decomposed, composed)] {
        let hash = hasher.hash(typed(chosen), &SeededRandom::new(1)).await.unwrap();
        let verify = async |text: &str| hasher.verify(typed(text), Some(hash.clone())).await.unwrap();
        assert_eq!(verify(other).await, Match::Yes);
        assert_eq!(verify(chosen).await, Match::Yes);
        assert_eq!(verify("cafe au lait").await, Match::No, "another letter is another password");
        let compared = hasher
            .verify_from(Prefix::default(), typed(other), Some(hash.clone()), &Presence::default())
            .await
            .unwrap();
        assert_eq!(compared.form.0.as_str(), chosen, "and it is known which form the hash is of");
    }
}

#[tokio::test]
async fn when_a_failure_is_answered_depends_on_what_was_typed_and_not_on_what_it_was_compared_with() {
    let hasher = Hasher::start(1, 4).unwrap();
    let hash = hasher.hash(typed("correct horse"), &SeededRandom::new(1)).await.unwrap();
    let unusable = Some("nothing".to_owned());
    for (text, slots) in [("wrong", 1), ("wr\u{f6}ng", 2), ("\u{fb01} wr\u{f6}ng", 3)] {
        for stored in [None, Some(hash.clone()), unusable.clone()] {
            let compared = hasher
                .verify_from(Prefix::default(), typed(text), stored.clone(), &Presence::default())
                .await
                .unwrap();
            assert_ne!(compared.outcome.ok(), Some(Match::Yes));
            assert_eq!(compared.forms, slots, "{text} compared with {stored:?}");
        }
    }
}

#[tokio::test]
async fn r57_a_full_queue_says_so_at_once() {
    let hasher = Hasher::start(1, 1).unwrap();
    let mut waiting = Vec::new();
    let refused = (0..64).any(|_| {
        let (reply, mut answer) = oneshot::channel();
        let (forms, since) = (vec![typed("password")], Instant::now());
        let verify = Verify {
            forms,
            stored: None,
            since,
            secrets: Arc::default(),
            heavy: None,
            place: Presence::default(),
        };
        hasher.queue_up(Prefix::default(), Job::Verify(verify, Reply::to(reply)));
        let is_refused = matches!(answer.try_recv(), Ok(Err(_)));
        waiting.push(answer);
        is_refused
    });
    assert!(refused, "one thread and one place cannot hold 64 passwords");
}

#[tokio::test]
async fn where_hashing_threads_get_no_core_a_stand_in_lets_people_log_in_and_choose_passwords() {
    let mut hasher = Hasher::without_threads(8);
    hasher.add_stand_in().unwrap();
    let (free, stuck) = std::sync::mpsc::channel::<()>();
    let queue = Arc::clone(&hasher.queue);
    let hashing = thread::spawn(move || {
        let in_hand = queue.next(|| ());
        // Until the other end is dropped.
        let _ = stuck.recv();
        drop(in_hand);
    });
    let taken = hasher.verify(typed("password"), None).await;
    assert_eq!(taken.unwrap(), Match::No, "what a hashing thread has in hand");
    let hash = hasher.hash(typed("password"), &SeededRandom::new(1)).await.unwrap();
    assert_eq!(compare("password", &hash), Match::Yes, "and what none has taken");
    drop(free);
    hashing.join().unwrap();
}

#[tokio::test]
async fn the_dearest_hashes_take_one_thread_and_leave_the_others_to_everybody_else() {
    let hasher = Hasher::start(2, 8).unwrap();
    let salt_and_output = "WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";
    let dear = format!("$2b$15${salt_and_output}");
    assert!(is_heavy(&dear) && !is_heavy(&format!("$2b$12${salt_and_output}")));
    let under_way = hasher.heavy.turn(Prefix::default()).await.unwrap();
    let dear = std::pin::pin!(hasher.verify(typed("password"), Some(dear)));
    let cheap = hasher.verify(typed("password"), None);
    tokio::select! {
        biased;
        _ = dear => panic!("a second one of the dearest was compared at the same time"),
        outcome = cheap => assert_eq!(outcome.unwrap(), Match::No),
    }
    drop(under_way);
}

#[tokio::test]
async fn where_too_many_of_the_dearest_wait_the_next_hears_so_at_once() {
    let hasher = Hasher::start(1, 2).unwrap();
    let dear = "$2b$15$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";
    let under_way = hasher.heavy.turn(Prefix::default()).await.unwrap();
    let log_in = || Box::pin(hasher.verify(typed("password"), Some(dear.to_owned())));
    let mut waiting = [log_in(), log_in()];
    for one in &mut waiting {
        assert!(now(one).await.is_none(), "there is a place for it");
    }
    let fault = now(&mut log_in()).await.expect("it is answered at once").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Busy);
    assert_eq!(hasher.observed().refused, 1);
    drop(waiting);
    assert!(now(&mut log_in()).await.is_none(), "whoever leaves makes room");
    drop(under_way);
}

/// What it has come to by now.
async fn now<F: Future + Unpin>(one: &mut F) -> Option<F::Output> {
    poll_fn(|context| match Pin::new(&mut *one).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn a_password_of_many_forms_takes_a_thread_longer_before_that_seems_to_get_no_core() {
    let patience = |forms: usize| {
        let (forms, since) = (vec![typed("password"); forms], Instant::now());
        let verify = Verify {
            forms,
            stored: None,
            since,
            secrets: Arc::default(),
            heavy: None,
            place: Presence::default(),
        };
        Job::Verify(verify, Reply::to(oneshot::channel().0)).patience()
    };
    assert_eq!(patience(4), 4 * patience(1));
}

#[test]
fn stand_ins_are_no_hashing_threads() {
    assert_eq!(Hasher::start(2, 4).unwrap().observed().threads, 2);
}

#[test]
fn a_password_with_a_zero_byte_is_refused_for_bcrypt_ends_there() {
    for text in ["correct\0horse battery", "\0correct horse", "correct horse\0"] {
        assert!(Password::typed(text).is_err() && Password::chosen(text).is_err());
    }
}

#[test]
fn whose_password_is_refused_is_told_how_long_one_is() {
    let told = Password::chosen("short").unwrap_err().to_string();
    assert!(told.starts_with(&format!("a password has at least {MIN_PASSWORD_CHARS} characters")), "{told}");
    let told = Password::chosen("correct\0horse battery").unwrap_err().to_string();
    assert!(told.contains("none of them is zero"), "whose password has a zero byte hears why: {told}");
}

#[test]
fn a_password_does_not_print() {
    assert_eq!(format!("{:?}", typed("hunter2hunter2")), "Password");
}
