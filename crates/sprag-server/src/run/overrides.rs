//! What was set for every profile, in the place of what each one says.

use anyhow::bail;
use sprag::engine::{Confirmation, NextId, SecondFactor};

use crate::config::Config;
use crate::profile::{IdKind, Input, Profile, Registration};
use crate::quoted::quoted;

/// Changes the profiles as the settings say.
///
/// # Errors
/// A setting asks for what none of the profiles has, or what one of them cannot do.
pub(super) fn apply(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    if let Some(names) = &config.accounts.offers {
        offer(config, names, profiles)?;
    }
    if let Some(registration) = config.accounts.registration {
        register_by(config, registration, profiles)?;
    }
    confirm_by(config, profiles)?;
    ask_for_factors_by(config, profiles)?;
    expect_secret(config, profiles)?;
    fence_by(config, profiles)?;
    if config.proof_of_work.is_some() {
        hand_out_challenges(config, profiles)?;
    }
    number_by(config, profiles)
}

/// Both fences hold, everybody's and the profile's own. Which country an address is in, only a file tells.
fn fence_by(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    const WITHOUT: &str = "and there is no file that tells the country of an address, so it would keep everybody out or nobody; \
                           set SPRAG_GEO_DATABASE to one";
    let places = &config.places;
    let is_known = places.geo_database.is_some();
    let lists = ["geo-allow", "geo-deny", "geo-refresh-allow", "geo-refresh-deny"];
    let are_open = places.login.is_open() && places.refresh.is_open();
    if let Some(list) = lists.iter().find(|name| !config.is_default(name)).filter(|_| !is_known && !are_open)
    {
        bail!("{} is set, {WITHOUT}", config.origin(list).subject(list));
    }
    for profile in profiles {
        if !is_known && !profile.fences.are_none() {
            bail!(
                "{} says under [geo] from where the profile {} may be spoken to, {WITHOUT}",
                profile.file,
                profile.name
            );
        }
        profile.fences.add(places.login.clone(), places.refresh.clone());
    }
    Ok(())
}

/// Whoever may buy a try with a proof of work must be able to ask for one.
fn hand_out_challenges(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    let known: Vec<bool> = profiles.iter_mut().map(|profile| profile.also_offer("challenge")).collect();
    if known.contains(&true) {
        return Ok(());
    }
    bail!(
        "{} is set, and no profile that is served has a route that does challenge; take a copy of one and add such a route, and \
         altcha = \"$altcha?\" to what its log-in takes, or leave the setting out",
        config.origin("proof-of-work").subject("proof-of-work")
    )
}

fn offer(config: &Config, names: &[String], profiles: &mut [Profile]) -> anyhow::Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut is_known = vec![false; names.len()];
    for profile in profiles.iter_mut() {
        let found = profile.offer(&names);
        is_known.iter_mut().zip(found).for_each(|(is_known, found)| *is_known |= found);
    }
    let Some((unknown, _)) = names.iter().zip(is_known).find(|(_, is_known)| !is_known) else {
        return Ok(());
    };
    let has = profiles.iter().map(|profile| {
        let has = profile.can_offer();
        format!("{} has {}", profile.name, if has.is_empty() { "none".to_owned() } else { has.join(", ") })
    });
    bail!(
        "{} names {}, and no call of the profiles that are served does that; of calls that can be turned on {}",
        config.origin("offers").subject("offers"),
        quoted(unknown),
        has.collect::<Vec<_>>().join(", ")
    )
}

/// Whoever registers with a route that logs in gets tokens, which an administrator must not get for somebody else.
fn register_by(config: &Config, registration: Registration, profiles: &mut [Profile]) -> anyhow::Result<()> {
    for profile in profiles {
        profile.client.registration = registration;
        if registration == Registration::Invite
            && let Some(route) = profile.wire.routes.iter().find(|route| route.lacks_invite())
        {
            bail!(
                "{} is invite, and {} of the profile {} takes no invitation; take a copy of the profile in which that call takes \
                 invite = \"$invite\"",
                config.origin("registration").subject("registration"),
                route.on(),
                profile.name
            );
        }
        let all = profile.wire.routes.iter().chain(&profile.wire.off);
        let mut giving = all.filter(|route| route.opens_session() && route.action.needs_admin(registration));
        if let Some(route) = giving.next() {
            bail!(
                "{} is admin, and {} of the profile {} would give the administrator the tokens of somebody else's session; \
                 leave the setting out, or take a copy of the profile in which that call gives no tokens",
                config.origin("registration").subject("registration"),
                route.on(),
                profile.name
            );
        }
    }
    Ok(())
}

