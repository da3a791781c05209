//! The key ring's file: made once, readable by its owner only, replaced as a whole, read again when it changes.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::files::{self, FileFault};
use sprag::keys::KeyRing;
use sprag::random::{self, Random};

pub use sprag::files::{Stamp, stamp};

use crate::config::{Config, Origin};

/// How long an API may keep the public keys it has fetched (`Cache-Control` of `/.well-known/jwks.json`): only then
/// may a new key sign.
pub const KEYS_ARE_FETCHED_AFTER: Duration = Duration::from_secs(300);

/// More than a ring with all the keys that it can have.
const MAX_RING_KIB: u64 = 256;

/// Where this server's key ring comes from.
#[derive(Clone, Debug)]
pub enum RingSource {
    /// The file in the data directory, which is made where there is none.
    File(PathBuf),
    /// A file that SPRAG_KEY_RING_FILE names, and that somebody else has made.
    Named(PathBuf),
    /// A text, read once, at start; and where it stands.
    Given(String),
}

/// Where the ring is, as a sentence goes on after "the key ring".
impl fmt::Display for RingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Named(path) => write!(f, "at {}", path.display()),
            Self::Given(place) => write!(f, "in {place}"),
        }
    }
}

impl RingSource {
    /// Where `config` says that the ring comes from.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        match config.origin("key-ring") {
            // What is no file, but a pipe, was read and says nothing any more.
            Origin::SecretFile { path, .. } if !path.is_file() => Self::Given(path.display().to_string()),
            Origin::SecretFile { path, .. } => Self::Named(path.clone()),
            Origin::Credential { path } => Self::Given(format!("the credential {}", path.display())),
            Origin::Environment(name) | Origin::Dotenv { name, .. } => Self::Given(name.clone()),
            Origin::Default | Origin::Flag(_) | Origin::File { .. } => {
                Self::File(config.store.data_dir.join("keys.json"))
            }
        }
    }

    /// The file that is read again when it changes.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Named(path) => Some(path),
            Self::Given(_) => None,
        }
    }

    /// Whether there is none yet, where one can be made.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        // A link to nothing is no sign that there never was one.
        matches!(self, Self::File(path) if is_nothing(path))
    }

    /// Reads the ring, or makes one where there is none.
    ///
    /// # Errors
    /// The file or the text is no ring, others may read the file, or the secret that was given is weak.
    pub fn load(&self, config: &Config, random: &dyn Random, now: Timestamp) -> anyhow::Result<KeyRing> {
        if let Self::File(path) = self {
            make_dir(&config.store.data_dir)?;
            if self.is_missing() {
                let ring = KeyRing::generate(config.tokens.signing_algorithm, random, now)?;
                create(path, &ring, random)?;
            }
        }
        self.read(config)
    }

    /// The ring as a server signs with it: where another algorithm is asked for than the ring will sign with, a key of it is
    /// added, which signs once every API has had time to fetch it.
    ///
    /// # Errors
    /// The file cannot be replaced, or the ring is not ours to change.
    pub fn settle_algorithm(
        &self,
        ring: KeyRing,
        config: &Config,
        random: &dyn Random,
        now: Timestamp,
    ) -> anyhow::Result<KeyRing> {
        let wanted = config.tokens.signing_algorithm;
        // A shared secret is published nowhere, so there is nothing to wait for.
        let is_published = wanted != Algorithm::Hs256;
        let fetched = if is_published { now.plus(KEYS_ARE_FETCHED_AFTER) } else { now };
        let signs = ring.algorithm(fetched);
        if signs == wanted {
            return Ok(ring);
        }
        match self {
            Self::File(path) => {
                let add = |ring: &mut KeyRing| drop(ring.add_access(wanted, random, now, fetched));
                change(path, &config.store.data_dir, add, random).with_context(|| {
                    format!(
                        "the key ring {self} signs with {signs}, and no key for {wanted} could be added to it; set \
                         {}, or have whom the ring belongs to run: sprag key rotate --access \
                         --signing-algorithm {wanted}",
                        config.to_be("signing-algorithm", signs)
                    )
                })?;
                let seconds = fetched.millis_since(now) / 1000;
                tracing::info!("a key for {wanted} was added to the key ring; it signs in {seconds} s");
                self.read(config)
            }
            Self::Named(_) | Self::Given(_) => bail!(
                "the key ring {self} signs with {signs}, not {wanted}; add a key of that algorithm to it, or set {}",
                config.to_be("signing-algorithm", signs)
            ),
        }
    }

    /// What a command says where its settings differ from the ring beside it. It only looks: a key of its own would be what
    /// the server signs with.
    pub fn tell_difference(&self, ring: &KeyRing, config: &Config, now: Timestamp) {
        let asked = config.tokens.signing_algorithm;
        let signs = ring.algorithm(now.plus(KEYS_ARE_FETCHED_AFTER));
        if signs == asked {
            return;
        }
        let origin = config.origin("signing-algorithm");
        tracing::warn!(
            "the key ring {self} signs with {signs}, and signing-algorithm is {asked} here ({origin}); no key was changed, for \
             only the server and `sprag key` do that; give this command the settings of the server, or at least {}",
            config.to_be("signing-algorithm", signs)
        );
    }

    /// Reads the ring as it is, with the secret that was given.
    ///
    /// # Errors
    /// The file or the text is no ring, others may read the file, or the secret that was given is weak.
    pub fn read(&self, config: &Config) -> anyhow::Result<KeyRing> {
        let mut ring = match (self, &config.tokens.key_ring) {
            (Self::File(path) | Self::Named(path), _) => read(path, &config.store.data_dir)?,
            (Self::Given(_), Some(text)) => KeyRing::from_json(text.expose())
                .with_context(|| format!("could not read the key ring {self}"))?,
            (Self::Given(_), None) => {
                bail!("no key ring was given; set SPRAG_KEY_RING, or unset it to use the file")
            }
        };
        if let Some(secret) = &config.tokens.hs256_secret {
            ring.with_hs256_secret(secret.expose().as_bytes())?;
        }
        Ok(ring)
    }
}

