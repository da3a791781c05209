import assert from 'node:assert/strict';
import { play, scene, SECRET, until } from '../lib/play.mjs';

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

scene('calls at one moment are all answered where retries are', async ({ answering }) => {
  const { user, tab } = await answering.loggedIn();
  answering.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  const all = await tab.loadAll();
  assert.deepEqual(all.map((one) => one.path), ['/api/notes', '/api/events', '/api/friends']);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200, 200, 200]);
});

scene('axios calls at one moment are all answered where retries are', async ({ answering }) => {
  const { user, tab } = await answering.loggedIn('/axios');
  answering.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  assert.equal((await tab.loadAll()).length, 3);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200, 200, 200]);
});

scene('calls at one moment lead to the log-in page as they did, and end no session', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  faithful.expire(await tab.accessToken());
  user.gatherRefreshes(3);
  await tab.pressToLogin('#load-all');
  const answers = await user.answers(3);
  assert.deepEqual(answers.map((call) => call.status).sort(), [200, 401, 401]);
  assert.equal((await user.sessions()).length, 1);
  const newest = answers.find((call) => call.status === 200).got.refreshToken;
  assert.equal((await faithful.present(newest)).status, 200);
});

scene('two tabs at one moment stay in where retries are answered', async ({ answering }) => {
  const { user, tab } = await answering.loggedIn();
  const other = await user.open();
  for (const round of [1, 2]) {
    answering.expire(await tab.accessToken());
    user.gatherRefreshes(2);
    const [one, two] = await Promise.all([tab.load(), other.load()]);
    assert.deepEqual(one, two);
    assert.deepEqual(user.refreshes().map((call) => call.status), Array(2 * round).fill(200));
  }
  assert.equal((await user.sessions()).length, 1);
});

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
