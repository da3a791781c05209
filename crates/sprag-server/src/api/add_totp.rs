//! `add_totp`: begins to add a seed of time-based codes, which its owner confirms with the first one.

use axum::response::Response;
use qrcode::QrCode;
use qrcode::render::svg;
use serde_json::{Value, json};
use sprag::Fault;
use sprag::text;

use super::context::{Call, RouteContext};
use super::enrolling::{By, Enrolling};
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::profile::{Answer, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrEnrolment,
    wants_fresh: true,
    takes: &[Input::Label, Input::MfaToken, Input::Code],
    answer: Answer::Json { schema, example },
    unavailable: "the service cannot answer just now; begin once more in a second",
    refuses: &["code_wrong", "factors_full", "link_invalid"],
    ..Spec::named("add_totp", "Begin to add an app that shows codes; it counts once its first code was sent")
};

/// How much of a factor's label is kept, in bytes.
pub(super) const MAX_LABEL_BYTES: usize = 100;

/// How wide each of the squares is that a QR code is made of.
const SQUARE: u32 = 5;

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let enrolling = Enrolling::of(&mut call)?;
    let inputs = context.inputs(&enrolling.fields)?;
    let label = inputs.get(Input::Label).map(|label| text::label(label, MAX_LABEL_BYTES));
    let (app, engine) = (&context.app, &context.app.engine);
    let factors = engine.factors();
    let new = match enrolling.by(&inputs, &call.parts)? {
        By::Caller(caller) => factors.add_totp(caller.key.account, label.as_deref()).await?,
        By::LogIn(token) => {
            let requester = context.reader(&call.parts)?;
            let shown = (token, inputs.get(Input::Code));
            factors.enrol_totp(&context.served.client, shown, label.as_deref(), &requester).await?
        }
    };
    let account = engine.accounts().get(new.account).await?;
    let id = account.id.to_string();
    let owner = account.email.as_deref().or(account.username.as_deref()).unwrap_or(&id);
    let uri = new.seed.uri(&app.service, owner);
    let code =
        QrCode::new(uri.as_bytes()).map_err(|error| Fault::internal("draw a QR code", error.to_string()))?;
    let drawn = code.render::<svg::Color<'_>>().module_dimensions(SQUARE, SQUARE).build();
    Ok(json_answer(&json!({ "id": new.id, "secret": *new.secret(), "uri": *uri, "qr_svg": drawn })))
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["id", "secret", "uri", "qr_svg"],
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "secret": { "type": "string", "description": "The seed in base32, for whoever types it." },
            "uri": { "type": "string", "description": "The seed as apps read it: `otpauth://totp/…`." },
            "qr_svg": { "type": "string", "description": "The `uri` as a QR code, an SVG document." },
        },
    })
}

fn example() -> Value {
    json!({
        "id": "019f1dcb-7400-7000-8000-000000000003",
        "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "uri": "otpauth://totp/auth.example.org:ann%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=auth.example.org&algorithm=SHA1&digits=6&period=30",
        "qr_svg": "<?xml version=\"1.0\" standalone=\"yes\"?><svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
    })
}
