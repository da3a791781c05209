// The real binary on a free port of this machine, with a store of its own that goes with it.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PASSWORD = 'a long password for tests';

export interface Server {
  readonly url: string;
  createUser(name: string): Promise<void>;
  sessions(name: string): Promise<ReadonlyArray<{ id: string }>>;
  endSessions(name: string): Promise<void>;
  disable(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts `sprag serve` with these profiles, and waits until it listens. */
export async function start(profile: string, settings: Record<string, string> = {}): Promise<Server> {
  const binary = process.env['SPRAG_TEST_BINARY'];
  if (!binary) throw new Error('SPRAG_TEST_BINARY names no binary; set it to the path of sprag, as cargo test does');
  const folder = await mkdtemp(join(tmpdir(), 'sprag-client-'));
  const where = { cwd: folder, env: { SPRAG_HS256_SECRET: 'a secret of thirty-two bytes and more', SPRAG_SIGNING_ALGORITHM: 'HS256', ...settings } };
  const args = ['serve', '--listen', '127.0.0.1:0', '--profiles', profile, '--rate-limits', 'off', '--log', 'warn'];
  const child = spawn(binary, args, { ...where, stdio: ['ignore', 'pipe', 'pipe'] });
  const undo = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', undo);
  const url = await listening(child);
  const command = (words: string[], typed = ''): Promise<string> =>
    new Promise((resolve, reject) => {
      const ran = execFile(binary, words, where, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      ran.stdin!.end(typed);
    });
  return {
    url,
    async createUser(name) {
      const words = ['user', 'create', '--username', name, '--email', `${name}@example.com`, '--password-stdin'];
      await command(words, PASSWORD);
    },
    sessions: async (name) => JSON.parse(await command(['session', 'list', '--user', name, '--json'])),
    endSessions: async (name) => void (await command(['session', 'revoke', '--user', name])),
    disable: async (name) => void (await command(['user', 'disable', name])),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      undo();
      process.off('exit', undo);
      await ended;
    },
  };
}

async function listening(child: ChildProcess): Promise<string> {
  let log = '';
  child.stderr!.on('data', (text) => (log += text));
  const printed = createInterface({ input: child.stdout! });
  const found = new Promise<string>((resolve) => {
    printed.on('line', (line) => {
      const address = /^\s*listening\s+(http:\S+)/.exec(line);
      if (address) resolve(address[1]!);
    });
  });
  const url = await Promise.race([found, new Promise<undefined>((resolve) => child.once('exit', () => resolve(undefined)))]);
  if (!url) throw new Error(`sprag does not listen; it said:\n${log}`);
  return url;
}