/// Makes the data directory, for its owner only.
///
/// # Errors
/// The system refuses it.
pub fn make_dir(dir: &Path) -> anyhow::Result<()> {
    files::make_folders(dir).with_context(|| format!("could not make the data directory {}", dir.display()))
}

/// Reads the ring's file; `data_dir` is the service's.
///
/// # Errors
/// It is not there or cannot be read, others may read it too, or it is no ring.
pub fn read(path: &Path, data_dir: &Path) -> anyhow::Result<KeyRing> {
    let shown = path.display();
    if is_nothing(path) {
        bail!(
            "there is no key ring at {shown}; name its folder with --data-dir; the first `sprag serve` makes one"
        );
    }
    let reading = || format!("could not read the key ring in {shown}");
    let about = files::open(path).and_then(|file| Ok(file.metadata()?));
    if let (Err(FileFault::Forbidden), Some(whose)) = (&about, whose(path)) {
        bail!("could not read the key ring in {shown}: {whose}");
    }
    let about = about.with_context(reading)?;
    if about.mode() & 0o077 != 0 && !files::is_for_our_group(&about, &[files::folder_of(path), data_dir]) {
        bail!(
            "{shown} holds keys and others may read it (mode {:o}, group {}); run: chmod 600 {shown}. One that is mounted may \
             have mode 0440 and a group that the server is in",
            about.mode() & 0o777,
            about.gid()
        );
    }
    let text = files::read_text(path, MAX_RING_KIB).with_context(reading)?;
    if text.trim().is_empty() {
        return Err(FileFault::Empty).with_context(reading);
    }
    KeyRing::from_json(&text).with_context(|| {
        format!("could not read the key ring in {shown}; if it is cut short or changed, restore it from its backup")
    })
}

/// What is said of a ring that this process may not read: often it is root's, who has copied it here.
fn whose(path: &Path) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    let user = rustix::process::geteuid().as_raw();
    Some(format!(
        "it belongs to user {} and group {} (mode {:o}), and this is user {user}; run this as that user, or, if the server is \
         user {user}, give it the file: chown {user} {}",
        about.uid(),
        about.gid(),
        about.mode() & 0o777,
        path.display()
    ))
}