/// Nobody confirms an address to whom no letter goes.
fn confirm_by(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    for profile in profiles {
        profile.client.confirmation = config.accounts.confirmation.unwrap_or(profile.client.confirmation);
        if profile.client.confirmation == Confirmation::Required && !config.mail.is_on() {
            bail!(
                "whoever registers with the profile {} must confirm their address, and letters are off; set SPRAG_MAIL_URL to a mail \
                 server, or SPRAG_EMAIL_CONFIRMATION=off",
                profile.name
            );
        }
    }
    Ok(())
}

/// Whoever must have a second factor must be able to add one, and whoever may add one to log in with it.
fn ask_for_factors_by(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    for profile in profiles {
        let required_of = config.factors.required_of.unwrap_or(profile.client.second_factor);
        profile.client.second_factor = required_of;
        let adds = ["confirm_totp", "add_passkey"].into_iter().find(|action| does(profile, action, None));
        let shows = profile.wire.doing("login_factor").is_some();
        if let Some(threshold) = config.risk.policy.second_factor.filter(|_| !shows) {
            bail!(
                "whoever logs in with the profile {} at a risk of {threshold} or more is asked for a second factor, and no call of it takes \
                 one; {}, or leave risk-second-factor out",
                profile.name,
                having(profile, &["login_factor"])
            );
        }
        if let Some(adds) = adds.filter(|_| !shows) {
            bail!(
                "whoever adds a second factor by {adds} of the profile {} could not log in there any more, since no call of it takes one; \
                 {}, or leave {adds} out",
                profile.name,
                having(profile, &["login_factor"])
            );
        }
        let needed = ["add_totp", "confirm_totp"];
        let enrols = needed.iter().all(|action| does(profile, action, Some(Input::MfaToken)));
        if required_of != SecondFactor::Optional && !enrols {
            bail!(
                "whoever logs in with the profile {} must have a second factor, and no calls of it add one for a log-in that waits; {}, \
                 or leave second-factor out",
                profile.name,
                having(profile, &["add_totp", "confirm_totp", "login_factor"])
            );
        }
    }
    Ok(())
}

/// Whether a call of the profile does this, and takes that.
fn does(profile: &Profile, action: &str, takes: Option<Input>) -> bool {
    let mut routes = profile.wire.routes.iter().filter(|route| route.action.is(action));
    routes.any(|route| takes.is_none_or(|input| route.takes.takes(input)))
}

/// How a profile gets these calls: by naming those that it has and that are off, or by a copy.
fn having(profile: &Profile, actions: &[&str]) -> String {
    let missing: Vec<&str> = actions.iter().filter(|action| !does(profile, action, None)).copied().collect();
    if !missing.is_empty() && missing.iter().all(|action| profile.wire.could_offer(action)) {
        return format!("add {} to SPRAG_OFFERS", missing.join(", "));
    }
    format!(
        "take a copy of the profile with routes that do {}, which take mfa_token = \"$mfa_token?\"",
        actions.join(", ")
    )
}

/// Whoever is asked must see that it is us.
fn expect_secret(config: &Config, profiles: &[Profile]) -> anyhow::Result<()> {
    let asking = profiles.iter().find(|profile| profile.hooks.are_any());
    match asking.filter(|_| config.webhooks.secrets.is_none()) {
        Some(profile) => bail!(
            "{} has [hooks], and there is nothing to sign with what they are asked; set SPRAG_WEBHOOK_SECRET to what this prints: \
             echo whsec_$(openssl rand -base64 32)",
            profile.file
        ),
        None => Ok(()),
    }
}

/// Numbers need a floor, and a floor needs numbers: a slip in one of the two would have new accounts meet old ones.
fn number_by(config: &Config, profiles: &mut [Profile]) -> anyhow::Result<()> {
    let (kind, floor) = (config.accounts.next_id, config.accounts.next_id_floor);
    for profile in profiles.iter_mut() {
        let own = if let NextId::Integer { floor } = profile.client.next_id { Some(floor) } else { None };
        profile.client.next_id = match (kind, floor.or(own)) {
            (None, _) if own.is_none() => profile.client.next_id,
            (None | Some(IdKind::Integer), Some(floor)) => NextId::Integer { floor },
            (None, None) | (Some(IdKind::Uuid), _) => NextId::Uuid,
            (Some(IdKind::ObjectId), _) => NextId::ObjectId,
            (Some(IdKind::Integer), None) => bail!(
                "{} is integer, and nothing says above which number the keys of new accounts begin; set SPRAG_NEXT_ID_FLOOR \
                 above every number that the back end beside this server will ever hand out",
                config.origin("next-id").subject("next-id")
            ),
        };
    }
    let is_numbered = profiles.iter().any(|profile| matches!(profile.client.next_id, NextId::Integer { .. }));
    if floor.is_some() && !is_numbered {
        bail!(
            "{} is set, and no profile gives new accounts numbers; set SPRAG_NEXT_ID=integer as well, or leave both out",
            config.origin("next-id-floor").subject("next-id-floor")
        );
    }
    Ok(())
}
