// Debian's Firefox without a window, by WebDriver BiDi, which it speaks itself.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import WebSocket from 'ws';
import { Browser, Visitor, within } from './browser.mjs';

const PREFERENCES = {
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'app.update.enabled': false,
  'app.normandy.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9/',
};

const ANSWER_MS = 60_000;

export class Firefox extends Browser {
  name = 'firefox';
  can = ['cookies', 'workers'];
  #asked = new Map();
  #last = 0;

  async start() {
    const address = await this.launch({
      program: process.env.SPRAG_TEST_FIREFOX ?? 'firefox-esr',
      saying: 'WebDriver BiDi listening on',
      async args(folder) {
        const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
        await writeFile(join(folder, 'user.js'), lines.join(''));
        return ['--headless', '--no-remote', '--profile', folder, '--remote-debugging-port', '0', 'about:blank'];
      },
      env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' },
    });
    await this.#connect(`${address}/session`);
    const { capabilities } = await this.send('session.new', { capabilities: {} });
    this.version = `Firefox ${capabilities.browserVersion}`;
    return this;
  }

  async #connect(address) {
    this.socket = new WebSocket(address);
    await new Promise((resolve, reject) => this.socket.once('open', resolve).once('error', reject));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (text) => {
      const { id, type, result, error, message } = JSON.parse(text);
      const asked = this.#asked.get(id);
      if (!asked) return;
      this.#asked.delete(id);
      if (type === 'success') asked.resolve(result);
      else asked.reject(new Error(`${error}: ${message}`));
    });
  }

  send(method, params, millis = ANSWER_MS) {
    const id = (this.#last += 1);
    const answered = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    answered.catch(() => undefined);
    this.socket.send(JSON.stringify({ id, method, params }));
    return within(millis, answered, `firefox does not answer ${method}`);
  }

  /** One person's browser: a container with cookies and storage of its own. */
  async visitor() {
    const { userContext } = await this.send('browser.createUserContext', {});
    return new Person(this, userContext);
  }

  async release() {
    this.socket?.close();
  }
}

class Person extends Visitor {
  constructor(firefox, userContext) {
    super();
    Object.assign(this, { firefox, userContext });
  }

  async newTab() {
    const asked = { type: 'tab', userContext: this.userContext, background: true };
    const { context } = await this.firefox.send('browsingContext.create', asked);
    return new Tab(this.firefox, context);
  }

  async cookie(name, url) {
    const { hostname } = new URL(url);
    const { userContext } = this;
    const found = await this.firefox.send('storage.getCookies', { partition: { type: 'storageKey', userContext } });
    return found.cookies.find((cookie) => cookie.name === name && cookie.domain === hostname)?.value.value;
  }

  async leave() {
    await this.firefox.send('browser.removeUserContext', { userContext: this.userContext }).catch(() => undefined);
  }
}

class Tab {
  isGone = false;

  constructor(firefox, context) {
    Object.assign(this, { firefox, context });
  }

  async visit(url) {
    this.url = url;
    await this.#send('browsingContext.navigate', { url, wait: 'none' });
  }

  async evaluate(expression, millis = ANSWER_MS) {
    const asked = { expression: `(async () => JSON.stringify(await (${expression})))()`, awaitPromise: true };
    const target = { context: this.context };
    const { type, result, exceptionDetails: thrown } = await this.firefox.send('script.evaluate', { ...asked, target }, millis);
    if (type === 'exception') throw new Error(thrown.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  }

  reload = () => this.#send('browsingContext.reload', { wait: 'none' });

  async close() {
    if (this.isGone) return;
    this.isGone = true;
    await this.#send('browsingContext.close', {}, 5_000).catch(() => undefined);
  }

  #send(method, params, millis) {
    return this.firefox.send(method, { context: this.context, ...params }, millis);
  }
}
