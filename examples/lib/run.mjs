// Starts an example: what it needs is installed, then Sprag, the API and the pages listen on this machine. Ctrl-C ends all.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { command, install, ROOT } from './install.mjs';

export { command };

export const USER = 'ada';
export const PASSWORD = 'correct horse battery';

const children = new Set();
let isEnding = false;

/** Runs an example: `start` begins its parts and gives the address of its first page. */
export async function run(start) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(0));
  // Whoever started this by a pipe and is gone takes it along.
  if (process.env.EXAMPLE_IS_TIED) process.stdin.resume().once('end', () => end(0));
  try {
    install();
    const page = await start({ sprag, part, port });
    await answers(page);
    console.log(`\n  open   ${page}\n  user   ${USER}\n  password   ${PASSWORD}\n\n  Ctrl-C ends it.\n`);
  } catch (error) {
    console.error(error.message);
    end(1);
  }
}

function end(code) {
  if (isEnding) return;
  isEnding = true;
  for (const { pid } of children) {
    try {
      // The whole group: what a part has started ends with it.
      process.kill(-pid, 'SIGTERM');
    } catch {
      // It is gone already.
    }
  }
  process.exit(code);
}

/** The binary: where SPRAG_BINARY says, on PATH, or built here. */
function binary() {
  const built = ['release', 'debug'].map((kind) => join(ROOT, 'target', kind, 'sprag'));
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'sprag'));
  const found = [process.env.SPRAG_BINARY, ...onPath, ...built].find((path) => path && existsSync(path));
  if (!found) throw new Error('there is no sprag; build it with `cargo build`, or set SPRAG_BINARY to its path');
  return found;
}

/** A port: the one that everybody expects, or any free one where EXAMPLE_PORTS is `any`. */
function port(usual) {
  if (process.env.EXAMPLE_PORTS !== 'any') return usual;
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Starts Sprag, with one user in a store of the example's own; gives its address. */
async function sprag(settings = {}) {
  const data = process.env.EXAMPLE_DATA ?? join(process.cwd(), '.data');
  mkdirSync(data, { recursive: true });
  const listen = `127.0.0.1:${await port(8080)}`;
  const env = { SPRAG_DATA_DIR: data, SPRAG_LISTEN: listen, SPRAG_LOG: 'warn', ...settings, ...given() };
  const child = start('sprag', binary(), ['serve'], { cwd: data, env });
  const url = `http://${listen}`;
  await answers(`${url}/readyz`);
  const words = ['user', 'create', '--username', USER, '--email', `${USER}@example.com`, '--password-stdin'];
  const made = spawnSync(binary(), words, { cwd: data, env, input: PASSWORD, encoding: 'utf8' });
  const isThere = made.status === 0 || /already|taken|exists/i.test(made.stderr);
  if (!isThere || child.exitCode !== null) throw new Error(`the example's user cannot be made: ${made.stderr}`);
  return url;
}

/** Settings of the server's that were given to this command, as `SPRAG_ACCESS_TTL=20s npm start`. */
function given() {
  const isSetting = ([name]) => /^SPRAG_(?!BINARY|TEST_)/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(isSetting));
}

/** Starts a part of the example, whose lines are shown with its name. */
function part(name, program, args, env = {}) {
  return start(name, program, args, { cwd: process.cwd(), env: { ...process.env, ...env } });
}

function start(name, program, args, options) {
  const child = spawn(program, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => line.trim() && console.log(`${name.padEnd(6)} ${line}`));
  }
  child.once('exit', (code) => {
    if (isEnding) return;
    console.error(`${name} ended with ${code}; what it said stands above`);
    end(1);
  });
  return child;
}

/** Waits until something answers there. */
async function answers(url) {
  for (let times = 0; times < 600; times++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return answer.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url} does not answer; what its part said stands above`);
}
