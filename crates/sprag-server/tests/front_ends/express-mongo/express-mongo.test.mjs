import assert from 'node:assert/strict';
import { play, scene, SECRET, until } from '../lib/play.mjs';
import { callsAreAllAnswered, callsLeadToLogin, tabsStayIn } from '../lib/scenes.mjs';

const FAITHFUL = { JWT_SECRET: SECRET, JWT_EXPIRE: '15m' };

scene('a call with an expired token is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn();
  const first = await tab.load();
  assert.equal(first.path, '/api/notes');

  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first, 'the same user, and nothing to notice');
  const [refresh, ...more] = user.refreshes().slice(before);
  assert.deepEqual([refresh.status, more.length], [200, 0]);
  assert.equal(refresh.got.token, await tab.accessToken());
  assert.equal(new URL(tab.page.url()).pathname, '/');
});

scene('the refresh token is out of reach of scripts', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const cookies = await user.context.cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly));
  const cookie = cookies.find((cookie) => cookie.name === 'refreshToken');
  const { name, path, httpOnly, secure, sameSite } = cookie;
  const expected = { name: 'refreshToken', path: '/api/auth', httpOnly: true, secure: false, sameSite: 'Strict' };
  assert.deepEqual({ name, path, httpOnly, secure, sameSite }, expected);
  assert.equal(await tab.page.evaluate(() => document.cookie), '');
});

scene('in production the cookie travels over https only', async ({ production }) => {
  const { user, tab } = await production.loggedIn();
  const cookies = await user.context.cookies();
  assert.ok(cookies.some((cookie) => cookie.name === 'refreshToken'));
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.secure));
  // Browsers count their own machine as safe, so that the rest can be shown here.
  production.expire(await tab.accessToken());
  assert.equal((await tab.load()).path, '/api/notes');
});

scene('axios on another origin is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn('/axios');
  const first = await tab.load();
  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first);
  assert.deepEqual(user.refreshes().slice(before).map((call) => call.status), [200]);
});

scene('the silent refresh renews the token before it expires', async ({ faithful }) => {
  const user = await faithful.user();
  await user.browser();
  await user.context.clock.install();
  const tab = await user.open('/silent');
  await tab.logIn();
  const first = await tab.accessToken();
  assert.equal(user.refreshes().length, 0);

  await user.context.clock.runFor(14 * 60 * 1000);
  await until('the silent refresh is stored', async () => (await tab.accessToken()) !== first);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200]);
  await user.context.clock.runFor(14 * 60 * 1000);
  assert.equal((await user.answers(2))[1].status, 200, 'and again with the cookie that the first one set');
});

scene('calls at one moment are all answered where retries are', callsAreAllAnswered());
scene('axios calls at one moment are all answered where retries are', callsAreAllAnswered('/axios'));
scene('calls at one moment lead to the log-in page as they did, and end no session', callsLeadToLogin);
scene('two tabs at one moment stay in where retries are answered', tabsStayIn);

scene('a refresh that fails leads to the log-in page', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const axios = await user.open('/axios');
  await faithful.sprag.endSessions(user.name);
  faithful.expire(await tab.accessToken());
  await tab.pressToLogin('#load');
  await axios.pressToLogin('#load');
  assert.equal(await axios.stored('accessToken'), null);
  assert.deepEqual(user.refreshes().map((call) => call.status), [401, 401]);
});

scene('log-out revokes every refresh token and leads to the log-in page', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  await (await user.otherDevice()).logIn();
  assert.equal((await user.sessions()).length, 2);
  const [token] = user.calls().map((call) => call.got.refreshToken);
  await tab.pressToLogin('#log-out');
  assert.equal(await tab.stored('accessToken'), null);
  assert.ok((await user.context.cookies()).every((cookie) => cookie.name !== 'refreshToken'));
  assert.deepEqual(await user.sessions(), []);
  assert.equal((await faithful.present(token)).status, 401);
});

play(
  import.meta.url,
  {
    auth: '/api/auth/',
    refresh: '/api/auth/refresh-token',
    refreshField: 'refreshToken',
    userOf: (claims) => claims.id,
  },
  {
    faithful: FAITHFUL,
    brief: { ...FAITHFUL, JWT_EXPIRE: '3s' },
    answering: { ...FAITHFUL, SPRAG_RETRY: 'answer' },
    production: { ...FAITHFUL, NODE_ENV: 'production' },
  },
);
