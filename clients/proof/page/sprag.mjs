// The client, bound to what the rig asks of every front end: in the page, or in a service worker that holds the tokens.

import * as sprag from 'sprag-client';

/** `fastapi-events` is exported as `fastapiEvents`. */
const exported = (profile) => profile.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

export async function make(asked) {
  const { origin, facts, report } = asked;
  const made = asked.keeper === 'worker' ? await inWorker(asked) : inPage(asked);
  const { client } = made;
  client.onSignedOut(({ cause, detail }) => report('signed out', { cause, detail }));
  return {
    logIn: (name, password) => client.login({ [facts.name]: name, password }),
    logOut: () => client.logout(),
    logOutEverywhere: () => client.logoutEverywhere(),
    changePassword: (current, next) => client.changePassword(current, next),
    stepUp: (password) => client.stepUp({ password }),
    async call() {
      const answer = await made.fetch(`${origin}/api/notes`);
      await answer.text();
      return answer.status;
    },
    refresh: () => client.refresh(),
    state: () => client.session.state,
    close: made.close,
  };
}

function inPage({ origin, mode, facts, storage }) {
  const profile = sprag[exported(facts.profile)];
  if (!profile) throw new Error(`sprag-client exports no profile ${exported(facts.profile)}`);
  const client = sprag.createClient({ url: origin, profile, mode, importFrom: 'refresh_token', ...(storage && { storage }) });
  return { client, fetch: client.fetch, close: () => client.close() };
}

async function inWorker({ mode, facts, clock }) {
  const { connect } = await import('sprag-client/service-worker');
  const words = new URLSearchParams({ mode, clock, profile: exported(facts.profile) });
  await navigator.serviceWorker.register(`/worker.js?${words}`);
  const client = connect();
  await client.ready;
  window.stored = stored;
  return {
    client,
    fetch: (url) => fetch(url),
    close() {
      client.close();
      navigator.serviceWorker.controller?.postMessage({ rig: 'close' });
    },
  };
}

/** What the worker keeps. */
async function stored() {
  const come = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await come(indexedDB.open('sprag', 1));
  const kept = await come(database.transaction('kept').objectStore('kept').get('sprag'));
  database.close();
  return kept ?? '';
}
