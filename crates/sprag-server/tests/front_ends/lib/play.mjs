// A profile's scenes on their stages: Sprag with that profile, the site before it, one browser. Several play at once, each with
// users and browser contexts of its own.

import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBrowser, Tab } from './browser.mjs';
import { answerApi, answerPage, Calls, handOn, listen } from './site.mjs';
import { PASSWORD, startSprag } from './sprag.mjs';

/** Random, and long enough; as a team's own secret would be. */
export const SECRET = '7f0a1c94e35bd8622dd0f6e1b8a4537c9e02';

/** How long one scene may take, and how long anything is waited for: far beyond what they need. */
const SCENE_MS = 60_000;
const WAIT_MS = 20_000;
const LOOK_MS = 50;

/** How many scenes play at once: enough to fill the waiting, and not so many that they wait for each other. Two profiles play at a time. */
const AT_ONCE = 2;

// Whoever started this holds our standard input; when they are gone we go too, and what we started with us.
if (process.env.SPRAG_TEST_IS_TIED) process.stdin.on('end', () => process.exit(1)).resume().unref();

const written = [];

/** One scene: its name is the test's. */
export function scene(name, act) {
  written.push({ name, act });
}

/** Plays all scenes of a test file, whose folder bears the profile's name. `stages` says for each how Sprag is set up. */
export function play(file, document, stages) {
  const folder = dirname(fileURLToPath(file));
  const profile = basename(folder);
  test(profile, { concurrency: AT_ONCE }, async (whole) => {
    const browser = await startBrowser();
    const opened = [];
    try {
      for (const [name, env] of Object.entries(stages)) {
        const stage = new Stage({ ...document, folder, profile, name, env, browser });
        opened.push(stage);
        await stage.open();
      }
      const limits = { timeout: SCENE_MS };
      await Promise.all(written.map(({ name, act }) => whole.test(name, limits, () => playOne(act, opened))));
    } finally {
      await browser.close();
      await Promise.all(opened.map((stage) => stage.close()));
    }
  });
}

/** Gives a scene the stages by their names, and closes its browser contexts after it. Where it fails, it says what their servers logged. */
async function playOne(act, opened) {
  const stages = opened.map((stage) => stage.forScene());
  try {
    await act(Object.fromEntries(stages.map((stage) => [stage.name, stage])));
  } catch (error) {
    const logged = stages.map((stage) => stage.sprag.log()).join('');
    throw new Error(`${error.stack}\nthe servers logged:\n${logged || 'nothing'}`);
  } finally {
    await Promise.all(stages.map((stage) => stage.leave()));
  }
}

/** Looks until it is so; what it waits for has no bell of its own. */
export async function until(what, isSo) {
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_MS) {
    const found = await isSo();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`waited in vain until ${what}`);
}

class Stage {
  calls = new Calls();
  /** The access tokens at whose end the API's clock is. */
  wound = new Set();
  /** What scenes share, each being on a stage of its own that stands on this one. */
  shared = { users: 0, isPluggedIn: true };

  /**
   * A document says below which path its log-in lies (`auth`), which call refreshes (`refresh`) with the token in which
   * field (`refreshField`), and whom an access token's claims mean to its API (`userOf`).
   */
  constructor(document) {
    Object.assign(this, document);
  }

  async open() {
    this.site = await listen((request, response) => this.answer(request, response, true));
    this.backEnd = await listen((request, response) => this.answer(request, response, false));
    // The pages' code may call the back end on their own origin, or on another one.
    const origins = { SPRAG_PUBLIC_URL: this.site.url, SPRAG_CORS_ORIGINS: this.site.url };
    this.sprag = await startSprag({ profile: this.profile, env: { ...origins, ...this.env } });
  }

  /** This stage for one scene, which has users of its own. */
  forScene() {
    return Object.assign(Object.create(this), { people: [] });
  }

  /** Closes the browsers of the scene's users. */
  async leave() {
    await Promise.all(this.people.map((user) => user.context?.close()));
  }

  /** From now on Sprag is not reached. */
  unplug() {
    this.shared.isPluggedIn = false;
  }

