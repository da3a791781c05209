//! Slips in `sprag.toml`: each is told with its line, and with the line as it should be.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;

use sprag_server::config::{Config, Flags};
use tempfile::TempDir;

fn refusal(text: &str) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sprag.toml"), text).unwrap();
    Config::resolve(Flags::new(), [], folder.path()).unwrap_err().to_string()
}

#[test]
fn a_text_without_quotes_is_told_with_the_line_as_it_should_be() {
    assert_eq!(
        refusal("listen = 127.0.0.1:8080"),
        "sprag.toml line 1: this is not TOML: the value of listen is a text and stands in no quotes; write it \
         like listen = \"127.0.0.1:9090\""
    );
    for (text, line) in [
        ("public_url = https://login.example.com", "public_url = \"https://login.example.com\""),
        ("access_ttl = 15m", "access_ttl = "),
        ("idle_timeout = 7 d", "idle_timeout = "),
        ("data_dir = /var/lib/sprag", "data_dir = "),
        ("log_format = json", "log_format = \"json\""),
        ("secure_cookies = on", "secure_cookies = \"on\""),
        ("SPRAG_LISTEN=127.0.0.1:8080", "listen = \"127.0.0.1:9090\""),
    ] {
        let told = refusal(&format!("# mine\n{text}"));
        let key = line.split(' ').next().unwrap();
        assert!(told.starts_with("sprag.toml line 2: this is not TOML: the value of "), "{told}");
        assert!(told.contains(&format!("write it like {line}")), "{key}: {told}");
    }
}

#[test]
fn what_stands_in_the_file_is_not_repeated() {
    for text in [
        "database_url = postgres://me:hunter2@host/db",
        "hunter2",
        "listen = hunter2",
        "listen = \u{201c}hunter2\u{201d}",
        "listen = \"hunter2\";",
        "listen = { a = hunter2 }",
        "hs256_secret = hunter2",
        "listen hunter2",
        "hunter2 hunter3",
        "hunter2: x",
        "hunter2 =",
        "hunter2 = x",
    ] {
        let told = refusal(text);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn what_toml_takes_for_something_else_is_told_as_what_it_is() {
    for (text, told) in [
        (
            "secure_cookies = true",
            "true and false are written on and off here; write secure_cookies = \"on\"",
        ),
        ("rate_limits = false", "true and false are written on and off here; write rate_limits = \"off\""),
        ("log_format = true", "true and false are nothing that it can be; write the value as text in quotes"),
        ("keep_alive = 00:01:15", "TOML takes this for a date or a time of day; write the value as text"),
        ("threads = 1.5", "TOML takes this for a number with a fraction"),
        ("threads = 0x10", "TOML takes this for a number that is not in plain digits"),
        ("profiles = [1, 2]", "these are not texts alone"),
    ] {
        let key = text.split(' ').next().unwrap();
        assert!(refusal(text).starts_with(&format!("sprag.toml line 1: {key}: {told}")), "{}", refusal(text));
    }
}

#[test]
fn what_is_no_line_of_a_setting_is_told_with_what_to_write() {
    for (text, told) in [
        (
            "listen: \"127.0.0.1:8080\"",
            "a colon stands after listen where TOML has an equals sign; write it like listen = ",
        ),
        ("listen \"127.0.0.1:8080\"", "there is no equals sign after listen"),
        ("listen = \u{201c}127.0.0.1:8080\u{201d}", "a typographic quote stands here (\u{201c})"),
        (
            "listen = 'a'\nlisten = 'b'",
            "sprag.toml line 2: this is not TOML: the key \"listen\" stands here twice",
        ),
        ("[server]\nlisten = 'x'", "a file of settings has no tables: delete the line in brackets"),
        (
            "[sprag]\nlisten = 'x'",
            "\"sprag\" in sprag.toml line 1 is no setting of sprag; a file of settings has no",
        ),
        ("server.listen = 'x'", "or what stands before the dot"),
        ("[listen]\naddress = 'x'", "listen is a setting and no table; write it like listen = "),
        ("[[route]]\non = 'POST /a'", "this is a profile: keep it in a file of its own"),
        ("Listen = 'x'", "did you mean listen?"),
        ("LISTEN = 'x'", "did you mean listen?"),
        ("publicUrl = 'x'", "did you mean public_url?"),
        ("data-dir = 'x'", "did you mean data_dir?"),
    ] {
        assert!(refusal(text).contains(told), "{text}: {}", refusal(text));
    }
}

#[test]
fn a_file_of_settings_names_the_file_that_a_secret_stands_in() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let resolve = |environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::resolve(Flags::new(), environment, folder.path())
    };
    let shown = |config: &Config| {
        let line = config.lines().iter().find(|line| line.name == "database-url").unwrap();
        format!("{} from {}", line.value, line.origin)
    };
    write("url", "postgres://ann:hunter2@db/app\n");
    write("sprag.toml", "# mine\ndatabase_url_file = \"url\"\n");
    let place = format!("{}, by sprag.toml line 2", folder.path().join("url").display());
    assert_eq!(shown(&resolve(&[]).unwrap()), format!("postgres://ann@db/app from {place}"));

    // What is nearer goes before it, and the file need not be there then.
    write("sprag.toml", "database_url_file = \"nowhere\"\n");
    let near = resolve(&[("SPRAG_DATABASE_URL", "sqlite:near.db")]).unwrap();
    assert_eq!(shown(&near), "sqlite:near.db from environment SPRAG_DATABASE_URL");
    let told = resolve(&[]).unwrap_err().to_string();
    assert!(
        told.contains("nowhere, which database_url_file in sprag.toml line 1 names: there is no such file"),
        "{told}"
    );

    write("sprag.toml", "database_url_file = \"url\"\ndatabase_url = \"sqlite:my.db\"\n");
    let told = resolve(&[]).unwrap_err().to_string();
    assert!(
        told.starts_with("database_url in sprag.toml line 2 and database_url_file in sprag.toml line 1"),
        "{told}"
    );

    write("sprag.toml", "listen_file = \"url\"\n");
    assert!(resolve(&[]).is_err(), "listen is no secret");
    write("sprag.toml", "hs256_secret = \"hunter2\"\n");
    let told = resolve(&[]).unwrap_err().to_string();
    assert!(told.contains("here hs256_secret_file names that file") && !told.contains("hunter2"), "{told}");
}
