// Debian's Chromium without a window: its own profile, and private windows beside it.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const QUIET = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-crash-reporter',
  '--disable-dev-shm-usage',
  '--disable-features=PreloadTopChromeWebUI,InitialWebUI,WebUIReloadButton,WebUIToolbar,WebUITabStrip',
  '--remote-debugging-port=0',
];

const ANSWER_MS = 60_000;

export class Chromium {
  name = 'chromium';
  can = ['cookies', 'crash', 'freeze', 'private'];

  async start() {
    this.folder = await mkdtemp(join(tmpdir(), 'sprag-proof-chromium-'));
    const program = process.env.SPRAG_TEST_CHROMIUM ?? 'chromium';
    const args = [...QUIET, `--user-data-dir=${this.folder}`, 'about:blank'];
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.undo = () => {
      endGroup(this.child);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    };
    process.on('exit', this.undo);
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    const address = await new Promise((resolve, reject) => {
      let said = '';
      this.child.stderr.on('data', (text) => {
        said = (said + text).slice(-5_000);
        const found = /DevTools listening on (ws:\S+)/.exec(said);
        if (found) resolve(found[1]);
      });
      this.child.once('exit', () => reject(new Error(`${program} does not start; it said:\n${said}`)));
      this.child.once('error', reject);
    });
    this.browser = await chromium.connectOverCDP(address);
    this.version = `Chromium ${this.browser.version()}`;
    return this;
  }

  /** One person's browser: the profile that lasts, or a private window. */
  async visitor({ isPrivate }) {
    const context = isPrivate ? await this.browser.newContext() : this.browser.contexts()[0];
    return new Visitor(context, isPrivate);
  }

  async close() {
    await this.browser?.close().catch(() => undefined);
    endGroup(this.child);
    await this.ended;
    process.off('exit', this.undo);
    this.undo();
  }
}

class Visitor {
  tabs = [];

  constructor(context, isPrivate) {
    Object.assign(this, { context, isPrivate });
  }

  async open(url) {
    const page = await this.context.newPage();
    const tab = new Tab(page, await this.context.newCDPSession(page));
    this.tabs.push(tab);
    page.once('crash', () => tab.markGone());
    await tab.visit(url);
    return tab;
  }

  /** The refresh token in the cookie jar. */
  async cookie(name, url) {
    const cookies = await this.context.cookies(url);
    return cookies.find((cookie) => cookie.name === name)?.value;
  }

  async close() {
    await Promise.all(this.tabs.map((tab) => tab.close()));
    if (this.isPrivate) await this.context.close().catch(() => undefined);
  }
}

class Tab {
  isGone = false;

  constructor(page, session) {
    Object.assign(this, { page, session });
    this.gone = new Promise((_, reject) => (this.#leave = () => reject(new Error('the tab is gone'))));
    this.gone.catch(() => undefined);
  }

  #leave;

  /** Nothing that was asked of it is answered any more. */
  markGone() {
    this.isGone = true;
    this.#leave();
  }

  async visit(url) {
    this.url = url;
    await this.#send('Page.enable');
    await this.#send('Page.navigate', { url });
  }

  /** What an expression comes to in the page, also one that waits. */
  async evaluate(expression, millis = ANSWER_MS) {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails: thrown } = await this.#send('Runtime.evaluate', asked, millis);
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  reload = () => this.#send('Page.reload');
  crash = () => {
    this.session.send('Page.crash').catch(() => undefined);
    this.markGone();
  };
  freeze = () => this.#send('Page.setWebLifecycleState', { state: 'frozen' });
  thaw = () => this.#send('Page.setWebLifecycleState', { state: 'active' });

  async offline(isOffline) {
    const speed = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.#send('Network.enable');
    await this.#send('Network.emulateNetworkConditions', { offline: isOffline, ...speed });
  }

  async close() {
    this.markGone();
    await within(5_000, this.page.close()).catch(() => undefined);
  }

  #send(method, params, millis = ANSWER_MS) {
    const answered = Promise.race([this.session.send(method, params), this.gone]);
    return within(millis, answered, `the tab does not answer ${method}`);
  }
}

/** What a promise comes to, unless it takes longer. */
export function within(millis, promise, what = 'it takes too long') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} (${millis} ms)`)), millis);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Ends a program and all that it started; a script may stand before it. */
export function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
