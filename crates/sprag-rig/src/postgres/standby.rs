//! A standby: a second server that repeats what the first one writes, and takes over where a test says so.

use std::net::SocketAddr;

use super::{Database, Postgres, READY};
use crate::process;
use crate::proxy::Proxy;

/// Whether the primary's commits wait for a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// A commit is answered once the standby has it on its disk as well.
    Yes,
    /// A commit is answered at once; the standby may lack the last ones.
    No,
}

/// How a standby hears of its primary. The proxy between them is what makes it fall behind for certain: what was
/// committed while the proxy holds the stream cannot have arrived.
pub(super) struct Stream {
    primary: Database,
    proxy: Proxy,
}

impl Postgres {
    /// A standby that streams from this primary. The primary must outlive its use, not its existence.
    ///
    /// With [`Sync::Yes`] the primary's commits wait for it from now on, and for every other such standby.
    pub fn standby_of(primary: &Self, sync: Sync) -> Self {
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], primary.port())));
        let mut standby = Self::in_new_directory();
        let way = format!(
            "host=127.0.0.1 port={} user=postgres application_name={}",
            proxy.addr().port(),
            standby.name
        );
        standby.run_tool("pg_basebackup", &["-d", &way, "-R", "-X", "stream", "-c", "fast", "--no-sync"]);
        // Whoever the primary waited for is not this one's to wait for, once it is promoted.
        standby.append("postgresql.auto.conf", [("synchronous_standby_names".to_owned(), String::new())]);
        standby.stream = Some(Stream { primary: primary.database("postgres"), proxy });
        let standby = standby.started();
        let state = format!(
            "select state || ' ' || sync_state from pg_stat_replication where application_name = '{}'",
            standby.name
        );
        process::wait_until("the standby to stream", READY, || {
            primary.psql(&state).starts_with("streaming ")
        });
        if sync == Sync::Yes {
            primary.wait_for(&standby.name);
            process::wait_until("the standby to be waited for", READY, || {
                primary.psql(&state) == "streaming sync"
            });
        }
        standby
    }

    /// Makes a standby a primary. Where its stream was paused, what it did not hear until then it never will.
    pub fn promote(&self) {
        let stream = self.stream();
        stream.proxy.refuse(true);
        if stream.proxy.is_held() {
            stream.proxy.cut();
        }
        let promoted = self.psql("select pg_promote(true, 60)");
        assert_eq!(
            promoted,
            "t",
            "the standby was not promoted; its log ends:\n{}",
            self.supervisor.log_tail()
        );
        assert_eq!(self.psql("select pg_is_in_recovery()"), "f");
    }

    /// Waits until the standby shows everything that its primary has committed so far.
    pub fn wait_caught_up(&self) {
        let position = self.stream().primary.psql("select pg_current_wal_insert_lsn()");
        let is_there = format!("select pg_last_wal_replay_lsn() >= '{position}'");
        process::wait_until("the standby to catch up", READY, || self.psql(&is_there) == "t");
    }

    /// Keeps the primary's commits from the standby: those made from now on do not arrive before
    /// [`Postgres::resume_wal_receiver`], and never where the standby is promoted before.
    pub fn pause_wal_receiver(&self) {
        self.stream().proxy.hang();
    }

    /// Lets a paused standby hear what it missed.
    pub fn resume_wal_receiver(&self) {
        self.stream().proxy.heal();
    }

    fn stream(&self) -> &Stream {
        self.stream.as_ref().expect("this server is no standby")
    }

    /// Makes this primary's commits wait for one more standby.
    fn wait_for(&self, standby: &str) {
        let names = {
            let mut awaited = self.awaited.lock().expect("nobody panics while holding the names");
            awaited.push(standby.to_owned());
            format!("FIRST {} ({})", awaited.len(), awaited.join(", "))
        };
        self.set("synchronous_standby_names", &names);
    }
}
