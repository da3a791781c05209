//! A dry run, which writes nothing that lasts.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use sprag::access::Algorithm;
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{ClientPolicy, Imported, Limits, NameKept};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::random::SystemRandom;
use sprag::store::sqlite::{self, SqliteStore};
use sprag::{Engine, Fault};
use tempfile::TempDir;

use super::{OneImport, Row};

/// A dry run: the store is asked what it would say, and what it would take goes into a store that is thrown away, so
/// that lines which clash with each other are found by what finds them in earnest. No password hash goes there: a process
/// that is killed leaves its files behind.
pub struct Trial {
    /// The store that would be written to, if there is one yet.
    pub(super) asked: Option<Arc<Engine>>,
    pub(super) scratch: Engine,
    #[cfg_attr(not(test), expect(dead_code, reason = "it lasts as long as this does"))]
    folder: TempDir,
}

/// Only its owner looks into the folder of a dry run.
const FOLDER_MODE: u32 = 0o700;

/// Nothing there must be fast, and the folder for temporary files may be in memory.
const SCRATCH_LOG_KIB: u32 = 8 * 1024;

impl Trial {
    /// A trial beside the store that would be written to.
    ///
    /// # Errors
    /// No store can be made in the folder for temporary files.
    pub fn beside(asked: Option<Arc<Engine>>, limits: Limits) -> anyhow::Result<Self> {
        const DOING: &str = "could not make a store for the dry run in the folder for temporary files";
        let mode = Permissions::from_mode(FOLDER_MODE);
        let folder = tempfile::Builder::new().prefix("sprag-dry-run-").permissions(mode).tempdir();
        let folder = folder.context(DOING)?;
        let path = folder.path().join("scratch.db");
        SqliteStore::migrate(&path).context(DOING)?;
        let settings = sqlite::Settings {
            checkpoint_every_kib: SCRATCH_LOG_KIB / 2,
            log_limit_kib: SCRATCH_LOG_KIB,
            ..sqlite::Settings::default()
        };
        let store = SqliteStore::open(&path, settings).context(DOING)?;
        let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now())?;
        let scratch = Engine::builder(Arc::new(store)).keys(keys).issuer("").hasher(Hasher::start(1, 1)?);
        let scratch = scratch.limits(limits).build()?;
        Ok(Self { asked, scratch, folder })
    }

    /// What becomes of a row, as the store that is asked says; and where it would be taken, whether another row of the
    /// source has been in its way.
    pub(super) async fn take(
        &self,
        row: &Row,
        import: &OneImport,
        client: &ClientPolicy,
    ) -> Result<Imported, Fault> {
        let (said, kept) = apart(self.ask(row, import, client).await?);
        let (outcome, more) = apart(self.take_after((said, &kept), row, import, client).await?);
        let more = more.into_iter().filter(|name| kept.iter().all(|known| known.told_as != name.told_as));
        let kept: Vec<_> = kept.iter().cloned().chain(more).collect();
        let is_taken = !kept.is_empty() && !matches!(outcome, Imported::Refused(_) | Imported::Over(_));
        Ok(if is_taken { Imported::WithoutName(Box::new(outcome), kept) } else { outcome })
    }

    async fn take_after(
        &self,
        (said, kept): (Imported, &[NameKept]),
        row: &Row,
        import: &OneImport,
        client: &ClientPolicy,
    ) -> Result<Imported, Fault> {
        match said {
            said @ (Imported::New | Imported::WithoutPassword(_)) => {
                row.prepare(self, client).await?;
                let row = row.without_password().leaving(kept);
                let (taken, kept) = apart(row.import(&self.scratch, import, client).await?);
                let outcome = match (taken, said) {
                    (Imported::New, said) => said,
                    (Imported::AlreadyThere, Imported::WithoutPassword(why)) => {
                        Imported::StillWithoutPassword(why)
                    }
                    (taken, _) => taken,
                };
                Ok(if kept.is_empty() { outcome } else { Imported::WithoutName(Box::new(outcome), kept) })
            }
            // A session that is over ends what another row of the source would have brought. A user who was deleted here is
            // not taken in, and is in nobody's way.
            Imported::Over(why) if matches!(row, Row::Session(_)) => {
                let taken = row.import(&self.scratch, import, client).await?;
                Ok(if matches!(taken, Imported::Changed(_)) { taken } else { Imported::Over(why) })
            }
            said => Ok(said),
        }
    }

    async fn ask(&self, row: &Row, import: &OneImport, client: &ClientPolicy) -> Result<Imported, Fault> {
        let Some(asked) = &self.asked else {
            let said = row.preview(&self.scratch, import, client).await?;
            // Nobody has a hash there that could be another.
            let (said, kept) = apart(said);
            let is_about_hash = matches!(said, Imported::Changed(_));
            let said = if kept.is_empty() { said } else { Imported::WithoutName(Box::new(said), kept) };
            return if is_about_hash {
                row.without_password().preview(&self.scratch, import, client).await
            } else {
                Ok(said)
            };
        };
        row.preview(asked, import, client).await
    }
}

