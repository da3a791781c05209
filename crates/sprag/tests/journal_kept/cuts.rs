//! A journal whose oldest entries were cut off still shows tampering.

use std::time::Duration;

use sprag::audit::{Cover, Entry};
use sprag::checkpoints::{self, CheckpointFlaw, CutFlaw, Cutting, EntryFlaw, Finding};
use sprag::clock::Timestamp;
use sprag::session::AccountId;
use sprag::store::Slice;
use uuid::Uuid;

use crate::ledger::{ANN, BEN, DAY, Key, Ledger, NOW};

const CAT: AccountId = AccountId(Uuid::from_u128(3));
const DAN: AccountId = AccountId(Uuid::from_u128(4));

/// Journals of three people over ten days: each day an entry of Ann's and three of Ben's; Cat had two on the first day, and none
/// since.
async fn ledgers() -> Vec<Ledger> {
    let each = Ledger::on_each_store().await;
    for ledger in &each {
        for day in 0..10 {
            let at = NOW.minus(DAY * (10 - day));
            for account in [ANN, BEN, BEN, BEN] {
                ledger.record(account, at, None).await;
            }
            if day < 1 {
                ledger.record(CAT, at, None).await;
                ledger.record(CAT, at, None).await;
            }
        }
    }
    each
}

impl Ledger {
    /// How many were removed.
    async fn removes(&self, now: Timestamp, keep: Duration) -> u64 {
        match self.cut(now, keep).await {
            Cutting::Done { removed, .. } => removed,
            other => panic!("something should be cut, not {other:?}"),
        }
    }

    async fn numbers(&self, account: AccountId) -> Vec<u64> {
        self.chain(account).await.iter().map(|entry| entry.number).collect()
    }

