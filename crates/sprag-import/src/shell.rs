//! What the MongoDB shell prints, told from JSON: it looks like it, is cut after 20 documents, and nobody else reads it.

/// Whether a text that is no JSON looks like what the shell prints: `{ _id: ObjectId('...'), ... }`.
pub(super) fn is_printed_by_it(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"{") && has_words(text)
}

/// Whether there stands something outside of strings that JSON has not: a name, a call, a text in single quotes.
pub(super) fn has_words(text: &[u8]) -> bool {
    const OF_JSON: [&[u8]; 5] = [b"true", b"false", b"null", b"e", b"E"];
    let (mut rest, mut word) = (text, Vec::new());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$') {
            word.push(*byte);
            continue;
        }
        if !word.is_empty() && !OF_JSON.contains(&word.as_slice()) {
            return true;
        }
        word.clear();
        match byte {
            b'"' => rest = behind_string(rest),
            b'\'' | b'(' => return true,
            _ => {}
        }
    }
    false
}

fn behind_string(text: &[u8]) -> &[u8] {
    let mut bytes = text.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return &text[index + 1..],
            _ => {}
        }
    }
    &[]
}

/// What to do about it, as a sentence goes on that begins with what cannot be read.
pub(super) fn way_out(collection: Option<&str>) -> String {
    let name =
        collection.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    let name = name.unwrap_or("COLLECTION");
    format!(
        "this is what the MongoDB shell prints, which is no JSON and ends after 20 documents; export it with: mongoexport --uri \
         \"$MONGO_URI\" --collection {name} --out {name}.jsonl, or where there is only the shell: mongosh \"$MONGO_URI\" \
         --quiet --eval 'db.{name}.find().forEach(d => print(EJSON.stringify(d)))' > {name}.jsonl"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_prints_is_told_from_broken_json() {
        for printed in [
            r#"{ "_id" : ObjectId("507f1f77bcf86cd799439011"), "a" : 1 }"#,
            r#"{ "a" : NumberLong(5) }"#,
            "{ _id: ObjectId('507f1f77bcf86cd799439011'), email: 'ann@example.org' }",
            "{ email: \"ann@example.org\" }",
            "{ 'a': 1 }",
        ] {
            assert!(is_printed_by_it(printed.as_bytes()), "{printed}");
        }
        for broken in [
            "not JSON at all",
            r#"{"id": 2, "username": "#,
            r#"{"a": "ObjectId('x')", "b": true"#,
            r#"{"a": "\"(", "b": null, "c": 1e5, "#,
            "[1, 2]",
        ] {
            assert!(!is_printed_by_it(broken.as_bytes()), "{broken}");
        }
    }
}
