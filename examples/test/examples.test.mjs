// Each example, started by its one command and opened in a real browser: log-in, a call, a refresh, a log-out.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PASSWORD, USER } from '../lib/run.mjs';

const EXAMPLES = fileURLToPath(new URL('..', import.meta.url));
const QUIET =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const PATIENCE = 120_000;

let browser;
before(async () => {
  const executablePath = process.env.SPRAG_TEST_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: QUIET.split(' ') });
});
after(() => browser?.close());

// The everyday tests play the small ones; EXAMPLES=all plays all.
const isAll = process.env.EXAMPLES === 'all';
const playPage = (name) => play(name, clientSide);
const playServer = (name) => play(name, serverSide);

test('React against an API on Express', () => playPage('react-express'));
test('React against an API on FastAPI', { skip: !isAll }, () => playPage('react-fastapi'));
test('Next.js', { skip: !isAll }, () => playServer('next'));
test('SvelteKit', { skip: !isAll }, () => playServer('sveltekit'));

/** Starts an example with access tokens that live for seconds, opens it, and plays. */
async function play(name, scene) {
  const data = mkdtempSync(join(tmpdir(), 'sprag-example-'));
  const env = { ...process.env, EXAMPLE_PORTS: 'any', EXAMPLE_DATA: data, EXAMPLE_IS_TIED: '1', SPRAG_ACCESS_TTL: '6s' };
  env.SPRAG_BINARY ??= process.env.SPRAG_TEST_BINARY ?? '';
  const child = spawn('npm', ['start'], { cwd: join(EXAMPLES, name), env, stdio: ['pipe', 'pipe', 'pipe'] });
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
  let said = '';
  try {
    const url = await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          said += `${line}\n`;
          const open = /^\s*open\s+(http\S+)/.exec(line);
          if (open) resolve(open[1]);
        });
      }
      child.once('exit', (code) => reject(new Error(`npm start ended with ${code}`)));
    });
    const page = await context.newPage();
    await page.goto(url);
    await logIn(page);
    await scene(page, context);
    await page.click('#log-out');
    await page.waitForSelector('input[name=password]');
    await page.reload();
    await page.waitForSelector('input[name=password]');
    const cookies = (await context.cookies()).map(({ name }) => name);
    const left = cookies.filter((name) => !['__Host-sprag_known', '__Host-sprag_refresh-device'].includes(name));
    assert.deepEqual(left, [], 'nothing opens a session any more');
  } catch (error) {
    throw new Error(`${error.message}\n\nthe example said:\n${said}`, { cause: error });
  } finally {
    child.stdin.end();
    await context.close().catch(() => undefined);
    await new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()));
    await remove(data);
  }
}

/** Removes a folder, which the server of a command that has ended may write to for a moment more. */
async function remove(folder) {
  for (let left = 100; ; left -= 1) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'ENOTEMPTY' || left === 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function logIn(page) {
  await page.waitForSelector('input[name=password]');
  await page.fill('input[name=username]', USER);
  await page.fill('input[name=password]', 'wrong');
  await page.click('text="Log in"');
  await page.waitForSelector('[role=alert]');
  // A machine with much to do may answer 503 to what costs it most: then once more, as a person would.
  for (let times = 0; times < 40; times++) {
    await page.fill('input[name=username]', USER);
    await page.fill('input[name=password]', PASSWORD);
    await page.click('text="Log in"');
    const isIn = await page.waitForSelector('#log-out', { timeout: 5_000 }).catch(() => undefined);
    if (isIn) return;
  }
  assert.fail('the log-in leads nowhere');
}

/** The page asks an API, before and after a refresh of its own accord, and after it was loaded anew. */
async function clientSide(page, context) {
  const notes = async () => {
    await page.click('#load');
    await page.waitForSelector('#notes >> text="Buy milk"');
  };
  await notes();
  const cookie = await refreshCookie(context);
  assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Strict');
  await page.waitForResponse((answer) => answer.url().endsWith('/refresh') && answer.status() === 200);
  await notes();
  await page.reload();
  await page.waitForSelector('#load');
  await notes();
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
  assert.ok(!kept.includes('eyJ') && !kept.includes('spr_'), `no token lies where scripts read: ${kept}`);
}

/** The server makes the page for its user, also once the access token is over: then it has another. */
async function serverSide(page, context) {
  const cookie = await refreshCookie(context);
  assert.ok(cookie.httpOnly && cookie.secure);
  assert.equal(await page.textContent('#who'), USER);
  const hasAccess = async () => (await context.cookies()).some(({ name }) => name === '__Host-sprag_access');
  while (await hasAccess()) await new Promise((resolve) => setTimeout(resolve, 200));
  await page.reload();
  assert.equal(await page.textContent('#who'), USER);
  assert.ok(await hasAccess(), 'the answer brought a new access token');
  assert.equal(await page.evaluate(() => document.cookie), '');
}

async function refreshCookie(context) {
  return (await context.cookies()).find(({ name }) => name === '__Host-sprag_refresh');
}
