// What the examples need, fetched and built once.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXAMPLES = fileURLToPath(new URL('..', import.meta.url));
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The packages, once; and the client, built from its source where it was not. */
export function install() {
  const client = join(ROOT, 'clients/js');
  if (!existsSync(join(client, 'dist/index.js'))) {
    command('npm', ['ci'], client);
    command('npm', ['run', 'build'], client);
  }
  const done = join(EXAMPLES, 'node_modules/.package-lock.json');
  const lock = join(EXAMPLES, 'package-lock.json');
  if (!existsSync(done) || statSync(done).mtimeMs < statSync(lock).mtimeMs) command('npm', ['ci'], EXAMPLES);
  // npm copies a folder once; whoever changes the client sees it here at the next start.
  cpSync(join(client, 'dist'), join(EXAMPLES, 'node_modules/sprag-client/dist'), { recursive: true });
}

export function command(program, args, cwd) {
  console.log(`… ${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed in ${cwd}; ${error ?? 'it said why above'}`);
}

// As a program of its own, for the tests.
if (process.argv[1] === fileURLToPath(import.meta.url)) install();
