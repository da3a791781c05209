//! Names that nobody registers: those that people would take for the service's own, and addresses that are thrown away.
//!
//! Whoever administers gives any name; only who comes without having been asked is held to these.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use sprag::Refusal;
use sprag::account::Name;

const RESERVED: &str = include_str!("../lists/reserved-names.txt");
const DISPOSABLE: &str = include_str!("../lists/disposable-domains.txt");

/// The largest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 8 * 1024 * 1024;

/// Where a list stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ListFile {
    /// In this build.
    #[default]
    Own,
    /// Nowhere: there is none.
    None,
    /// In a file.
    File(PathBuf),
}

/// Names that nobody registers.
#[derive(Clone, Debug)]
pub struct NameLists {
    /// In their normal form.
    reserved: HashSet<String>,
    /// In lower case.
    disposable: HashSet<String>,
}

impl Default for NameLists {
    /// The lists that this build brings.
    fn default() -> Self {
        Self { reserved: names(RESERVED), disposable: domains(DISPOSABLE) }
    }
}

impl NameLists {
    /// The lists that stand there.
    ///
    /// # Errors
    /// A file cannot be read, or is none; the message names it.
    pub fn load(reserved: &ListFile, disposable: &ListFile) -> anyhow::Result<Self> {
        let (reserved, disposable) = (text(reserved, RESERVED)?, text(disposable, DISPOSABLE)?);
        Ok(Self { reserved: names(&reserved), disposable: domains(&disposable) })
    }

    /// Lets through a user name and an address that whoever comes may register, both as typed.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`], which says what to choose instead.
    pub fn expect_free(&self, username: Option<&str>, email: Option<&str>) -> Result<(), Refusal> {
        if let Some(Ok(name)) = username.map(Name::username)
            && self.reserved.contains(&name.value)
        {
            return Err(Refusal::NameInvalid("this user name is reserved; choose another"));
        }
        if let Some(Ok(address)) = email.map(Name::email)
            && self.is_disposable(&address.value)
        {
            return Err(Refusal::NameInvalid(
                "addresses of this provider are thrown away, and none is taken here; use one that you keep",
            ));
        }
        Ok(())
    }

    /// Whether an address is below one of the domains.
    fn is_disposable(&self, address: &str) -> bool {
        let domain = address.rsplit('@').next().unwrap_or_default();
        let dots = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        std::iter::once(domain).chain(dots).any(|domain| self.disposable.contains(domain))
    }
}

fn text(list: &ListFile, own: &str) -> anyhow::Result<String> {
    match list {
        ListFile::Own => Ok(own.to_owned()),
        ListFile::None => Ok(String::new()),
        ListFile::File(path) => {
            let told = || format!("the list {} cannot be read; mend that, or write none", path.display());
            let about = fs::metadata(path).with_context(told)?;
            anyhow::ensure!(
                about.is_file() && about.len() <= MAX_LIST_BYTES,
                "{} is no list of names, or is larger than 8 MiB",
                path.display()
            );
            fs::read_to_string(path).with_context(told)
        }
    }
}

/// Lines with something on them; what begins with `#` is a remark.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn names(text: &str) -> HashSet<String> {
    lines(text).filter_map(|line| Some(Name::username(line).ok()?.value)).collect()
}

fn domains(text: &str) -> HashSet<String> {
    lines(text).map(|line| line.trim_start_matches('@').to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_this_build_have_what_people_would_be_fooled_by() {
        let lists = NameLists::default();
        assert!(lists.reserved.len() >= 100 && lists.disposable.len() >= 100);
        for name in ["admin", "Support", "ＲＯＯＴ", "no-reply"] {
            assert!(lists.expect_free(Some(name), None).is_err(), "{name}");
        }
        for address in ["ann@mailinator.com", "ann@sub.Mailinator.com"] {
            assert!(lists.expect_free(None, Some(address)).is_err(), "{address}");
        }
        assert_eq!(lists.expect_free(Some("ann"), Some("ann@example.org")), Ok(()));
        assert_eq!(lists.expect_free(None, Some("ann@notmailinator.com")), Ok(()));
    }

    #[test]
    fn a_file_takes_the_place_of_a_list_and_may_have_remarks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.txt");
        fs::write(&path, "# ours\n\nShop\n").unwrap();
        let taken = text(&ListFile::File(path), RESERVED).unwrap();
        assert_eq!(names(&taken), HashSet::from(["shop".to_owned()]));
        let missing = text(&ListFile::File(folder.path().join("none")), RESERVED).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
        assert_eq!(text(&ListFile::None, RESERVED).unwrap(), "");
    }
}
