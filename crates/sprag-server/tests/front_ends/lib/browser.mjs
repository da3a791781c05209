// Debian's Chromium without a window, and tabs that do what a user does.

import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { PASSWORD } from './sprag.mjs';

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function startBrowser() {
  const executablePath = process.env.SPRAG_TEST_CHROMIUM;
  if (!executablePath) throw new Error('SPRAG_TEST_CHROMIUM names no browser; set it to the path of chromium');
  return chromium.launch({ executablePath, args: QUIET });
}

/** One page in a browser, as its user sees it. */
export class Tab {
  constructor(page, user) {
    Object.assign(this, { page, user });
  }

  /** Types name and password, and waits until the page says it is in. Does what a busy server asks for: comes back after a second. */
  async logIn(again = 3) {
    await this.page.fill('#name', this.user.login);
    await this.page.fill('#password', PASSWORD);
    try {
      return await this.#press('#log-in button');
    } catch (error) {
      if (again === 0 || !error.message.includes('log in again in a second')) throw error;
    }
    await setTimeout(1000);
    return this.logIn(again - 1);
  }

  load = () => this.#press('#load');
  loadAll = () => this.#press('#load-all');
  logOutAll = () => this.#press('#log-out-all');

  /** Presses a button that leads to the log-in page, sooner or later. */
  async pressToLogin(button) {
    await this.page.click(button);
    await this.atLogin();
  }

  async atLogin() {
    await this.page.waitForURL('**/login');
  }

  accessToken = () => this.page.evaluate(() => window.app.accessToken());
  stored = (key) => this.page.evaluate((key) => localStorage.getItem(key), key);

  /** Presses a button, and waits for what it comes to; that may be the log-in page. */
  async #press(button) {
    await this.page.click(button);
    const outcome = await this.page.waitForFunction(() => {
      const text = document.getElementById('shown')?.textContent;
      if (/^(done|failed) /.test(text)) return text;
      return location.pathname === '/login' && 'failed "it led to the log-in page"';
    });
    const [, state, json] = /^(\w+) (.*)$/s.exec(await outcome.jsonValue());
    if (state === 'failed') throw new Error(`${button} failed, the page says: ${json}`);
    return JSON.parse(json);
  }
}
