//! Which of two forms an `Accept` header would rather have (RFC 9110 section 12.5.1).

use hyper::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::metrics::Form;

/// The form in which whoever asks reads metrics: OpenMetrics where they name it, and do not rather have the older one, which
/// is for all others; a browser shows that one, too.
pub(crate) fn form_of_metrics(headers: &HeaderMap) -> Form {
    let ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|range| Range::read(str::from_utf8(range).ok()?))
        .collect();
    let best = |names: &[&str]| {
        names.iter().find_map(|name| {
            let of_name = ranges.iter().filter(|range| range.name == *name && range.is_known_version);
            of_name.map(|range| range.thousandths).max()
        })
    };
    let open = best(&["application/openmetrics-text", "application/*"]).unwrap_or(0);
    let plain = best(&["text/plain", "text/*", "*/*"]).unwrap_or(0);
    if open > plain || (open == plain && open > 0) { Form::OpenMetrics } else { Form::Plain }
}

/// What the answer is called.
pub(crate) fn content_type(form: Form) -> HeaderValue {
    HeaderValue::from_static(match form {
        Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Form::Plain => "text/plain; version=0.0.4; charset=utf-8",
    })
}

/// One range of media types, and how much it is wanted, in thousandths.
struct Range {
    name: String,
    thousandths: u16,
    /// Whether it is of a version that we write, or of none.
    is_known_version: bool,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| name.contains('/'))?.to_ascii_lowercase();
        let mut range = Self { name, thousandths: 1000, is_known_version: true };
        let versions: &[&str] = if range.name == "text/plain" { &["0.0.4"] } else { &["1.0.0", "0.0.1"] };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => range.thousandths = thousandths(value),
                "version" => range.is_known_version = versions.contains(&value),
                _ => {}
            }
        }
        Some(range)
    }
}

/// `0.25` as 250; what is no weight wants nothing.
fn thousandths(text: &str) -> u16 {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || digits.len() > 3 || !is_number(digits) {
        return 0;
    }
    format!("{whole}{digits:0<3}").parse().unwrap_or(0).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_is_answered_in_the_form_they_would_rather_have() {
        use Form::{OpenMetrics, Plain};
        // What Prometheus 2 and 3 send, with and without its wish for OpenMetrics.
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                            escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let plain_3 = "text/plain;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4";
        for (accept, form) in [
            (prometheus_2, OpenMetrics),
            (prometheus_3, OpenMetrics),
            (plain_3, Plain),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Plain),
            ("text/plain", Plain),
            ("text/plain; version=0.0.4; charset=utf-8", Plain),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.8", Plain),
            ("application/openmetrics-text;q=0, */*", Plain),
            ("application/openmetrics-text;version=9.9.9, */*;q=0.5", Plain),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Plain),
            ("*/*", Plain),
            ("application/json", Plain),
            ("nonsense;q=x,;,", Plain),
            ("", Plain),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(form_of_metrics(&headers), form, "{accept}");
        }
        assert_eq!(form_of_metrics(&HeaderMap::new()), Plain);
    }

    #[test]
    fn a_weight_has_three_digits_at_most() {
        for (text, weight) in [
            ("1", 1000),
            ("0", 0),
            ("0.5", 500),
            ("0.25", 250),
            ("1.000", 1000),
            ("1.1", 1000),
            ("0.1234", 0),
            ("-1", 0),
            ("", 0),
        ] {
            assert_eq!(thousandths(text), weight, "{text}");
        }
    }
}
