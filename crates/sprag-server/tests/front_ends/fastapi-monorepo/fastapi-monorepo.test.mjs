import assert from 'node:assert/strict';
import { actAsBrowser } from '../lib/node.mjs';
import { play, scene, SECRET } from '../lib/play.mjs';
import { callsAreAllAnswered, pythonReadsTheAccessToken, tabsStayIn } from '../lib/scenes.mjs';

const FAITHFUL = { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256', JWT_ACCESS_TOKEN_EXPIRE_MINUTES: 15 };

scene('a call with an expired token is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn();
  const first = await tab.load();
  const old = await tab.stored('refresh_token');
  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first, 'the same user, and nothing to notice');
  const [refresh, ...more] = user.refreshes().slice(before);
  assert.deepEqual([refresh.status, refresh.sent.refresh_token, more.length], [200, old, 0]);
  assert.equal(await tab.stored('refresh_token'), refresh.got.refresh_token);
});

scene('the interceptor runs in Node as it does in a browser', async ({ brief }) => {
  const user = await brief.user();
  const { app } = await actAsBrowser(brief, user, './index.js');
  await app.logIn(user.login, user.password);
  const first = await app.load('notes');
  await brief.expired(app.accessToken());
  assert.deepEqual(await app.load('notes'), first);
  assert.ok(user.refreshes().every((call) => call.status === 200));
});

scene('calls at one moment are all answered where retries are', callsAreAllAnswered());

// The interceptor hears its own refused refresh, and refreshes for it: at its former back end too, it would ask on and on.
scene('calls at one moment are refused a refresh as they were, and end no session', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  faithful.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  await tab.page.click('#load-all');
  const answers = await user.answers(3);
  assert.deepEqual(answers.map((call) => call.status).sort(), [200, 401, 401]);
  await user.answers(6);
  await tab.page.close();
  assert.equal((await user.sessions()).length, 1);
});

scene('two tabs at one moment stay in where retries are answered', tabsStayIn);

scene('a refresh that fails leads to the log-in page', async ({ unplugged }) => {
  const { user, tab } = await unplugged.loggedIn();
  unplugged.expire(await tab.accessToken());
  unplugged.unplug();
  await tab.pressToLogin('#load');
  assert.equal(user.refreshes().length, 1);
});

// A 401 does not reach the line that leads to the log-in page.
scene('a refresh that is refused is asked for again and again, as it was', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  await faithful.sprag.endSessions(user.name);
  faithful.expire(await tab.accessToken());
  await tab.page.click('#load');
  const answers = await user.answers(3);
  assert.ok(answers.every((call) => call.status === 401 && typeof call.got.detail === 'string'));
  assert.equal(new URL(tab.page.url()).pathname, '/');
  await tab.page.close();
});

scene('log-out revokes the refresh token', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const token = await tab.stored('refresh_token');
  await tab.pressToLogin('#log-out');
  assert.deepEqual(await user.sessions(), []);
  const { status, body } = await faithful.present(token);
  assert.deepEqual([status, Object.keys(body)], [401, ['detail']]);
});

scene('PyJWT and python-jose read the access token as before', pythonReadsTheAccessToken);

play(
  import.meta.url,
  {
    auth: '/auth/',
    refresh: '/auth/token/refresh',
    refreshField: 'refresh_token',
    userOf: (claims) => claims.sub,
    login: 'username',
  },
  {
    faithful: FAITHFUL,
    answering: { ...FAITHFUL, SPRAG_RETRY: 'answer' },
    brief: { ...FAITHFUL, SPRAG_ACCESS_TTL: '3s' },
    unplugged: FAITHFUL,
  },
);
