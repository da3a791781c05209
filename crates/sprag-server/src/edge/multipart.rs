//! Forms as `multipart/form-data` (RFC 7578), as browsers send a `FormData`: text fields only.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use multer::{Field, Multipart};
use serde_json::{Map, Value};

use super::refusal::Problem;

/// The fields of a form whose whole body is there.
pub(crate) fn fields(content_type: &str, body: Bytes) -> Result<Map<String, Value>, Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Problem::invalid(
            "the Content-Type names no boundary of the form; let whatever writes the form set it",
        )
    })?;
    let whole = stream::iter([Ok::<_, Infallible>(body)]);
    // Nothing is waited for: where the reader would wait for more, there is none.
    read(Multipart::new(whole, boundary)).now_or_never().unwrap_or_else(|| Err(broken()))
}

async fn read(mut form: Multipart<'_>) -> Result<Map<String, Value>, Problem> {
    let mut fields = Map::new();
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().ok_or_else(broken)?.to_owned();
        if !is_text(&field) {
            return Err(Problem::invalid(
                "the form has a file in it, or something else than text; send text fields",
            ));
        }
        let bytes = field.bytes().await.map_err(|_| broken())?;
        let text = str::from_utf8(&bytes)
            .map_err(|_| Problem::invalid("the form is not UTF-8; send its fields in that encoding"))?;
        if fields.insert(name, text.into()).is_some() {
            return Err(Problem::invalid("the form has one field twice; send each field once"));
        }
    }
    Ok(fields)
}

/// Whether a part is a plain text in UTF-8, as far as it says what it is.
fn is_text(field: &Field<'_>) -> bool {
    let is_plain = field.content_type().is_none_or(|kind| {
        let charset = kind.get_param("charset");
        let is_unicode = |name: &str| {
            ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|one| name.eq_ignore_ascii_case(one))
        };
        kind.essence_str() == "text/plain" && charset.is_none_or(|charset| is_unicode(charset.as_str()))
    });
    field.file_name().is_none() && is_plain
}

fn broken() -> Problem {
    Problem::invalid("the body is not a multipart form, or breaks off before its end; let a library write it")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=cut";

    fn read(kind: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
        let read = fields(kind, Bytes::copy_from_slice(body)).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        read.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect()
    }

    fn part(head: &str, text: &str) -> String {
        format!("--cut\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
    }

    #[test]
    fn texts_are_read_as_they_are() {
        let body = [part("name=\"a\"", "1\r\n2 --cut"), part("name=\"é\"", "ü"), part("name=b", "")].concat();
        let pairs = [("a", "1\r\n2 --cut"), ("é", "ü"), ("b", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(read(KIND, format!("{body}--cut--\r\n").as_bytes()).as_deref(), Some(&pairs[..]));
        assert_eq!(read(KIND, format!("{body}--cut--").as_bytes()).map(|fields| fields.len()), Some(3));
        assert_eq!(read("Multipart/Form-Data; Boundary=\"cut\"", b"--cut--\r\n"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_form_of_texts_is_refused() {
        let good = part("name=\"a\"", "1");
        let typed = |kind: &str| part(&format!("name=\"a\"\r\nContent-Type: {kind}"), "1");
        let bodies = [
            String::new(),
            "nonsense".to_owned(),
            good.clone(),
            format!("{good}--cu"),
            format!("{good}{good}--cut--"),
            format!("{}--cut--", part("name=\"a\"; filename=\"x.txt\"", "1")),
            format!("{}--cut--", part("name=\"a\"; filename=\"\"", "1")),
            format!("{}--cut--", part("nom=\"a\"", "1")),
            format!("{}--cut--", typed("application/json")),
            format!("{}--cut--", typed("text/plain; charset=latin1")),
            "--cut\r\nContent-Disposition\r\n\r\n1\r\n--cut--".to_owned(),
            "--cut\r\nContent-Disposition: form-data; name=\"a\"".to_owned(),
        ];
        for body in bodies {
            assert_eq!(read(KIND, body.as_bytes()), None, "{body}");
        }
        for kind in [
            "text/plain",
            "text/plain; charset=UTF-8",
            "text/plain;charset=\"utf-8\"",
            "text/plain; charset=Utf8",
        ] {
            assert!(read(KIND, format!("{}--cut--", typed(kind)).as_bytes()).is_some(), "{kind}");
        }
        let not_unicode = part("name=\"a\"", "?").replace('?', "\u{1}").into_bytes();
        let not_unicode: Vec<u8> =
            not_unicode.iter().map(|byte| if *byte == 1 { 0xff } else { *byte }).collect();
        assert_eq!(read(KIND, &[&not_unicode[..], b"--cut--"].concat()), None);
        for kind in
            ["multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; boundary=other"]
        {
            assert_eq!(read(kind, format!("{good}--cut--").as_bytes()), None, "{kind}");
        }
    }
}
