import assert from 'node:assert/strict';
import { actAsBrowser } from '../lib/node.mjs';
import { play, scene, SECRET } from '../lib/play.mjs';
import { callsAreAllAnswered, callsLeadToLogin, pythonReadsTheAccessToken } from '../lib/scenes.mjs';

const FAITHFUL = { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256', JWT_ACCESS_TOKEN_EXPIRE_MINUTES: 30 };

const refreshToken = (tab) => tab.page.evaluate(() => window.app.refreshToken());

scene('a call with an expired token is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn();
  const first = await tab.load();
  const old = await refreshToken(tab);
  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first, 'the same user, and nothing to notice');
  const [refresh, ...more] = user.refreshes().slice(before);
  assert.deepEqual([refresh.status, refresh.sent.refresh_token, more.length], [200, old, 0]);
  assert.notEqual(await refreshToken(tab), old);
});

scene('the client runs in Node as it does in a browser', async ({ brief }) => {
  const user = await brief.user();
  const { app } = await actAsBrowser(brief, user, './index.js');
  await app.logIn(user.login, user.password);
  const first = await app.load('notes');
  for (const round of [1, 2]) {
    await brief.expired(app.accessToken());
    assert.deepEqual(await app.load('notes'), first, `after expiry ${round}`);
  }
  const old = app.refreshToken();
  await app.logOut();
  assert.equal((await brief.present(old)).status, 401);
});

scene('calls at one moment are all answered where retries are', callsAreAllAnswered());
scene('calls at one moment lead to the log-in page as they did, and end no session', callsLeadToLogin);

// Its pairs are kept by each tab, so that two tabs are two log-ins.
scene('two tabs at one moment stay in', async ({ answering }) => {
  const { user, tab } = await answering.loggedIn();
  const other = await user.open();
  await other.logIn();
  for (const one of [tab, other]) answering.expire(await one.accessToken());
  user.gatherRefreshes(2);
  const [one, two] = await Promise.all([tab.load(), other.load()]);
  assert.deepEqual(one, two);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200, 200]);
  assert.equal((await user.sessions()).length, 2);
});

scene('an old refresh token is refused after the rotation', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const old = await refreshToken(tab);
  faithful.expire(await tab.accessToken());
  await tab.load();
  assert.equal((await faithful.present(old)).status, 401);
  assert.equal((await user.sessions()).length, 1);
});

scene('a refresh that fails leads to the log-in page', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  await faithful.sprag.endSessions(user.name);
  faithful.expire(await tab.accessToken());
  await tab.pressToLogin('#load');
  assert.deepEqual(user.refreshes().map((call) => call.status), [401]);
});

scene('log-out ends this device and leaves the others', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const token = await refreshToken(tab);
  const phone = await user.otherDevice();
  await phone.logIn();
  await tab.pressToLogin('#log-out');
  assert.equal((await faithful.present(token)).status, 401);
  faithful.expire(await phone.accessToken());
  assert.equal((await phone.load()).path, '/api/v1/notes');
});

scene('log-out of all devices ends each of them', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const phone = await user.otherDevice();
  await phone.logIn();
  const tokens = await Promise.all([tab, phone].map(refreshToken));
  await tab.pressToLogin('#log-out-all');
  assert.deepEqual(await user.sessions(), []);
  const again = await Promise.all(tokens.map((token) => faithful.present(token)));
  assert.deepEqual(again.map(({ status }) => status), [401, 401]);
});

scene('PyJWT and python-jose read the access token as before', pythonReadsTheAccessToken);

play(
  import.meta.url,
  {
    auth: '/api/v1/auth/',
    refresh: '/api/v1/auth/refresh',
    refreshField: 'refresh_token',
    userOf: (claims) => claims.sub,
    login: 'username',
  },
  {
    faithful: FAITHFUL,
    answering: { ...FAITHFUL, SPRAG_RETRY: 'answer' },
    brief: { ...FAITHFUL, SPRAG_ACCESS_TTL: '3s' },
  },
);
