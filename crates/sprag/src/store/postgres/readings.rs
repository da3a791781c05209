//! How a connection URL can be read. Of one that can be read in two ways nothing may be shown: what is a host in one reading
//! is the end of a password in the other.

/// Whether two readers of URLs may take different parts of it for the password and the host.
///
/// An `@` ends the user's part, so that a second one belongs to a password or to nothing; the driver takes the first for that
/// end, most readers the last. And the user's part ends before the path, so that an `@` behind a slash, a question mark or a
/// hash is another's, unless what is before them can be no list of hosts: then only a password has them.
pub(super) fn is_ambiguous(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let Some((before, behind)) = rest.split_once('@') else { return false };
    // A colon that is written as `%3A` is one of the name's, or somebody has escaped the whole of `name:password`.
    let is_all_escaped = !before.contains(':') && before.to_ascii_lowercase().contains("%3a");
    is_all_escaped
        || behind.contains('@')
        || before.find(['/', '?', '#']).is_some_and(|end| is_list_of_hosts(&before[..end]))
}

/// Whether a URL has a password in it, wherever a reader may find one: before the last `@`, or among the parameters.
#[must_use]
pub fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let mut parameters = rest.split(['?', '&']).skip(1).filter_map(|pair| pair.split_once('='));
    user.contains(':') || parameters.any(|(name, _)| unescaped(name).as_deref() == Some("password"))
}

/// `db1:5432,[::1]`, or nothing, as where a parameter names the host.
fn is_list_of_hosts(text: &str) -> bool {
    text.split(',').all(|host| {
        let port = match host.rsplit_once(']') {
            Some((_, port)) => port.strip_prefix(':').unwrap_or(port),
            None => host.split_once(':').map_or("", |(_, port)| port),
        };
        port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Text of a URL, unescaped (RFC 3986 section 2.1); `None` where a `%` stands before something else, or it is no UTF-8.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_two_readers_take_apart_differently_is_known() {
        for url in [
            "postgres://ann:hunter2@p@db/app",
            "postgres://ann:@hunter2@db/app",
            "postgres://ann@corp:hunter2@db/app",
            "postgres://ann:p@hunter2/x@db/app",
            "postgres://ann:p@hunter2?x@db/app",
            "postgres://ann:p@hunter2#x@db/app",
            "postgres://ann:12/hunter2@db/app",
            "postgres://ann:/hunter2@db/app",
            "postgres://hunter2/b@db/app",
            "postgres://ann:12?hunter2@db/app",
            "postgres://ann:12#hunter2@db/app",
            "postgres://db/app?user=ann&password=p@hunter2",
            "postgres:///app?host=/run/postgresql&password=p@hunter2",
            "postgres://db:1,[::1]:2/app?password=p@hunter2",
            "postgres://ann:secret@db/app?options=-c%20x@y",
        ] {
            assert!(is_ambiguous(url), "{url}");
        }
        for url in [
            "postgres://ann:hunter2%40p@db/app",
            "postgres://ann:se:cret@db/app",
            "postgres://ann:se?cr:et@db/app",
            "postgres://ann:se/cret@db1,db2/app",
            "postgres://ann:se#cret@db/app",
            "postgres://ann@db:5432/app?sslmode=require",
            "postgres://db:1,[::1]:2/app?user=me",
            "postgres:///app?host=/run/postgresql",
            "sqlite:a@b@c",
        ] {
            assert!(!is_ambiguous(url), "{url}");
        }
    }

    #[test]
    fn a_password_in_a_database_url_is_found_wherever_it_stands() {
        for text in [
            "postgres://me:hunter2@db/sprag",
            "postgres://me:hunter2@db1:5432,db2:5432/sprag",
            "postgres://me:hunter2/b@db/sprag",
            "postgres://me:hunter2?b@db/sprag",
            "postgres://me:hunter2#b@db/sprag",
            "postgres://me:a@hunter2@db/sprag",
            "postgres://:hunter2@/sprag",
            "postgresql://me@db/sprag?sslmode=require&password=hunter2",
            "postgresql://me@db/sprag?pass%77ord=hunter2",
        ] {
            assert!(has_password(text), "{text}");
        }
        for text in ["postgres://me@db:5432/sprag", "postgres://db:1,[::1]:2/sprag?user=me", "sqlite:a@b:c"] {
            assert!(!has_password(text), "{text}");
        }
    }
}
