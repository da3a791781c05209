//! A journal that was made to forget people still shows tampering.

use sprag::audit::{Entry, EventKind, Head};
use sprag::checkpoints::{self, CheckpointFlaw, Cutting, EntryFlaw, Erasing, ErasureFlaw, Finding};
use sprag::random::SeededRandom;
use sprag::session::AccountId;
use uuid::Uuid;

use crate::ledger::{ANN, BEN, DAY, Key, Ledger, NOW};

const FIREFOX: Option<&str> = Some("Firefox");

/// Journals of two people over ten days.
async fn ledgers() -> Vec<Ledger> {
    let each = Ledger::on_each_store().await;
    for ledger in &each {
        for day in 0..10 {
            for account in [ANN, BEN] {
                ledger.record(account, NOW.minus(DAY * (10 - day)), FIREFOX).await;
            }
        }
    }
    each
}

impl Ledger {
    /// Has a chain be as a build before erasure wrote it.
    async fn of_an_earlier_build(&self, account: AccountId) {
        let mut head = Head::new(account);
        for entry in self.chain(account).await {
            let plain = Entry::chained(entry.number, entry.event.clone(), head.hash, None);
            let sql = format!(
                "update event set particulars = null, salt = null, previous = {}, hash = {}
                 where account_id = {{account}} and id = {}",
                self.bytes(&plain.previous),
                self.bytes(&plain.hash),
                plain.number
            );
            self.tamper(account, &sql);
            head = plain.head();
        }
    }

    async fn erase(&self, account: AccountId) -> Erasing {
        let random = SeededRandom::new(7);
        checkpoints::erase(self.store.as_ref(), &Key, &random, (NOW, account)).await.expect("erase")
    }

    /// How many entries told of somebody, and how many were chained anew.
    async fn erases(&self, account: AccountId) -> (u64, u64) {
        match self.erase(account).await {
            Erasing::Done { erasure, entries } => (entries, erasure.chained_anew),
            other => panic!("something should be erased, not {other:?}"),
        }
    }

    async fn finds_first(&self, finding: Finding) {
        assert_eq!(self.verified().await.findings.first(), Some(&finding));
    }

    async fn finds(&self, finding: Finding) {
        let findings = self.verified().await.findings;
        assert!(findings.contains(&finding), "{findings:?}");
    }
}

