//! The file that a URL of SQLite names, in the ways in which URLs of SQLite are written elsewhere.

use std::path::PathBuf;

use crate::text::shown;

/// The file that a URL names: `sqlite:PATH`, and `sqlite:///./PATH` or `sqlite:////PATH` as others write the same.
///
/// # Errors
/// It names none plainly; the sentence says what would be right, and goes on after the URL.
pub fn path_in_url(url: &str) -> Result<PathBuf, String> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let plainly = "write sqlite:sprag.db or sqlite:/var/lib/sprag/sprag.db";
    // What stands before an `@` may be a password, of somebody who means another database.
    let instead = |path: &str| match path.contains('@') {
        true => plainly.to_owned(),
        false => format!("write sqlite:{}", shown(path)),
    };
    if path.is_empty() || path.contains('\0') {
        return Err(format!("names no file; {plainly}"));
    }
    if let Some((file, _)) = path.split_once('?') {
        return Err(format!("has parameters, and none are taken; {}", instead(file)));
    }
    // SQLite reads these as something other than a file's name.
    if path.starts_with(':') {
        return Err(format!("names a database that is gone when the process ends; {plainly}"));
    }
    if let Some(file) = path.strip_prefix("file:") {
        return Err(format!("has two schemes; {}", instead(file)));
    }
    let Some(rest) = path.strip_prefix("//") else {
        return match at_home(path) {
            Some(why) => Err(why),
            None => Ok(PathBuf::from(path)),
        };
    };
    let below = rest.strip_prefix('/').unwrap_or(rest);
    match (rest.starts_with('/'), below.starts_with('/')) {
        _ if below.starts_with("./") || below.starts_with("../") => Ok(PathBuf::from(below)),
        _ if at_home(below).is_some() => Err(at_home(below).unwrap_or_default()),
        // `sqlite:////var/lib/sprag.db`: an empty host, and a path from the root.
        (true, true) => Ok(PathBuf::from(format!("/{}", below.trim_start_matches('/')))),
        (true, false) => Err(format!(
            "is read as /{0} by some programs and as ./{0} by others; write sqlite:/{0} or sqlite:./{0}",
            shown(below)
        )),
        (false, _) => Err(format!("has a host where the file should stand; {}", instead(below))),
    }
}

/// Why a path that begins with `~` is not taken; `None` where it does not.
#[must_use]
pub fn at_home(path: &str) -> Option<String> {
    let is_home = path == "~" || path.starts_with("~/");
    is_home.then(|| {
        format!(
            "begins with ~, which stands for a home folder only where a shell reads it; write the whole path, like /srv/ann{}",
            shown(&path[1..])
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_as_others_write_it_names_the_same_file_or_is_refused_with_the_right_form() {
        for (url, path) in [
            ("sqlite:x.db", "x.db"),
            ("sqlite:./x.db", "./x.db"),
            ("sqlite:/var/x.db", "/var/x.db"),
            ("sqlite:///./x.db", "./x.db"),
            ("sqlite:///../x.db", "../x.db"),
            ("sqlite://./x.db", "./x.db"),
            ("sqlite:////var/x.db", "/var/x.db"),
            ("sqlite:a~b.db", "a~b.db"),
        ] {
            assert_eq!(path_in_url(url), Ok(PathBuf::from(path)), "{url}");
        }
        for (url, right) in [
            ("sqlite:", "write sqlite:sprag.db"),
            ("sqlite::memory:", "write sqlite:sprag.db"),
            ("sqlite:///x.db", "write sqlite:/x.db or sqlite:./x.db"),
            ("sqlite://x.db", "write sqlite:x.db"),
            ("sqlite:x.db?mode=rwc", "write sqlite:x.db"),
            ("sqlite:file:./x.db", "write sqlite:./x.db"),
            ("sqlite:~/x.db", "like /srv/ann/x.db"),
            ("sqlite://~/x.db", "like /srv/ann/x.db"),
            ("sqlite:///~/x.db", "like /srv/ann/x.db"),
        ] {
            let told = path_in_url(url).unwrap_err();
            assert!(told.ends_with(right) || told.contains(right), "{url}: {told}");
        }
    }
}
