// `sprag demo --page` as a visitor starts it, and the page in a browser.

import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is undone even where a test breaks off. */
const toUndo = new Set();
process.on('exit', () => toUndo.forEach((undo) => undo()));

/** Starts it in a folder for temporary files of its own, and waits until it says where it is. */
export async function startDemo() {
  const binary = process.env.SPRAG_TEST_BINARY;
  if (!binary) throw new Error('SPRAG_TEST_BINARY names no binary; set it to the path of sprag, as cargo test does');
  const folder = await mkdtemp(join(tmpdir(), 'sprag-page-'));
  const child = spawn(binary, ['demo', '--page'], { cwd: folder, env: { TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
  const undo = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  toUndo.add(undo);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  let said = '';
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        said += text;
        const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said);
        if (found) resolve(found[0]);
      });
    }
    ended.then(() => reject(new Error(`the demo ended; it said:\n${said}`)));
  });
  return {
    url,
    said: () => said,
    /** What it has put into the folder for temporary files. */
    leavings: async () => (existsSync(folder) ? readdir(folder) : []),
    /** Ends it as Ctrl-C does; how it left. */
    async interrupt() {
      child.kill('SIGINT');
      return ended;
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
      undo();
      toUndo.delete(undo);
    },
  };
}

/** The page, ready to be used; what it reports of errors and what it asks for is kept. */
export async function openDemo(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 }, ...options });
  const page = await context.newPage();
  const [asked, troubles] = [[], []];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    // Chromium itself writes that an answer was a 401, which is what some stories are about, or a 503, after which the page asks again.
    const isRefusal = /the server responded with a status of (401|503)/.test(message.text());
    if (message.type() === 'error' && !isRefusal) troubles.push(message.text());
  });
  await page.goto(url);
  await page.waitForSelector('body[data-ready]');
  return { page, context, asked, troubles };
}

/** Goes through a story to its end. */
export async function tellStory(page, title) {
  await page.locator('.choice', { hasText: title }).click();
  return continueStory(page);
}

/** Presses the story's button until it leads to the next story. */
export async function continueStory(page, press = (button) => button.click()) {
  const next = page.locator('#next');
  for (let pressed = 0; pressed < 20; pressed += 1) {
    const label = await next.textContent();
    if (/^(Next story|Begin again)/.test(label)) return;
    await press(next);
    await page.waitForFunction((before) => {
      const button = document.getElementById('next');
      return button.textContent !== before && !button.hasAttribute('aria-busy');
    }, label, { timeout: 90_000 });
  }
  throw new Error('the story has no end');
}

/** What is listed, oldest first: the rows that decided. */
export const rows = (page) =>
  page.$$eval('#verdicts .verdict', (all) => all.map((one) => one.textContent.replace(/^row (\w+): .*/, '$1')).reverse());

/** How the one or the other side stands. */
export const fate = (page, side) => page.$$eval(`#with-${side} li`, (all) => all.map((one) => one.textContent));