fn entry(account: AccountId, number: u64, flaw: EntryFlaw) -> Finding {
    Finding::Entry { account, number, flaw }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tells_of_a_person_is_erased_and_the_chain_still_verifies() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        let before = ledger.is_sound().await;
        assert_eq!(ledger.erases(ANN).await, (10, 0));
        let chain = ledger.chain(ANN).await;
        assert!(chain.iter().all(Entry::tells_of_nobody));
        assert_eq!(chain.len(), 11, "the last says that it was done");
        assert_eq!(chain[10].event.kind, EventKind::AccountErased);
        let report = ledger.is_sound().await;
        assert_eq!(report.newest, before.newest, "no root is another one");
        assert_eq!((report.erased, report.erasure.map(|erasure| erasure.number)), (10, Some(1)));
        assert!(ledger.chain(BEN).await.iter().all(|entry| entry.event.ip.is_some()));
        assert_eq!(ledger.erase(ANN).await, Erasing::NothingLeft, "once");
        assert_eq!(ledger.erase(AccountId(Uuid::from_u128(9))).await, Erasing::NothingLeft);

        // What is written afterwards is erased by the next.
        ledger.record(ANN, NOW, FIREFOX).await;
        ledger.covered(NOW.plus(DAY)).await;
        assert_eq!(ledger.erases(ANN).await, (1, 0));
        ledger.is_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_an_earlier_build_are_chained_anew_under_a_checkpoint() {
    for ledger in ledgers().await {
        ledger.of_an_earlier_build(ANN).await;
        ledger.covered(NOW).await;
        let old = ledger.is_sound().await.newest.expect("a checkpoint");
        // Newer entries stand behind the older ones.
        ledger.record(ANN, NOW, FIREFOX).await;
        ledger.record(BEN, NOW, FIREFOX).await;
        let old_head = ledger.chain(ANN).await[10].hash;
        assert_eq!(ledger.erases(ANN).await, (11, 11));
        let report = ledger.is_sound().await;
        let (new, erasure) = (report.newest.expect("a checkpoint"), report.erasure.expect("an erasure"));
        assert_eq!((new.number, new.before, new.entries), (2, old.before, old.entries));
        assert_eq!((new.previous, erasure.checkpoint, erasure.old_head), (old.tag, 2, old_head));
        assert_ne!(new.root, old.root);
        assert!(ledger.chain(ANN).await.iter().all(Entry::tells_of_nobody));
        // It goes on.
        ledger.covered(NOW.plus(DAY)).await;
        ledger.is_sound().await;
        assert_eq!(ledger.erase(ANN).await, Erasing::NothingLeft, "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_build_adds_to_a_newer_chain_verifies_and_is_erased() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        assert_eq!(ledger.erases(ANN).await, (10, 0));
        ledger.record(ANN, NOW.plus(DAY), FIREFOX).await;
        let last = ledger.chain(ANN).await[11].clone();
        let plain = Entry::chained(12, last.event.clone(), last.previous, None);
        let hash = ledger.bytes(&plain.hash);
        ledger.tamper(
            ANN,
            &format!("update event set particulars = null, salt = null, hash = {hash} where account_id = {{account}} and id = 12"),
        );
        ledger.covered(NOW.plus(DAY * 2)).await;
        ledger.is_sound().await;
        assert_eq!(ledger.erases(ANN).await, (1, 1));
        ledger.is_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_entry_is_named_after_an_erasure() {
    for is_earlier in [false, true] {
        for ledger in ledgers().await {
            if is_earlier {
                ledger.of_an_earlier_build(ANN).await;
            }
            ledger.covered(NOW).await;
            ledger.erases(ANN).await;
            ledger.tamper(
                BEN,
                "update event set note = 'nothing to see' where account_id = {account} and id = 4",
            );
            ledger.finds_first(entry(BEN, 4, EntryFlaw::Altered)).await;
            ledger
                .tamper(ANN, "update event set ip = '198.51.100.7' where account_id = {account} and id = 6");
            ledger.finds_first(entry(ANN, 6, EntryFlaw::Altered)).await;
            ledger.tamper(
                ANN,
                "update event set kind = 'account_enabled' where account_id = {account} and id = 5",
            );
            ledger.finds_first(entry(ANN, 5, EntryFlaw::Altered)).await;
            ledger.tamper(ANN, "delete from event where account_id = {account} and id = 3");
            ledger.finds_first(entry(ANN, 3, EntryFlaw::Missing)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_removes_an_address_cannot_say_that_it_was_an_erasure() {
    const ROB: &str = "update event set ip = null, user_agent = null, note = null, salt = null
                       where account_id = {account} and id = 7";
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        ledger.tamper(BEN, ROB);
        ledger.finds_first(entry(BEN, 7, EntryFlaw::Erased)).await;
        let broken = Erasing::Broken(entry(BEN, 8, EntryFlaw::Altered));
        ledger.tamper(BEN, "update event set note = 'x' where account_id = {account} and id = 8");
        assert_eq!(ledger.erase(BEN).await, broken, "and nothing is erased over it");
        // Somebody else's erasure does not account for it, nor does one that nobody made.
        ledger.erases(ANN).await;
        ledger.finds_first(entry(BEN, 7, EntryFlaw::Erased)).await;
        ledger.tamper(ANN, &format!("update journal_erasure set account_id = {}", ledger.id(BEN)));
        ledger.finds_first(Finding::Erasure { number: 1, flaw: ErasureFlaw::Forged }).await;
        ledger.tamper(ANN, "delete from journal_erasure");
        ledger.finds_first(entry(ANN, 1, EntryFlaw::Erased)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_a_chain_anew_cannot_say_that_it_was_an_erasure() {
    for ledger in ledgers().await {
        ledger.of_an_earlier_build(ANN).await;
        ledger.covered(NOW).await;
        ledger.erases(ANN).await;
        ledger.tamper(ANN, "delete from journal_erasure");
        let findings = ledger.verified().await.findings;
        let unaccounted = Finding::Checkpoint { number: 2, flaw: CheckpointFlaw::Unaccounted };
        assert_eq!(findings[..2], [unaccounted, entry(ANN, 1, EntryFlaw::Erased)]);

        // A chain that is written anew without the key contradicts the checkpoint, and nothing is erased over it.
        ledger.of_an_earlier_build(BEN).await;
        ledger.finds(Finding::Checkpoint { number: 2, flaw: CheckpointFlaw::Rewritten }).await;
        let erasing = ledger.erase(BEN).await;
        let rewritten = Finding::Checkpoint { number: 2, flaw: CheckpointFlaw::Rewritten };
        assert_eq!(erasing, Erasing::Broken(rewritten));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_and_cutting_go_together_in_either_order_and_tampering_shows() {
    for is_earlier in [false, true] {
        for is_erased_first in [false, true] {
            for ledger in ledgers().await {
                if is_earlier {
                    ledger.of_an_earlier_build(ANN).await;
                }
                ledger.covered(NOW).await;
                if is_erased_first {
                    ledger.erases(ANN).await;
                }
                assert!(matches!(ledger.cut(NOW, DAY * 5).await, Cutting::Done { .. }));
                if !is_erased_first {
                    ledger.erases(ANN).await;
                }
                let report = ledger.is_sound().await;
                assert!(report.cut.is_some() && report.erasure.is_some());
                // Another cut, and the journal goes on.
                ledger.record(ANN, NOW, FIREFOX).await;
                ledger.record(BEN, NOW, FIREFOX).await;
                ledger.covered(NOW.plus(DAY)).await;
                assert!(matches!(ledger.cut(NOW.plus(DAY), DAY * 3).await, Cutting::Done { .. }));
                ledger.is_sound().await;
                let first = ledger.chain(ANN).await[0].number + 1;
                ledger.tamper(
                    ANN,
                    &format!("update event set at = at + 1 where account_id = {{account}} and id = {first}"),
                );
                ledger.finds_first(entry(ANN, first, EntryFlaw::Altered)).await;
            }
        }
    }
}
