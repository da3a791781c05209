// The client, bound to what the rig asks of every front end.

import * as sprag from 'sprag-client';

/** `fastapi-events` is exported as `fastapiEvents`. */
const exported = (profile) => profile.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

export async function make({ origin, mode, facts, report, storage }) {
  const profile = sprag[exported(facts.profile)];
  if (!profile) throw new Error(`sprag-client exports no profile ${exported(facts.profile)}`);
  const client = sprag.createClient({ url: origin, profile, mode, ...(storage && { storage }) });
  client.onSignedOut(({ cause, detail }) => report('signed out', { cause, detail }));
  return {
    logIn: (name, password) => client.login({ [facts.name]: name, password }),
    logOut: () => client.logout(),
    logOutEverywhere: () => client.logoutEverywhere(),
    changePassword: (current, next) => client.changePassword(current, next),
    stepUp: (password) => client.stepUp({ password }),
    async call() {
      const answer = await client.fetch(`${origin}/api/notes`);
      await answer.text();
      return answer.status;
    },
    refresh: () => client.refresh(),
    state: () => client.session.state,
    close: () => client.close(),
  };
}