/// An outcome, and the names that its user has to do without.
fn apart(outcome: Imported) -> (Imported, Vec<NameKept>) {
    match outcome {
        Imported::WithoutName(outcome, kept) => (*outcome, kept),
        outcome => (outcome, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use sprag::engine::Requester;
    use sprag::session::ProfileId;

    use super::super::{Mode, Taker};
    use super::*;
    use crate::shape::{ImportColumn, ImportField, ImportKind, TableShape};

    const LIMITS: Limits = Limits { sessions_per_account: 10 };
    const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

    fn taker(mode: Mode) -> Taker {
        let column = |(field, name)| ImportColumn::parse(field, name).unwrap();
        let columns = [
            (ImportField::ExternalId, "id"),
            (ImportField::Username, "name"),
            (ImportField::PasswordHash, "hash"),
        ];
        let shape = columns.map(column).into_iter().fold(TableShape::default(), TableShape::with);
        let client = ClientPolicy::new(ProfileId(1000), "x");
        Taker::of(ImportKind::Users, mode, shape, client)
    }

    async fn take_by(taker: &Taker, id: u32, name: &str, hash: &str) -> Imported {
        let record = json!({ "id": id, "name": name, "hash": hash });
        taker.take(record.as_object().unwrap()).await.unwrap().outcome.unwrap()
    }

    /// Whether a text stands in a file of a folder.
    fn holds(folder: &Path, text: &str) -> bool {
        let mut files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        files.any(|file| file.windows(text.len()).any(|at| at == text.as_bytes()))
    }

    #[tokio::test]
    async fn a_user_who_was_deleted_here_kept_a_name_from_others_in_a_dry_run_and_left_a_hash_in_its_files() {
        let Trial { scratch: engine, folder: _kept, .. } = Trial::beside(None, LIMITS).unwrap();
        let engine = Arc::new(engine);
        let real = taker(Mode::Real(Arc::clone(&engine)));
        assert_eq!(take_by(&real, 1, "annabel", HASH).await, Imported::New);
        let account = engine.accounts().find("annabel").await.unwrap().id;
        engine.accounts().delete(account, &Requester::nobody()).await.unwrap();

        let trial = Trial::beside(Some(engine), LIMITS).unwrap();
        let folder = trial.folder.path().to_owned();
        let dry = taker(Mode::Trial(Box::new(trial)));
        for taker in [&dry, &real] {
            let deleted = take_by(taker, 1, "annabel", HASH).await;
            assert!(matches!(deleted, Imported::Over(_)), "{deleted:?}");
            assert_eq!(take_by(taker, 2, "annabel", HASH).await, Imported::New, "the name is free");
        }
        assert!(holds(&folder, "annabel") && !holds(&folder, HASH));
    }

    #[tokio::test]
    async fn a_dry_run_leaves_no_hash_in_its_files() {
        let trial = Trial::beside(None, LIMITS).unwrap();
        let folder = trial.folder.path().to_owned();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, FOLDER_MODE);
        let taker = taker(Mode::Trial(Box::new(trial)));
        let take = async |id, name: &str, hash: &str| take_by(&taker, id, name, hash).await;
        assert_eq!(take(1, "annabel", HASH).await, Imported::New);
        assert_eq!(take(1, "annabel", HASH).await, Imported::AlreadyThere);
        let namesake = take(2, "annabel", HASH).await;
        assert!(matches!(namesake, Imported::Refused(_)), "{namesake:?}");
        let bad = take(3, "bartholomew", "plain-text-of-his").await;
        assert!(matches!(bad, Imported::WithoutPassword(_)), "{bad:?}");
        let again = take(3, "bartholomew", "plain-text-of-his").await;
        assert!(matches!(again, Imported::StillWithoutPassword(_)), "{again:?}");
        assert!(holds(&folder, "annabel"), "these are the files of the scratch store");
        assert!(!holds(&folder, HASH) && !holds(&folder, "plain-text-of-his"));
        drop(taker);
        assert!(!folder.exists());
    }
}