  async answer(request, response, hasPages) {
    const { pathname } = new URL(request.url, 'http://site');
    const { method } = request;
    const call = { agent: request.headers['user-agent'], method, path: pathname, isRefresh: false };
    call.isRefresh = method === 'POST' && pathname === this.refresh;
    if (pathname.startsWith(this.auth)) {
      const upstream = () => {
        if (!this.shared.isPluggedIn) throw new Error('nobody answers behind this server');
        return this.sprag.url;
      };
      return handOn(request, response, call, { calls: this.calls, upstream });
    }
    if (!hasPages && this.allowsSite(request, response)) return undefined;
    if (pathname.startsWith('/api/')) {
      const { calls, userOf, wound } = this;
      return answerApi(request, response, call, { calls, userOf, wound, secret: SECRET });
    }
    if (!hasPages) return void response.writeHead(404).end();
    return answerPage(request, response, { folder: this.folder, backEnd: this.backEnd.url });
  }

  /** CORS, as the API's own; Sprag answers for itself. Whether the request was a preflight and is answered. */
  allowsSite(request, response) {
    response.setHeader('access-control-allow-origin', this.site.url);
    response.setHeader('access-control-allow-credentials', 'true');
    response.setHeader('access-control-allow-headers', 'authorization, content-type');
    if (request.method === 'OPTIONS') response.writeHead(204).end();
    return request.method === 'OPTIONS';
  }

  /** A user of this scene's own. */
  async user() {
    this.shared.users += 1;
    const name = `ann-${this.shared.users}`;
    await this.sprag.createUser(name);
    return new User(this, name, 'browser');
  }

  /** A user who has logged in at a page. */
  async loggedIn(path = '/') {
    const user = await this.user();
    const tab = await user.open(path);
    await tab.logIn();
    return { user, tab };
  }

  /** Calls the API as anyone may. */
  async api(token) {
    const response = await fetch(`${this.site.url}/api/notes`, { headers: { authorization: `Bearer ${token}` } });
    return response.status;
  }

  /** Winds the API's clock to the end of this access token, as of which it is verified from now on. */
  expire(token) {
    if (!token) throw new Error('there is no access token that could expire');
    this.wound.add(token);
  }

  /** Waits until the API takes this access token no more by itself. */
  async expired(token) {
    if (!token) throw new Error('there is no access token that could expire');
    await until('the access token expires', async () => (await this.api(token)) === 401);
  }

  /** Presents a refresh token as the document's clients do; the answer's status and body. */
  async present(token) {
    const response = await fetch(`${this.site.url}${this.refresh}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ [this.refreshField]: token }),
    });
    return { status: response.status, body: await response.json() };
  }

  async close() {
    await Promise.all([this.site?.close(), this.backEnd?.close(), this.sprag?.stop()]);
  }
}

/** Somebody with an account, and with a browser that tells the calls of this scene from others'. */
class User {
  constructor(stage, name, device) {
    const login = stage.login === 'username' ? name : `${name}@example.com`;
    Object.assign(this, { stage, name, login, password: PASSWORD });
    this.agent = `${device} of ${name}`;
    stage.people.push(this);
  }

  /** This user's browser: storage and cookies that no other user has. */
  async browser() {
    this.context ??= await this.stage.browser.newContext({ userAgent: this.agent });
    return this.context;
  }

  /** A new tab of it. */
  async open(path = '/') {
    const page = await (await this.browser()).newPage();
    await page.goto(`${this.stage.site.url}${path}`);
    await page.waitForFunction(() => window.app !== undefined);
    return new Tab(page, this);
  }

  /** A tab on another device of the same user's. */
  otherDevice(path = '/') {
    return new User(this.stage, this.name, 'phone').open(path);
  }

  calls = () => this.stage.calls.of(this.agent);
  refreshes = () => this.calls().filter((call) => call.isRefresh);
  sessions = () => this.stage.sprag.sessions(this.name);

  /** From now on this user's refreshes wait for each other until as many have come. */
  gatherRefreshes(count) {
    const before = this.refreshes().length;
    const isTime = (calls) => calls.filter((call) => call.isRefresh).length >= before + count;
    this.stage.calls.holdRefreshes(this.agent, isTime);
  }

  /** The first of this user's refreshes, once they are answered. */
  async answers(count) {
    const first = () => this.refreshes().slice(0, count);
    const isAnswered = () => first().length === count && first().every((call) => call.status !== undefined);
    await until(`${count} refreshes are answered`, isAnswered);
    return first();
  }
}
