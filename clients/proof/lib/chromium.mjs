// Debian's Chromium without a window: its own profile, and private windows beside it.

import { chromium } from 'playwright-core';
import { Browser, Visitor, within } from './browser.mjs';

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

export class Chromium extends Browser {
  name = 'chromium';
  can = ['cookies', 'crash', 'freeze', 'private', 'workers', 'endWorkers'];

  async start() {
    const address = await this.launch({
      program: process.env.SPRAG_TEST_CHROMIUM ?? 'chromium',
      saying: 'DevTools listening on',
      args: (folder) => [...QUIET, `--user-data-dir=${folder}`, 'about:blank'],
    });
    this.browser = await chromium.connectOverCDP(address);
    this.version = `Chromium ${this.browser.version()}`;
    return this;
  }

  /** One person's browser: the profile that lasts, or a private window. */
  async visitor({ isPrivate }) {
    const context = isPrivate ? await this.browser.newContext() : this.browser.contexts()[0];
    return new Person(context, isPrivate);
  }

  async release() {
    await this.browser?.close().catch(() => undefined);
  }
}

class Person extends Visitor {
  constructor(context, isPrivate) {
    super();
    Object.assign(this, { context, isPrivate });
  }

  async newTab() {
    const page = await this.context.newPage();
    const tab = new Tab(page, await this.context.newCDPSession(page));
    page.once('crash', () => tab.markGone());
    return tab;
  }

  /** The refresh token in the cookie jar. */
  async cookie(name, url) {
    const cookies = await this.context.cookies(url);
    return cookies.find((cookie) => cookie.name === name)?.value;
  }

  async leave() {
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
  /** Ends the service workers that run, as browsers do by themselves. */
  async endWorkers() {
    await this.#send('ServiceWorker.enable');
    await this.#send('ServiceWorker.stopAllWorkers');
  }
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
