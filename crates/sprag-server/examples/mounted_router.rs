//! The server's router inside an axum application: merged beside its routes, and nested below a prefix.
//!
//! `cargo run -p sprag-server --example mounted_router` serves it on a free port of this machine, with its data in the
//! folder `sprag-data`: nested, or merged with `-- merged`.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use sprag_server::config::{Config, Flags};
use sprag_server::http::Mount;
use sprag_server::jobs;
use sprag_server::node::{Node, load_profiles};
use tokio::net::TcpListener;

#[tokio::main]
pub(crate) async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let node = node(&format!("http://{address}"), Path::new("sprag-data")).await?;
    let (router, prefix) = match std::env::args().nth(1).as_deref() {
        Some("merged") => (merged(&node), ""),
        _ => (nested(&node), "/sessions"),
    };
    println!("curl http://{address}{prefix}/.well-known/jwks.json");
    // The jobs stop when the set is dropped.
    let _jobs = jobs::start(&node);
    // The service asks for the peer's address: the journal and the list of sessions tell it.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

/// Opens the store and the keys, and makes them where there are none yet.
pub(crate) async fn node(public_url: &str, data_dir: &Path) -> anyhow::Result<Node> {
    let flags = Flags::from([
        ("public-url", public_url.to_owned()),
        ("data-dir", data_dir.display().to_string()),
        ("profiles", "sprag".to_owned()),
    ]);
    // An application that lets its operators set more reads flags, environment and files: `Sources::from_process`.
    let config = Config::resolve(flags, [], Path::new("."))?;
    let profiles = load_profiles(&config.profiles, Some(&config))?;
    Node::make(config, profiles).await
}

/// Beside the application's own routes, at the paths that the profile names. It has its own health check.
pub(crate) fn merged(node: &Node) -> Router {
    let mount = Mount::merged().without_health().without_metrics().without_docs();
    own_routes().merge(node.mounted(&node.app(), &mount))
}

/// Below a prefix, which cookies and the OpenAPI document then carry.
pub(crate) fn nested(node: &Node) -> Router {
    let mount = Mount::nested("/sessions").without_health();
    own_routes().nest(mount.prefix(), node.mounted(&node.app(), &mount))
}

fn own_routes() -> Router {
    let hello = get(async || "hello");
    Router::new().route("/", hello.clone()).route("/healthz", hello).fallback(async || "nothing is here")
}
