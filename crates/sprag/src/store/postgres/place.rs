//! Where a database is, beyond what its URL shows: by which way it is reached, and in which schema.

use super::server::{Server, is_socket};

impl Server {
    /// Whether all of it goes through sockets of this machine, on which there is never TLS, as in libpq.
    pub(super) fn is_by_socket(&self) -> bool {
        self.hosts().iter().all(|(_, config)| is_socket(config))
    }

    /// What tells this database from others and does not stand in the URL as it is shown, as a sentence goes on after that: a
    /// socket's folder, and the schema.
    #[must_use]
    pub fn beyond_its_url(&self) -> String {
        let mut beyond = String::new();
        let authority = self.shown.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        if authority.rsplit('@').next().is_none_or(str::is_empty) {
            let hosts: Vec<_> = self.hosts().into_iter().map(|(host, _)| host).collect();
            beyond += &format!(" at {}", hosts.join(", "));
        }
        let options = self.config.get_options().unwrap_or_default();
        if let Some((_, path)) = options.split_once("search_path=") {
            let path = path.split_whitespace().next().unwrap_or_default();
            beyond += &format!(" in the schema {path}");
        }
        beyond
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::super::server::TlsMode;
    use super::*;

    fn server(url: &str) -> Server {
        url.parse().unwrap()
    }

    fn complaint(url: &str) -> String {
        url.parse::<Server>().unwrap_err().to_string()
    }

    #[test]
    fn a_mode_that_asks_for_tls_was_refused_over_a_socket_where_libpq_asks_for_none() {
        for mode in TlsMode::ALL {
            let server = server(&format!("postgres:///app?host=/run/postgresql&sslmode={}", mode.name()));
            assert!(server.is_by_socket());
            assert_eq!(server.hosts()[0].1.get_ssl_mode(), SslMode::Disable, "{mode:?}");
        }
        let both = "postgres://%2Frun%2Fpostgresql,db/app?sslmode=verify-full";
        assert!(complaint(both).contains("needs sslrootcert"), "{}", complaint(both));
        let both = server(&format!("{both}&sslrootcert=/etc/ca.pem"));
        let modes: Vec<_> = both.hosts().iter().map(|(_, config)| config.get_ssl_mode()).collect();
        assert_eq!(modes, [SslMode::Disable, SslMode::Require]);
    }

    #[test]
    fn two_databases_that_are_shown_alike_are_told_apart() {
        let named = |url: &str| {
            let server = server(url);
            format!("{server}{}", server.beyond_its_url())
        };
        assert_eq!(named("postgres://ann:x@db/app?sslmode=require"), "postgres://ann@db/app");
        assert_eq!(
            named("postgres://ann@/app?host=/run/postgresql&port=5433"),
            "postgres://ann@/app at /run/postgresql:5433"
        );
        let options = "options=-c%20search_path%3Dblue%20-c%20x%3Dy";
        assert_eq!(named(&format!("postgres://db/app?{options}")), "postgres://db/app in the schema blue");
    }
}
