import assert from 'node:assert/strict';
import { actAsBrowser } from '../lib/node.mjs';
import { play, scene, SECRET } from '../lib/play.mjs';
import { tabsStayIn } from '../lib/scenes.mjs';

const FAITHFUL = { JWT_SECRET: SECRET };

scene('a call with an expired token is refreshed and tried again', async ({ brief }) => {
  const { user, tab } = await brief.loggedIn();
  const first = await tab.load();
  const old = await tab.stored('refreshToken');
  await brief.expired(await tab.accessToken());
  const before = user.refreshes().length;
  assert.deepEqual(await tab.load(), first, 'the same user, and nothing to notice');
  const [refresh, ...more] = user.refreshes().slice(before);
  assert.deepEqual([refresh.status, refresh.sent.refreshToken, more.length], [200, old, 0]);
});

scene('the state and localStorage hold the same tokens', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  faithful.expire(await tab.accessToken());
  await tab.load();
  const { got } = user.refreshes().at(-1);
  const { token, refreshToken } = await tab.page.evaluate(() => window.app.state());
  assert.deepEqual({ token, refreshToken }, got);
  assert.deepEqual([await tab.stored('token'), await tab.stored('refreshToken')], [got.token, got.refreshToken]);

  await tab.page.reload();
  await tab.page.waitForFunction(() => window.app !== undefined);
  assert.equal((await tab.load()).path, '/api/notes', 'and a reload keeps the user in');
});

scene('the base query runs in Node as it does in a browser', async ({ brief }) => {
  const user = await brief.user();
  const { app } = await actAsBrowser(brief, user, './index.js');
  await app.logIn(user.login, user.password);
  const first = await app.load('notes');
  await brief.expired(app.accessToken());
  assert.deepEqual(await app.load('notes'), first);
  assert.ok(user.refreshes().length > 0 && user.refreshes().every((call) => call.status === 200));
});

scene('calls at one moment share one refresh', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  faithful.expire(await tab.accessToken());
  const before = user.calls().length;
  const turnedAway = (calls) => calls.slice(before).filter((call) => call.status === 401).length;
  faithful.calls.holdRefreshes(user.agent, (calls) => turnedAway(calls) === 3);
  assert.equal((await tab.loadAll()).length, 3);
  assert.deepEqual(user.refreshes().map((call) => call.status), [200]);
});

scene('two tabs at one moment stay in where retries are answered', tabsStayIn);

scene('two tabs at one moment lose one of them as they did, and end no session', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const other = await user.open();
  faithful.expire(await tab.accessToken());
  user.gatherRefreshes(2);
  await Promise.all([tab, other].map((one) => one.page.click('#load')));
  const answers = await user.answers(2);
  assert.deepEqual(answers.map((call) => call.status).sort(), [200, 401]);
  await Promise.race([tab, other].map((one) => one.atLogin()));
  assert.equal((await user.sessions()).length, 1);
  const newest = answers.find((call) => call.status === 200).got.refreshToken;
  assert.equal((await faithful.present(newest)).status, 200);
});

scene('a refresh that fails logs out', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  await faithful.sprag.endSessions(user.name);
  faithful.expire(await tab.accessToken());
  await tab.pressToLogin('#load');
  assert.equal(await tab.stored('refreshToken'), null);
  assert.deepEqual(user.refreshes().map((call) => call.status), [401]);
});

scene('log-out revokes the refresh token', async ({ faithful }) => {
  const { user, tab } = await faithful.loggedIn();
  const token = await tab.stored('refreshToken');
  await tab.pressToLogin('#log-out');
  assert.equal(await tab.stored('token'), null);
  assert.equal((await faithful.present(token)).status, 401);
  assert.deepEqual(await user.sessions(), []);
});

scene('whoever registers is in at once', async ({ faithful }) => {
  const user = await faithful.user();
  const tab = await user.open();
  const made = { email: `new-${user.login}`, password: user.password, username: `new-${user.name}` };
  const registered = await tab.page.evaluate((made) => window.app.register(made), made);
  assert.equal(registered.email, made.email);
  assert.deepEqual(await tab.load(), { user: registered.id, path: '/api/notes' });
});

play(
  import.meta.url,
  {
    auth: '/auth/',
    refresh: '/auth/refresh',
    refreshField: 'refreshToken',
    userOf: (claims) => claims.userId,
  },
  {
    faithful: FAITHFUL,
    answering: { ...FAITHFUL, SPRAG_RETRY: 'answer' },
    brief: { ...FAITHFUL, SPRAG_ACCESS_TTL: '3s' },
  },
);
