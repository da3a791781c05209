// The real binary with one profile, in a folder of its own; it can be killed and started again on the same port.

import { execFile, spawn } from 'node:child_process';
import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PROFILES } from './profiles.mjs';

export const PASSWORD = 'a long password for the proof';
/** The password as a system before kept it, in Django's words. */
const OLD_HASH = `pbkdf2_sha256$10000$of-the-proof$${pbkdf2Sync(PASSWORD, 'of-the-proof', 10_000, 32, 'sha256').toString('base64')}`;
export const SECRET = '1d4be0c27a95f3086cbb94e2d7710f5ae863';

const toUndo = new Set();
process.on('exit', () => toUndo.forEach((undo) => undo()));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

export async function startSprag({ profile, settings }) {
  const folder = await mkdtemp(join(tmpdir(), 'sprag-proof-'));
  const server = new Sprag(folder, profile, settings);
  const undo = () => {
    server.child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  toUndo.add(undo);
  server.undo = () => {
    undo();
    toUndo.delete(undo);
  };
  await writeFile(join(folder, '.env'), `SPRAG_SIGNING_ALGORITHM=HS256\nSPRAG_HS256_SECRET=${SECRET}\n`, { mode: 0o600 });
  await server.start();
  return server;
}

class Sprag {
  port = 0;
  /** The restart that is under way. */
  restarting = undefined;
  restarts = 0;
  accounts = 0;
  free = [];
  /** What the security log said of each session. */
  told = new Map();

  constructor(folder, profile, settings) {
    const binary = process.env.SPRAG_TEST_BINARY;
    if (!binary) throw new Error('SPRAG_TEST_BINARY names no binary; set it to the path of sprag');
    Object.assign(this, { folder, profile, settings, binary });
  }

  async start() {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--profiles', this.profile];
    args.push('--log', 'warn,sprag::security=info', '--log-format', 'json');
    args.push('--retry', 'answer');
    for (const [name, value] of Object.entries(this.settings)) args.push(`--${name}`, value);
    const child = spawn(this.binary, args, { cwd: this.folder, env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.ended = new Promise((resolve) => child.once('exit', resolve));
    let log = '';
    child.stderr.on('data', (text) => (log = (log + text).slice(-20_000)));
    createInterface({ input: child.stderr }).on('line', (line) => this.#hear(line));
    this.log = () => log;
    const found = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const address = /^\s*listening\s+http:\/\/[^:]+:(\d+)/.exec(line);
        if (address) resolve(Number(address[1]));
      });
    });
    this.port = await Promise.race([found, this.ended.then(() => undefined)]);
    if (!this.port) throw new Error(`sprag does not listen; it said:\n${log}`);
  }

  /** Keeps what the security log says of sessions. */
  #hear(line) {
    let told;
    try {
      told = JSON.parse(line);
    } catch {
      return;
    }
    const { message: kind, session, cause, severity } = told.fields ?? {};
    if (!session) return;
    if (!this.told.has(session)) this.told.set(session, []);
    this.told.get(session).push({ kind, cause, severity });
  }

  /** An account that nobody uses at this time. */
  async borrowAccount() {
    const free = this.free.pop();
    if (free) return free;
    this.accounts += 1;
    const account = `ann-${this.accounts}`;
    await this.createUser(account);
    return { account, passwords: [PASSWORD] };
  }

  /** Somebody of the system before, with a password and a live session there: their account, and the token that they hold. */
  async importAccount() {
    this.accounts += 1;
    const account = `moved-${this.accounts}`;
    const oldToken = randomBytes(36).toString('base64url');
    const { user, session } = PROFILES[this.profile].before;
    const facts = {
      id: this.accounts,
      name: account,
      email: `${account}@example.com`,
      hash: OLD_HASH,
      token: oldToken,
      sha256: createHash('sha256').update(oldToken).digest('hex'),
    };
    for (const [what, row] of [['user', user(facts)], ['session', session(facts)]]) {
      await this.command([what, 'import', '--profile', this.profile, '--from', '-'], `${JSON.stringify(row)}\n`);
    }
    return { account, passwords: [PASSWORD], oldToken };
  }

  giveBack = ({ account, passwords }) => this.free.push({ account, passwords });

  /** Killed in the midst of things, and started again. */
  async restart() {
    this.restarting ??= (async () => {
      this.restarts += 1;
      this.child.kill('SIGKILL');
      await this.ended;
      await this.start();
      this.restarting = undefined;
    })();
    return this.restarting;
  }

  /** Runs a command beside the server; what is typed goes to its standard input. */
  command(words, typed = '') {
    const options = { cwd: this.folder, env: {}, maxBuffer: 1 << 28 };
    return new Promise((resolve, reject) => {
      const ran = execFile(this.binary, words, options, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      ran.stdin.end(typed);
    });
  }

  async createUser(name) {
    const email = `${name}@example.com`;
    await this.command(['user', 'create', '--username', name, '--email', email, '--password-stdin'], PASSWORD);
  }

  /** What the journal says of one session. */
  async journal(session) {
    return JSON.parse(await this.command(['audit', 'list', '--session', session, '--json', '--limit', '10000']));
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.undo();
  }
}
