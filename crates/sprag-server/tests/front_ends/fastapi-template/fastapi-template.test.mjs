import assert from 'node:assert/strict';
import { play, scene, SECRET } from '../lib/play.mjs';
import { callsAreAllAnswered, callsLeadToLogin, pythonReadsTheAccessToken, tabsStayIn } from '../lib/scenes.mjs';

const FAITHFUL = { SECRET_KEY: SECRET, ALGORITHM: 'HS256', ACCESS_TOKEN_EXPIRE_MINUTES: 30 };

scene('a call with an expired token is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn();
  const first = await tab.load();
  const old = await tab.stored('refresh_token');
  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first, 'the same user, and nothing to notice');
  const [refresh, ...more] = user.refreshes().slice(before);
  assert.deepEqual([refresh.status, refresh.sent.refresh_token, more.length], [200, old, 0]);
  assert.equal(await tab.stored('access_token'), refresh.got.access_token);
  assert.equal(await tab.stored('refresh_token'), refresh.got.refresh_token);
});

scene('calls at one moment are all answered where retries are', callsAreAllAnswered());
scene('calls at one moment lead to the log-in page as they did, and end no session', callsLeadToLogin);
scene('two tabs at one moment stay in where retries are answered', tabsStayIn);

scene('a refresh that fails leads to the log-in page', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  await faithful.sprag.endSessions(user.name);
  faithful.expire(await tab.accessToken());
  await tab.pressToLogin('#load');
  assert.equal(await tab.stored('refresh_token'), null);
  assert.deepEqual(user.refreshes().map((call) => call.status), [401]);
});

scene('log-out revokes the refresh token of this device only', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const token = await tab.stored('refresh_token');
  const phone = await user.otherDevice();
  await phone.logIn();
  await tab.pressToLogin('#log-out');
  assert.equal(await tab.stored('refresh_token'), null);
  assert.equal((await faithful.present(token)).status, 401);
  assert.equal((await user.sessions()).length, 1);
  faithful.expire(await phone.accessToken());
  assert.equal((await phone.load()).path, '/api/notes');
});

scene('log-out of all devices revokes every refresh token', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const phone = await user.otherDevice();
  await phone.logIn();
  await tab.pressToLogin('#log-out-all');
  assert.deepEqual(await user.sessions(), []);
  faithful.expire(await phone.accessToken());
  await phone.pressToLogin('#load');
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
