// The real binary on a free port of this machine, in a folder of its own.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PASSWORD = 'a long password for tests';

/** Of a server whose tokens are signed with a shared secret, as the systems before did. */
export const SECRET = 'a-secret-for-tests-alone-which-is-long-enough';

/** Where the binary is: where a test of the whole says, or where cargo builds it. */
function binary(): string {
  const built = new URL('../../../../target/debug/sprag', import.meta.url).pathname;
  const path = process.env['SPRAG_TEST_BINARY'] ?? built;
  if (!existsSync(path)) throw new Error(`${path} is not there; run cargo build, or set SPRAG_TEST_BINARY`);
  return path;
}

const toUndo = new Set<() => void>();
process.on('exit', () => {
  for (const undo of toUndo) undo();
});

export interface Sprag {
  url: string;
  /** Runs a command beside the server. */
  command(words: string[], typed?: string): Promise<string>;
  createUser(name: string): Promise<void>;
  /** How many sessions of one account live. */
  sessions(name: string): Promise<number>;
  endSessions(name: string): Promise<void>;
  /** Kills it; `start` brings it back on the same port, with the same store. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SpragOptions {
  profile?: string;
  env?: Record<string, string>;
  args?: string[];
}

/** Starts `sprag serve`, and waits until it listens. */
export async function startSprag(options: SpragOptions = {}): Promise<Sprag> {
  const folder = await mkdtemp(join(tmpdir(), 'sprag-entries-'));
  const lines = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(folder, '.env'), lines.join(''), { mode: 0o600 });
  let child: ChildProcess | undefined;
  let url = 'http://127.0.0.1:0';
  const undo = () => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  toUndo.add(undo);

  const kill = async () => {
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await ended;
  };
  const start = async () => {
    const where = ['--listen', new URL(url).host, '--profiles', options.profile ?? 'sprag'];
    const args = ['serve', ...where, '--rate-limits', 'off', '--log', 'warn', ...(options.args ?? [])];
    child = spawn(binary(), args, { cwd: folder, env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    url = await listening(child);
  };
  await start();

  const command = (words: string[], typed = '') =>
    new Promise<string>((resolve, reject) => {
      const ran = execFile(binary(), words, { cwd: folder, env: {} }, (error, out) =>
        error ? reject(error) : resolve(out),
      );
      ran.stdin?.end(typed);
    });
  return {
    url,
    command,
    async createUser(name) {
      const email = `${name}@example.com`;
      await command(['user', 'create', '--username', name, '--email', email, '--password-stdin'], PASSWORD);
    },
    async sessions(name) {
      return JSON.parse(await command(['session', 'list', '--user', name, '--json'])).length;
    },
    async endSessions(name) {
      await command(['session', 'revoke', '--user', name]);
    },
    kill,
    start,
    async stop() {
      if (child?.exitCode === null) await kill();
      undo();
      toUndo.delete(undo);
    },
  };
}

async function listening(child: ChildProcess): Promise<string> {
  let log = '';
  child.stderr?.on('data', (text) => {
    log += text;
  });
  const found = new Promise<string>((resolve) => {
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /^\s*listening\s+(http:\S+)/.exec(line)?.[1];
      if (address) resolve(address);
    });
  });
  const ended = new Promise<undefined>((resolve) => child.once('exit', () => resolve(undefined)));
  const url = await Promise.race([found, ended]);
  if (!url) throw new Error(`sprag does not listen; it said:\n${log}`);
  return url;
}

/** A log-in with the tokens in the body, where they have the names that OAuth gives them. */
export async function logIn(
  sprag: Sprag,
  username: string,
  path = '/api/v1/auth/login',
): Promise<{ access_token: string; refresh_token: string }> {
  const answer = await fetch(sprag.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  const { status } = answer;
  if (status !== 200)
    throw Object.assign(new Error(`the log-in was answered ${status}: ${await answer.text()}`), { status });
  return (await answer.json()) as { access_token: string; refresh_token: string };
}
