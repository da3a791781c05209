// What stands before Sprag at a team that moved to it: one web server with the pages, a protected API that verifies access
// tokens as it always did, and everything below the log-in's path handed on to Sprag.

import { readFile } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import jwt from 'jsonwebtoken';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };

/** Opens a server on a free port; `close` cuts what is still connected. */
export async function listen(handler) {
  const server = createServer((request, response) => {
    handler(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(502);
      response.end(`${error.message}\n`);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The calls that came by, each with who made it, and gates that hold some of them back. */
export class Calls {
  #made = [];
  #gates = [];

  /** Those of one client, known by its user agent. */
  of(agent) {
    return this.#made.filter((call) => call.agent === agent);
  }

  note(call) {
    this.#made.push(call);
    this.#look();
    return (status, got) => {
      Object.assign(call, { status, got });
      this.#look();
    };
  }

  /** Holds this client's refreshes back until `isTime` says so of its calls. */
  holdRefreshes(agent, isTime) {
    this.#gates.push({ agent, isTime, waiting: [] });
  }

  async pass(call) {
    const gate = this.#gates.find((gate) => gate.agent === call.agent);
    if (!gate || !call.isRefresh) return;
    await new Promise((resolve) => {
      gate.waiting.push(resolve);
      this.#look();
    });
  }

  #look() {
    for (const gate of [...this.#gates]) {
      if (!gate.isTime(this.of(gate.agent))) continue;
      this.#gates.splice(this.#gates.indexOf(gate), 1);
      gate.waiting.forEach((resolve) => resolve());
    }
  }
}

/** Hands a request on to Sprag as it came. */
export async function handOn(request, response, call, { calls, upstream }) {
  const sent = await read(request);
  call.sent = parsed(sent);
  const done = calls.note(call);
  await calls.pass(call);
  const { hostname, port } = new URL(upstream());
  const answer = await new Promise((resolve, reject) => {
    const { method, url: path, headers } = request;
    const asked = ask({ hostname, port, method, path, headers, agent: false }, resolve);
    asked.once('error', reject).end(sent);
  });
  const got = await read(answer);
  done(answer.statusCode, parsed(got));
  response.writeHead(answer.statusCode, answer.rawHeaders).end(got);
}

/**
 * A protected API, as the documents' own are: whoever has a good access token is told who they are. For the tokens in
 * `wound` its clock is at their end.
 */
export function answerApi(request, response, call, { calls, secret, userOf, wound }) {
  const done = calls.note(call);
  const answer = (status, body) => {
    done(status, body);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  try {
    const clockTimestamp = wound.has(token) ? jwt.decode(token).exp : undefined;
    const claims = jwt.verify(token, secret, { algorithms: ['HS256'], clockTimestamp });
    answer(200, { user: userOf(claims), path: request.url });
  } catch (error) {
    answer(401, { success: false, message: error.message });
  }
}

/** The page at `/` and at any other name, its code, and the libraries it runs on. */
export async function answerPage(request, response, { folder, backEnd }) {
  const { pathname } = new URL(request.url, 'http://site');
  const [, room, ...rest] = normalize(pathname).split('/');
  const rooms = { fixture: folder, modules: join(HERE, 'node_modules'), lib: join(HERE, 'lib') };
  const isCode = rest.length > 0 && room in rooms;
  const page = room === 'login' ? 'login.html' : 'page.html';
  const path = isCode ? join(rooms[room], ...rest) : join(HERE, 'lib', page);
  let text;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    response.writeHead(404).end();
    return;
  }
  // The documents' code names its back end as a developer's machine has it.
  if (room === 'fixture') text = text.replaceAll('http://localhost:5000', backEnd);
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'text/plain' }).end(text);
}

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parsed(bytes) {
  try {
    return JSON.parse(bytes);
  } catch {
    return bytes.toString();
  }
}
