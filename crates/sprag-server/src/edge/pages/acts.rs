//! What each page looks at, and what its form does.

use sprag::Error;
use sprag::one_time::Purpose;

use super::{Form, Page, Sent, Shared, Shown, invite, log_in};

/// What a page says before anything is done: a look, by which nothing is spent.
pub(super) async fn look(shared: &Shared, page: Page, token: &str) -> Result<Shown, Error> {
    let letters = shared.app.engine.letters();
    let of = async |purpose, section| {
        let link = letters.link(purpose, token).await?;
        Ok::<_, Error>(Shown::saying(section, link.address).asking(Form::of(token)))
    };
    match page {
        Page::Verify => {
            let link = letters.link(Purpose::VerifyEmail, token).await?;
            let account = shared.app.engine.accounts().get(link.account).await?;
            // Whoever was sent this by what somebody else did sees by it that the account is none of theirs.
            let username = account.username.filter(|name| *name != link.address);
            Ok(Shown { username, ..Shown::saying("page_verify", link.address) }.asking(Form::of(token)))
        }
        Page::Reset => {
            let shown = of(Purpose::ResetPassword, "page_reset").await?;
            Ok(shown.asking(Form::of_password(token)))
        }
        Page::Email => of(Purpose::ChangeEmail, "page_email").await,
        Page::Undo => of(Purpose::UndoEmail, "page_undo").await,
        Page::Delete => of(Purpose::KeepAccount, "page_delete").await,
        Page::Invite => invite::look(shared, token).await,
        Page::NotMe => {
            let link = letters.not_me_link(token).await?;
            let section = if link.everywhere { "page_not_me_all" } else { "page_not_me" };
            let form = Form { offers_everywhere: !link.everywhere, ..Form::of(token) };
            Ok(Shown { news: link.news, ..Shown::saying(section, link.address) }.asking(form))
        }
        Page::Code => {
            let link = letters.login_link(token).await?;
            let opens = log_in::opens_session(shared, link.how);
            match opens.filter(|profile| !link.wants_enrolment(&shared.app.policy_of(profile))) {
                Some(_) => Ok(Shown::saying("page_code", link.address).asking(Form::of(token))),
                None => Ok(Shown { code: Some(link.code), ..Shown::saying("page_code_shown", link.address) }),
            }
        }
    }
}

/// What a page's form does, and what the page says then.
pub(super) async fn act(
    shared: &Shared,
    page: Page,
    sent: &Sent<'_>,
    requester: &sprag::engine::Requester,
) -> Result<Shown, Error> {
    let letters = shared.app.engine.letters();
    match page {
        Page::Verify => {
            let link = letters.verify(sent.token, requester).await?;
            Ok(Shown::saying("page_verified", link.address))
        }
        Page::Reset => {
            letters.reset_password(sent.token, sent.new_password, requester).await?;
            Ok(Shown::saying("page_reset_done", ""))
        }
        Page::Email => {
            let link = letters.change_email(sent.token, requester).await?;
            Ok(Shown::saying("page_email_done", link.address))
        }
        Page::Undo => {
            let undone = letters.undo_email_change(sent.token, requester).await?;
            Ok(Shown::saying("page_undone", undone.address).asking(Form::of_reset(undone.reset.as_str())))
        }
        Page::NotMe => {
            let disowned = letters.not_me(sent.token, sent.everywhere, requester).await?;
            Ok(match disowned.reset {
                Some(reset) => Shown::saying("page_disowned", "").asking(Form::of_reset(reset.as_str())),
                None => Shown::saying("page_disowned_done", ""),
            })
        }
        Page::Delete => {
            let link = letters.keep_account(sent.token, requester).await?;
            Ok(Shown::saying("page_kept", link.address))
        }
        Page::Invite => invite::act(shared, sent, requester).await,
        // It opens a session, and sets its cookies besides.
        Page::Code => look(shared, page, sent.token).await,
    }
}
