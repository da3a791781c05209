// What FastAPI back ends verify access tokens with: PyJWT and python-jose, called as its tutorials call them.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SECRET } from './play.mjs';

const SCRIPT = fileURLToPath(new URL('read_token.py', import.meta.url));

/** What both libraries read from a token: its claims, or the names of their errors; PyJWT's first. */
export async function readByPython(token) {
  const python = process.env.SPRAG_TEST_PYTHON;
  if (!python) throw new Error('SPRAG_TEST_PYTHON names no Python; set it to one that has requirements.txt installed');
  const printed = await new Promise((resolve, reject) => {
    const done = (error, stdout) => (error ? reject(error) : resolve(stdout));
    const ran = execFile(python, [SCRIPT], { env: { SECRET } }, done);
    ran.stdin.end(token);
  });
  return JSON.parse(printed);
}
