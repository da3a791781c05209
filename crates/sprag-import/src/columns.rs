//! What may be told of a source's columns. Where a file has no header its first line is data, and so are the members of an
//! object with a key for each user: a message that listed them would show names, hashes and tokens to whoever looks on.

/// How many names a message lists.
const MAX_LISTED: usize = 60;

/// The longest name that is shown. PostgreSQL has none that is longer.
const MAX_SHOWN_BYTES: usize = 64;

/// So many digits of base 16, all in one name, are an id, a hash or a token.
const HEX_DIGITS: usize = 16;

/// A name as long as this that mixes digits, upper and lower case is a token.
const TOKEN_BYTES: usize = 24;

/// What a text is that stands where a column's name should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Name,
    /// Nothing that is known to be either.
    Odd,
    Data,
}

/// The name nearest to the one that is missing, and the others; or that these are no names.
pub(super) fn shown(name: &str, columns: &[String]) -> String {
    if columns.iter().any(|column| kind(column) == Kind::Data) {
        return " (what stands where the names of the columns should looks like data, and is not shown; the first line of a \
                CSV file must name the columns, and JSON lines are objects with the same members in each)"
            .to_owned();
    }
    let names: Vec<_> = columns.iter().filter(|column| kind(column) == Kind::Name).cloned().collect();
    if names.is_empty() && !columns.is_empty() {
        return " (it has columns whose names are not shown, for they may be data)".to_owned();
    }
    nearest(name, &names) + &listed("columns", &names)
}

/// Whether it may be repeated that a column is called so.
pub(super) fn is_name(text: &str) -> bool {
    kind(text) == Kind::Name
}

/// Whether it is an id, an address, a hash or a token.
pub(super) fn is_data(text: &str) -> bool {
    kind(text) == Kind::Data
}

/// `; did you mean "users"?`, where one is near.
pub(super) fn nearest(name: &str, known: &[String]) -> String {
    let distance = |candidate: &&String| {
        // Of a table in a schema, the table alone may be meant.
        let ends = candidate.match_indices('.').map(|(dot, _)| &candidate[dot + 1..]);
        let forms = std::iter::once(candidate.as_str()).chain(ends);
        let distances =
            forms.map(|form| strsim::damerau_levenshtein(&name.to_lowercase(), &form.to_lowercase()));
        distances.min().unwrap_or(usize::MAX)
    };
    let nearest = known.iter().take(MAX_LISTED).min_by_key(distance);
    let near = nearest.filter(|found| distance(found) <= 2 + found.len() / 4);
    near.map(|found| format!("; did you mean {found:?}?")).unwrap_or_default()
}

/// ` (it has "id", "name")`.
pub(super) fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!(", and no {what} at all");
    }
    let shown = names.iter().take(MAX_LISTED).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let more = names.len().checked_sub(MAX_LISTED + 1).map_or("", |_| ", …");
    format!(" (it has {shown}{more})")
}

fn kind(text: &str) -> Kind {
    let has = |is: fn(char) -> bool| text.chars().any(is);
    let is_spelled_out = !text.is_empty() && !has(char::is_alphabetic) && has(|c| c.is_ascii_digit());
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    let is_hex = digits.len() >= HEX_DIGITS && digits.iter().all(char::is_ascii_hexdigit);
    let is_mixed = has(|c| c.is_ascii_digit()) && has(char::is_uppercase) && has(char::is_lowercase);
    let is_token = text.len() >= TOKEN_BYTES && is_mixed;
    if text.contains(['@', '$']) || is_spelled_out || is_hex || is_token {
        return Kind::Data;
    }
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let goes_on = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    if begins && goes_on && text.len() <= MAX_SHOWN_BYTES { Kind::Name } else { Kind::Odd }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_data() {
        for name in
            ["id", "_id", "hashed_password", "e-mail", "Odd Name", "users.id", "größe", "resetTokenExpiresAt"]
        {
            assert_eq!(kind(name), Kind::Name, "{name}");
        }
        for odd in ["", "2fa", "name (full)", "a/b", "x\u{1b}[2J", &"x".repeat(65), "+"] {
            assert_eq!(kind(odd), Kind::Odd, "{odd}");
        }
        for data in [
            "1",
            "2024-12-13 10:00:00",
            "ann@example.org",
            "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
            "01997c5e-0000-4000-8000-000000000001",
            "507f1f77bcf86cd799439011",
            "1de0ce3bd33eee703cae6e22eb4881099ae2f1d1e6077fdf8760a60fee506b09",
            "q8Jt3vY0pXw5LmN7kRz1dFh2sGb4cVa6",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
        ] {
            assert_eq!(kind(data), Kind::Data, "{data}");
        }
    }

    #[test]
    fn data_is_never_listed() {
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(shown("id", &columns(&["Id", "a/b"])), "; did you mean \"Id\"? (it has \"Id\")");
        let told = shown("id", &columns(&["7", "ann", "s3cret"]));
        assert!(told.contains("looks like data") && !told.contains("ann"), "{told}");
        assert!(!shown("id", &columns(&["a/b"])).contains("a/b"));
        assert_eq!(shown("id", &[]), ", and no columns at all");
    }
}
