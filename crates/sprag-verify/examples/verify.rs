//! Verifies an access token of a running server: `verify http://127.0.0.1:8080 TOKEN`.
//!
//! The first argument is the server's public URL, which its tokens have in `iss`.

use std::env;

use sprag_verify::{Claims, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Some(issuer), Some(token)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err("say verify ISSUER TOKEN".into());
    };
    let claims = verify(&issuer, &token).await?;
    println!("{} in session {}, until {:?}", claims.subject(), claims.session(), claims.expires_at());
    Ok(())
}

/// An API does the first line once, at its start, and the second for each request.
pub(crate) async fn verify(issuer: &str, token: &str) -> Result<Claims, Box<dyn std::error::Error>> {
    let verifier = Verifier::builder(issuer).remote().build()?;
    Ok(verifier.verify(token).await?)
}
