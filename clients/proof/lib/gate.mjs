// The network of one round: what stands between its tabs and the server. It has the pages, an API that verifies access tokens as
// any other does, and hands everything else on, or does not, or late, or twice, or half.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, request as ask } from 'node:http';
import { fateOf } from './faults.mjs';
import { answerPage } from './pages.mjs';
import { SECRET } from './sprag.mjs';
import { tokensIn } from './token.mjs';

/** How long an answer is held for another one to overtake it, and how long a silent one stays open. */
const OVERTAKEN_MS = 1_500;
const SILENT_MS = 20_000;

const API = '/api/notes';

/** Opens a server on loopback; `close` cuts what is still connected. */
export async function listen(host, handler) {
  const server = createServer((request, response) => {
    handler(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(502);
      response.end(`${error.message}\n`);
    });
  });
  server.keepAliveTimeout = 30_000;
  await new Promise((resolve) => server.listen(0, host, resolve));
  return {
    url: `http://${host}:${server.address().port}`,
    cut: () => server.closeAllConnections(),
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

export class Gate {
  /** Every call that came by, oldest first. */
  calls = [];
  /** What the pages told of themselves. */
  reports = [];
  /** How many calls of each kind came. */
  counts = { refresh: 0, login: 0, logout: 0, call: 0 };
  /** The newest generation that the server handed out, by session. */
  newest = new Map();
  /** Tokens that were sent to another origin. */
  leaked = [];
  isHealed = false;
  /** How many refreshes are not answered yet. */
  underWay = 0;
  /** While it is, nobody gets through. */
  isOut = false;
  #overtaking = [];

  constructor({ seed, host, facts, server, intervalMs, isCalm = false }) {
    Object.assign(this, { seed, host, facts, server, intervalMs, isCalm });
  }

  async open() {
    this.site = await listen(this.host, (request, response) => this.#answer(request, response));
    this.elsewhere = await listen('127.0.0.1', (request, response) => this.#elsewhere(request, response));
    this.url = this.site.url;
    return this;
  }

  async close() {
    await Promise.all([this.site.close(), this.elsewhere.close()]);
  }

  /** From now on every call gets through as it should. */
  heal() {
    this.isHealed = true;
    this.isOut = false;
  }

  /** The network is gone, for those who are connected too. */
  goOut() {
    this.isOut = true;
    this.site.cut();
  }

  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://site');
    const sent = await read(request);
    if (pathname === '/tab') this.#giveOldCookie(searchParams, response);
    if (pathname === '/rig/report') {
      this.reports.push({ at: Date.now(), ...JSON.parse(sent) });
      return void response.writeHead(204).end();
    }
    const kind = this.#kind(request.method, pathname);
    if (!kind) return answerPage(pathname, response, this);
    this.counts[kind] += 1;
    const isFated = !this.isHealed && !this.isCalm;
    const fate = isFated ? fateOf(this.seed, kind, this.counts[kind], this.intervalMs) : { fate: 'none' };
    const call = { at: Date.now(), kind, count: this.counts[kind], fate: fate.fate, sent: this.#tokens(request, sent) };
    call.retryId = request.headers['idempotency-key'];
    this.calls.push(call);
    const upstream = () => (kind === 'call' ? answerApi(request) : this.#ask(request, sent));
    if (kind === 'refresh') this.underWay += 1;
    await this.#meet(fate, call, { request, response, upstream }).finally(() => {
      call.took = Date.now() - call.at;
      if (kind === 'refresh') this.underWay -= 1;
    });
  }

  /** The cookie of the system before, in a browser that has been there: once, whichever tab comes first. */
  #giveOldCookie(asked, response) {
    if (this.hasOldCookie || !asked.has('old') || asked.get('mode') !== 'cookie') return;
    this.hasOldCookie = true;
    response.setHeader('set-cookie', `${this.facts.cookie}=${asked.get('old')}; Path=/; HttpOnly; Max-Age=3600`);
  }

  #kind(method, path) {
    if (path === API) return 'call';
    if (method !== 'POST') return undefined;
    if (path === this.facts.refresh) return 'refresh';
    if (path === this.facts.login) return 'login';
    return path.startsWith(`${this.facts.at}/`) ? 'logout' : undefined;
  }

  async #meet(fate, call, { request, response, upstream }) {
    if (fate.before) await wait(fate.before);
    if (fate.fate === 'lostRequest' || this.isOut) return void request.socket.destroy();
    if (fate.instead && !fate.reaches) return this.#say(fate.instead, call, response);
    const answer = await this.#reach(fate.twice, call, upstream);
    if (fate.after) await wait(fate.after);
    if (fate.overtaken) await this.#letOthersPass();
    if (fate.fate === 'lostAnswer' || this.isOut) return void request.socket.destroy();
    if (fate.fate === 'silent') return void (await this.#beSilent(request));
    if (fate.instead) return this.#say(fate.instead, call, response);
    call.status = answer.status;
    hand(answer, response, fate);
    for (const pass of this.#overtaking.splice(0)) pass();
    return undefined;
  }

  /** Asks the server, or asks it twice as a proxy between does that lost a connection. */
  async #reach(twice, call, upstream) {
    const one = async () => this.#note(call, await upstream());
    if (!twice) return one();
    if (twice === 'together') return Promise.race([one(), one()]);
    const first = await one();
    const second = await one();
    return twice === 'first' ? first : second;
  }

  /** Keeps what the server handed out. */
  #note(call, answer) {
    call.reached = answer.status;
    const cookies = answer.rawHeaders.filter((_, at) => /^set-cookie$/i.test(answer.rawHeaders[at - 1] ?? ''));
    const given = tokensIn(`${cookies.join('\n')}\n${answer.body}`);
    call.got = given.map(brief);
    if (answer.status >= 400) call.said = answer.body.toString().slice(0, 200);
    for (const { session, generation, token } of given) {
      const known = this.newest.get(session);
      if (!known || known.generation <= generation) this.newest.set(session, { generation, token, at: Date.now() });
    }
    return answer;
  }

  #ask(request, sent) {
    const { method, url: path, headers } = request;
    return askServer(this.server.port, { method, path, headers }, sent).catch(() => {
      return { status: 502, rawHeaders: ['content-type', 'text/html'], body: Buffer.from('<h1>502 Bad Gateway</h1>') };
    });
  }

  #say({ status, headers = {}, body, type = 'text/html', elsewhere }, call, response) {
    call.status = status;
    const where = elsewhere ? { location: `${this.elsewhere.url}/welcome` } : {};
    response.writeHead(status, { 'content-type': type, ...headers, ...where }).end(body);
  }

  async #letOthersPass() {
    let passed;
    const others = new Promise((resolve) => (passed = resolve));
    this.#overtaking.push(passed);
    await Promise.race([others, wait(Math.min(OVERTAKEN_MS, this.intervalMs / 2))]);
  }

  async #beSilent({ socket }) {
    const gone = new Promise((resolve) => socket.once('close', resolve));
    await Promise.race([gone, wait(SILENT_MS)]);
    socket.destroy();
  }

  #tokens(request, sent) {
    return tokensIn(`${request.headers.cookie ?? ''}\n${sent}`).map(brief);
  }

  /** Another origin, which says to everybody that they may read it, and keeps what tokens it is told. */
  async #elsewhere(request, response) {
    const sent = await read(request);
    const { authorization = '', cookie = '', origin = '*' } = request.headers;
    this.leaked.push(...tokensIn(`${cookie}\n${sent}`).map(() => 'refresh token'));
    if (/^Bearer ey/.test(authorization)) this.leaked.push('access token');
    response.writeHead(200, {
      'content-type': 'text/html',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
    });
    response.end('<h1>Accept our terms</h1>');
  }
}