    /// Undoes one removal.
    fn put_back(&self, entry: &Entry) {
        let Cover::Salted { mac, salt: Some(salt) } = entry.cover else { panic!("it is under a salt") };
        let sql = format!(
            "insert into event (account_id, id, at, kind, ip, note, previous, hash, particulars, salt)
             values ({{account}}, {}, {}, 'login_failed', '192.0.2.1', 'wrong password', {}, {}, {}, {})",
            entry.number,
            entry.event.at.0,
            self.bytes(&entry.previous),
            self.bytes(&entry.hash),
            self.bytes(&mac),
            self.bytes(&salt)
        );
        self.tamper(entry.event.account, &sql);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_cut_is_sound_and_says_what_it_lost() {
    for ledger in ledgers().await {
        assert_eq!(ledger.cut(NOW, DAY).await, Cutting::NothingOldEnough, "no checkpoint covers it yet");
        ledger.covered(NOW).await;
        assert_eq!(ledger.cut(NOW, DAY * 30).await, Cutting::NothingOldEnough);

        assert_eq!(ledger.removes(NOW, DAY * 5).await, 5 + 15 + 1);
        assert_eq!(ledger.numbers(ANN).await, [6, 7, 8, 9, 10]);
        assert_eq!(ledger.numbers(BEN).await, (16..=30).collect::<Vec<_>>());
        assert_eq!(ledger.numbers(CAT).await, [2], "by the last that was covered its checkpoint is verified");
        let report = ledger.is_sound().await;
        let cut = report.cut.expect("it says so");
        assert_eq!((cut.number, cut.chains, cut.entries, cut.at), (1, 3, 21, NOW));
        let newest = NOW.minus(DAY);
        assert_eq!(cut.before, newest.minus(DAY * 5).plus(Duration::from_millis(1)));
        assert_eq!(ledger.cut(NOW, DAY * 5).await, Cutting::NothingOldEnough, "once");
        let years_ahead = NOW.plus(DAY * 5000);
        assert_eq!(
            ledger.cut(years_ahead, DAY * 5).await,
            Cutting::NothingOldEnough,
            "whatever a clock says"
        );

        // It goes on: new entries, new people, new checkpoints, further cuts.
        let later = NOW.plus(DAY);
        for account in [ANN, CAT, DAN] {
            ledger.record(account, NOW, None).await;
        }
        ledger.covered(later).await;
        ledger.is_sound().await;
        assert_eq!(ledger.removes(later, DAY * 2).await, 4 + 12 + 1, "Cat's last is younger by now");
        let report = ledger.is_sound().await;
        assert_eq!(report.cut.map(|cut| (cut.number, cut.chains, cut.entries)), Some((2, 3, 21 + 17)));
        assert_eq!(ledger.removes(later, Duration::ZERO).await, 1 + 2, "but for the last of each");
        ledger.is_sound().await;
        let entries = ledger.store.entries(Slice::first(100)).await.unwrap();
        assert_eq!(entries.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_removed_one_more_entry_said_that_it_was_retention() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        ledger.removes(NOW, DAY * 5).await;
        ledger.tamper(BEN, "delete from event where account_id = {account} and id <= 16");
        let flaw = CutFlaw::Differs { told: 21, gone: 22 };
        let cut = Finding::Cut { number: 1, flaw };
        assert_eq!(ledger.verified().await.findings, [cut]);
        let later = NOW.plus(DAY);
        assert_eq!(ledger.cut(later, DAY).await, Cutting::Broken(flaw), "and nothing is cut after it");

        ledger.tamper(ANN, "delete from event where account_id = {account}");
        let findings = ledger.verified().await.findings;
        assert!(
            findings.contains(&Finding::Checkpoint {
                number: 1,
                flaw: CheckpointFlaw::ChainsLost { covered: 3, found: 2 }
            }),
            "{findings:?}"
        );
        let cut =
            checkpoints::cut_what_is_covered(ledger.store.as_ref(), &Key, (later, DAY), |_| async {}).await;
        assert!(cut.unwrap().is_err(), "nothing is cut from a journal that lost what a checkpoint covers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_altered_or_taken_out_behind_a_cut_is_named() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        ledger.removes(NOW, DAY * 5).await;
        ledger
            .tamper(BEN, "update event set note = 'nothing to see' where account_id = {account} and id = 20");
        let entry = |account, number, flaw| Finding::Entry { account, number, flaw };
        assert_eq!(ledger.verified().await.findings, [entry(BEN, 20, EntryFlaw::Altered)]);
        ledger.tamper(ANN, "delete from event where account_id = {account} and id = 8");
        let findings = ledger.verified().await.findings;
        assert_eq!(findings[..2], [entry(ANN, 8, EntryFlaw::Missing), entry(BEN, 20, EntryFlaw::Altered)]);
        // The first that is left names the last that is gone, and its own hash covers that.
        ledger.tamper(ANN, "update event set note = 'x' where account_id = {account} and id = 6");
        assert_eq!(ledger.verified().await.findings[0], entry(ANN, 6, EntryFlaw::Altered));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_nobody_made_is_forged_and_one_taken_away_leaves_entries_missing() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        ledger.removes(NOW, DAY * 5).await;
        let later = NOW.plus(DAY);
        ledger.record(ANN, NOW, None).await;
        ledger.covered(later).await;
        ledger.removes(later, DAY * 4).await;
        ledger.is_sound().await;
        ledger.tamper(ANN, "update journal_cut set entries = entries + 1 where number = 2");
        let forged = Finding::Cut { number: 2, flaw: CutFlaw::Forged };
        assert_eq!(ledger.verified().await.findings[0], forged);
        assert_eq!(ledger.cut(later, DAY * 4).await, Cutting::Broken(CutFlaw::Forged));
        ledger.tamper(ANN, "delete from journal_cut where number = 2");
        let findings = ledger.verified().await.findings;
        assert!(
            matches!(findings[..], [Finding::Cut { number: 1, flaw: CutFlaw::Differs { .. } }]),
            "{findings:?}"
        );
        ledger.tamper(ANN, "delete from journal_cut");
        let findings = ledger.verified().await.findings;
        let missing = |account| Finding::Entry { account, number: 1, flaw: EntryFlaw::Missing };
        assert_eq!(findings[..3], [ANN, BEN, CAT].map(missing));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_was_interrupted_is_sound_half_way_and_is_finished_by_the_next() {
    for ledger in ledgers().await {
        ledger.covered(NOW).await;
        ledger.removes(NOW, DAY * 8).await;
        let later = NOW.plus(DAY);
        ledger.record(DAN, NOW, None).await;
        ledger.covered(later).await;
        let before = ledger.store.entries(Slice::first(100)).await.unwrap();
        let removed = ledger.removes(later, DAY * 4).await;
        assert_eq!(removed, 5 + 15);
        let after = ledger.store.entries(Slice::first(100)).await.unwrap();
        // Put back one by one, the last that was removed first: each state is one that the cut went through.
        for entry in before.iter().rev().filter(|entry| !after.contains(entry)) {
            ledger.put_back(entry);
            ledger.is_sound().await;
        }
        assert_eq!(ledger.store.entries(Slice::first(100)).await.unwrap(), before);
        assert_eq!(ledger.removes(later, DAY * 4).await, removed);
        ledger.is_sound().await;
        assert_eq!(ledger.store.entries(Slice::first(100)).await.unwrap(), after);
    }
}
