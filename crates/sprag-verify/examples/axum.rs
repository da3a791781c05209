//! A protected API: `axum http://127.0.0.1:8080` listens on 127.0.0.1:3000 and trusts the server at that URL.
//!
//! ```sh
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/me
//! ```

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use sprag_verify::axum::{AccessToken, Guard, RequireToken};
use sprag_verify::{Claims, Error, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::args().nth(1).ok_or("say axum ISSUER, the server's public URL")?;
    let verifier = Verifier::builder(issuer).remote().build()?;
    // A wrong address shows now. An issuer that is away for a moment is no reason not to start.
    if let Err(error) = verifier.fetch_keys().await {
        eprintln!("{error}");
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(verifier.into())).await?;
    Ok(())
}

pub(crate) fn app(guard: Guard) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/articles/{id}", delete(remove))
        .route_layer(RequireToken::new(guard.clone()))
        .route("/articles", get(articles))
        .with_state(guard)
}

/// Behind the layer there are claims.
async fn me(claims: Claims) -> String {
    format!("account {}, session {}", claims.subject(), claims.session())
}

/// What a token allows is the API's own decision; here by a claim that the server's profile was configured to add.
async fn remove(claims: Claims, Path(id): Path<u32>) -> Result<String, Response> {
    let roles: Vec<String> = claims.get("roles").map_err(Error::into_response)?.unwrap_or_default();
    if roles.iter().any(|role| role == "editor") {
        Ok(format!("article {id} is gone"))
    } else {
        Err((StatusCode::FORBIDDEN, "only an editor may do this").into_response())
    }
}

/// Outside of the layer a token is taken where one comes.
async fn articles(token: Option<AccessToken>) -> String {
    token.map_or("for everybody".to_owned(), |AccessToken(claims)| format!("for {}", claims.subject()))
}
