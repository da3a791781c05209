//! One node after another is stopped and started again behind the guide's balancers, and no client notices.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use rustix::process::Signal;
use sprag_rig::{Haproxy, Nginx, Postgres};

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::crowd::{await_refreshes, meanwhile};
use crate::people::log_in;
use crate::server::Server;
use crate::wire::Connection;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/three-nodes");

#[test]
fn f7_a_rolling_restart_behind_nginx_fails_no_refresh() {
    fails_no_refresh(|addresses| {
        let nginx = Nginx::start(&Path::new(GUIDE).join("nginx.conf"), addresses);
        (nginx.addr(), nginx)
    });
}

#[test]
fn f7_a_rolling_restart_behind_haproxy_fails_no_refresh() {
    fails_no_refresh(|addresses| {
        let haproxy = Haproxy::start(&Path::new(GUIDE).join("haproxy.cfg"), addresses);
        (haproxy.addr(), haproxy)
    });
}

/// With the profile as it is, and so short an interval that sessions turn all the time.
fn fails_no_refresh<B>(balance: impl FnOnce(&[SocketAddr]) -> (SocketAddr, B)) {
    let (cluster, servers) =
        Cluster::start(SPRAG, Postgres::shared().fresh_database(), &["--reuse-interval", "1s"]);
    cluster.create_users(1);
    let (front, _balancer) = balance(&cluster.addresses());
    let pairs = (0..12).map(|_| log_in(&mut Connection::open(front).unwrap(), "user-0").unwrap()).collect();
    let count = AtomicU64::new(0);
    // Outside, so that they outlive the last refresh.
    let mut servers = servers.map(Some);
    let ((), seen) = meanwhile(&[front], pairs, &count, || {
        for (node, place) in servers.iter_mut().enumerate() {
            await_refreshes(&count, 300);
            restart(&cluster, place, node);
        }
        await_refreshes(&count, 300);
    });
    eprintln!("{} refreshes", seen.refreshes);
    assert!(seen.complaints.is_empty(), "{:#?}", seen.complaints);
    let turned = cluster.database.psql("select min(generation) > 1 and count(ended_at) = 0 from session");
    assert_eq!(turned, "t", "all sessions turned, and none ended");
}

/// As the guide's script does: the next is stopped only when this one takes requests again.
fn restart(cluster: &Cluster, place: &mut Option<Server>, node: usize) {
    let mut server = place.take().unwrap();
    server.signal(Signal::TERM);
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    *place = Some(cluster.start_node(node));
    cluster.await_ready();
}
