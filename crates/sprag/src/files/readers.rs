//! Who may read a file beside its owner.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{getegid, geteuid, getgroups};

/// Whether a file is for its owner and a group of this process to read, and for nobody to write but its owner: what a secret
/// is that is mounted for a service, mode 0440.
///
/// Root looks on behalf of the service, whose groups it need not be in: for root, the group of one of the folders `of` is one.
#[must_use]
pub fn is_for_our_group(about: &Metadata, of: &[&Path]) -> bool {
    if !about.is_file() || about.mode() & 0o077 != 0o040 {
        return false;
    }
    let group = about.gid();
    let is_of = |folder: &&Path| fs::metadata(folder).is_ok_and(|folder| folder.gid() == group);
    let groups = getgroups().unwrap_or_default();
    getegid().as_raw() == group
        || groups.iter().any(|ours| ours.as_raw() == group)
        || (geteuid().is_root() && of.iter().any(is_of))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_group_of_ours_may_read_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        fs::write(&path, "").unwrap();
        let is_ours = |mode, of: &[&Path]| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            is_for_our_group(&fs::metadata(&path).unwrap(), of)
        };
        assert_eq!([0o440, 0o640].map(|mode| is_ours(mode, &[])), [true; 2]);
        for mode in [0o444, 0o460, 0o450, 0o404, 0o400, 0o600] {
            assert!(!is_ours(mode, &[]), "{mode:o}");
        }
        assert!(!is_for_our_group(&fs::metadata(dir.path()).unwrap(), &[]));
        if geteuid().is_root() {
            chown(&path, None, Some(54_711)).unwrap();
            assert!(!is_ours(0o440, &[dir.path()]), "a group that nobody here is in");
            chown(dir.path(), None, Some(54_711)).unwrap();
            assert!(is_ours(0o440, &[dir.path()]), "the service's, whom the folder belongs to");
        }
    }
}