/** Asks the server itself, with no network between. */
export function askServer(port, { method = 'POST', path, headers = {} }, sent = '') {
  return new Promise((resolve, reject) => {
    const asked = ask({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (answer) => {
      const body = await read(answer).catch(reject);
      resolve({ status: answer.statusCode, rawHeaders: answer.rawHeaders, body });
    });
    asked.once('error', reject).end(sent);
  });
}

/** An API as others are: a good access token is let in, any other is a 401. */
function answerApi(request) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const user = token && verified(token);
  const body = Buffer.from(JSON.stringify(user ? { user } : { message: 'sign in first' }));
  return { status: user ? 200 : 401, rawHeaders: ['content-type', 'application/json'], body };
}

function verified(token) {
  const [header, claims, tag] = token.split('.');
  const right = createHmac('sha256', SECRET).update(`${header}.${claims}`).digest();
  const given = Buffer.from(tag ?? '', 'base64url');
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url'));
  return exp * 1000 > Date.now() ? sub : undefined;
}

function hand(answer, response, { cutAt, shortAt }) {
  if (response.destroyed) return;
  const { status, body } = answer;
  if (cutAt !== undefined && body.length > 0) {
    // The length promises more than comes, and the connection ends.
    response.writeHead(status, answer.rawHeaders);
    response.write(body.subarray(0, Math.floor(body.length * cutAt)), () => response.destroy());
    return;
  }
  const end = shortAt === undefined ? body.length : Math.floor(body.length * shortAt);
  const headers = answer.rawHeaders.slice();
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-length');
  if (at >= 0) headers[at + 1] = String(end);
  response.writeHead(status, headers).end(body.subarray(0, end));
}

export async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const brief = ({ session, generation }) => ({ session, generation });
const wait = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
