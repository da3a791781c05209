// Scenes that play alike with the code of several documents: of many calls and tabs at one moment, and of the libraries
// that read access tokens. Each is named where a document's test file plays it.

import assert from 'node:assert/strict';
import { until } from './play.mjs';
import { readByPython } from './python.mjs';

/** Three calls at one moment, made by the page at `path`; each of them refreshes for itself. */
export const callsAreAllAnswered = (path = '/') => async ({ answering }) => {
  const { user, tab } = await answering.loggedIn(path);
  answering.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  const loaded = (await tab.loadAll()).map((one) => one.path.split('/').at(-1));
  assert.deepEqual(loaded, ['notes', 'events', 'friends']);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200, 200, 200]);
};

/** Three calls at one moment where retries are refused, as the document's own system did: one of the three wins. */
export async function callsLeadToLogin({ faithful }) {
  const { user, tab } = await faithful.loggedIn();
  faithful.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  await tab.pressToLogin('#load-all');
  const answers = await user.answers(3);
  assert.deepEqual(answers.map((call) => call.status).sort(), [200, 401, 401]);
  assert.equal((await user.sessions()).length, 1);
  const newest = answers.find((call) => call.status === 200).got[faithful.refreshField];
  assert.equal((await faithful.present(newest)).status, 200);
}

/** Two tabs of one browser, twice: what the first round leaves behind in them is where the second begins. */
export async function tabsStayIn({ answering }) {
  const { user, tab } = await answering.loggedIn();
  const other = await user.open();
  for (const round of [1, 2]) {
    for (const one of [tab, other]) answering.expire(await one.accessToken());
    user.gatherRefreshes(2);
    const [one, two] = await Promise.all([tab.load(), other.load()]);
    assert.deepEqual(one, two);
    assert.deepEqual(user.refreshes().map((call) => call.status), Array(2 * round).fill(200));
  }
  assert.equal((await user.sessions()).length, 1);
}

/** What an API in Python verifies access tokens with. */
export async function pythonReadsTheAccessToken({ faithful, brief }) {
  const { tab } = await faithful.loggedIn();
  const { user: id } = await tab.load();
  const { claims } = await readByPython(await tab.accessToken());
  assert.deepEqual(claims.map(({ sub }) => sub), [id, id]);

  const { tab: late } = await brief.loggedIn();
  const token = await late.accessToken();
  await brief.expired(token);
  // python-jose takes a token for a second longer.
  await until('neither library takes it', async () => {
    const { errors } = await readByPython(token);
    return errors.length === 2 && errors.every((name) => name === 'ExpiredSignatureError');
  });
}
