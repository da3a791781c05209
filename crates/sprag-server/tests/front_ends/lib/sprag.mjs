// The real binary on a free port of this machine, in a folder of its own, set up by an .env as its predecessor was.

import { execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PASSWORD = 'a long password for tests';

/** What is undone even where a test breaks off. */
const toUndo = new Set();
process.on('exit', () => toUndo.forEach((undo) => undo()));

/**
 * Starts `sprag serve` with one profile and the variables of its document, and waits until it listens. `files` are texts by their names,
 * for a profile of one's own.
 */
export async function startSprag({ profile, env, limits = 'off', files = {} }) {
  const binary = process.env.SPRAG_TEST_BINARY;
  if (!binary) throw new Error('SPRAG_TEST_BINARY names no binary; set it to the path of sprag, as cargo test does');
  const folder = await mkdtemp(join(tmpdir(), 'sprag-front-'));
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(folder, '.env'), lines.join(''), { mode: 0o600 });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const where = { cwd: folder, env: {} };

  const args = ['serve', '--listen', '127.0.0.1:0', '--profiles', profile, '--rate-limits', limits, '--log', 'warn'];
  const child = spawn(binary, args, { ...where, stdio: ['ignore', 'pipe', 'pipe'] });
  const undo = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  toUndo.add(undo);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  const url = await listening(child, ended, () => log);

  /** Runs a command beside the server; what is typed goes to its standard input. */
  const command = (words, typed = '') =>
    new Promise((resolve, reject) => {
      const ran = execFile(binary, words, where, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      ran.stdin.end(typed);
    });

  return {
    url,
    /** What the server has logged: warnings and errors. */
    log: () => log,
    async createUser(name, ...flags) {
      const email = `${name}@example.com`;
      await command(['user', 'create', '--username', name, '--email', email, '--password-stdin', ...flags], PASSWORD);
    },
    /** The live sessions of one account. */
    sessions: async (name) => JSON.parse(await command(['session', 'list', '--user', name, '--json'])),
    endSessions: (name) => command(['session', 'revoke', '--user', name]),
    async stop() {
      child.kill('SIGKILL');
      await ended;
      undo();
      toUndo.delete(undo);
    },
  };
}

async function listening(child, ended, log) {
  const printed = createInterface({ input: child.stdout });
  const found = new Promise((resolve) => {
    printed.on('line', (line) => {
      const address = /^\s*listening\s+(http:\S+)/.exec(line);
      if (address) resolve(address[1]);
    });
  });
  const url = await Promise.race([found, ended.then(() => undefined)]);
  if (!url) throw new Error(`sprag does not listen; it said:\n${log()}`);
  return url;
}