/// Whether nothing has that name, not even a link to nothing.
fn is_nothing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Changes the ring under a lock, so that two commands at once lose nothing, and puts it back as a whole; `data_dir` is the
/// service's.
///
/// # Errors
/// The file cannot be read, locked or replaced; then it is as it was.
pub fn change<T>(
    path: &Path,
    data_dir: &Path,
    change: impl FnOnce(&mut KeyRing) -> T,
    random: &dyn Random,
) -> anyhow::Result<(KeyRing, T)> {
    // What a link leads to may be what several nodes share: then they share the lock, too.
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock_path = whole.with_extension("lock");
    let lock = files::open_lock(&lock_path, &[&whole]);
    let lock = lock.with_context(|| {
        format!(
            "could not open {}; where the key ring is mounted and may not be written, change a copy of it elsewhere, with \
             --data-dir on its folder, and put that in its place where it is mounted from",
            lock_path.display()
        )
    })?;
    lock.lock().with_context(|| format!("could not lock {}", lock_path.display()))?;
    let mut ring = read(path, data_dir)?;
    let outcome = change(&mut ring);
    let replaced = files::replace(path, &draft(random), ring.to_json().as_bytes());
    replaced.with_context(|| format!("could not replace {}, which is as it was", path.display()))?;
    settle(&whole)?;
    Ok((ring, outcome))
}

/// Makes the file unless somebody else just did: then theirs counts.
fn create(path: &Path, ring: &KeyRing, random: &dyn Random) -> anyhow::Result<()> {
    let draft = write_draft(path, ring, random)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).with_context(|| format!("could not remove {}", draft.display()))?;
    match linked {
        Ok(()) => settle(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not make the key ring {}", path.display())),
    }
}

fn write_draft(path: &Path, ring: &KeyRing, random: &dyn Random) -> anyhow::Result<PathBuf> {
    let draft = path.with_extension(draft(random));
    let written = files::make(&draft, &[]).and_then(|mut file: File| {
        file.write_all(ring.to_json().as_bytes())?;
        file.sync_all()
    });
    if let Err(error) = written {
        // Half a ring is of use to nobody but a thief.
        let _ = fs::remove_file(&draft);
        return Err(error).with_context(|| format!("could not write the key ring to {}", draft.display()));
    }
    Ok(draft)
}

/// What a ring's file ends in before it has its name: of two at once each has its own.
fn draft(random: &dyn Random) -> String {
    format!("{:016x}", u64::from_be_bytes(random::bytes(random)))
}

/// A key ring that is lost logs everyone out: the folder's entry must reach the disk too.
fn settle(path: &Path) -> anyhow::Result<()> {
    let folder = files::folder_of(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("could not make sure that {} is on the disk", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sprag::random::SeededRandom;

    use super::*;

    #[test]
    fn the_file_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let random = SeededRandom::new(1);
        let ring = || KeyRing::generate(Algorithm::EdDsa, &random, Timestamp(0)).unwrap();
        create(&path, &ring(), &random).unwrap();
        let first = fs::read(&path).unwrap();
        create(&path, &ring(), &random).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first, "the second to come uses the first one's ring");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left over");
    }

    #[test]
    fn a_ring_that_others_may_read_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let random = SeededRandom::new(1);
        create(&path, &KeyRing::generate(Algorithm::EdDsa, &random, Timestamp(0)).unwrap(), &random).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path, dir.path()).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_change_replaces_the_file_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let random = SeededRandom::new(1);
        create(&path, &KeyRing::generate(Algorithm::EdDsa, &random, Timestamp(0)).unwrap(), &random).unwrap();
        let before = stamp(&path).unwrap();
        let (ring, id) =
            change(&path, dir.path(), |ring| ring.add_refresh(&random, Timestamp(1), Timestamp(2)), &random)
                .unwrap();
        assert_eq!(id, 2);
        assert_eq!(read(&path, dir.path()).unwrap().entries(), ring.entries());
        assert_ne!(stamp(&path).unwrap(), before);
    }
}
