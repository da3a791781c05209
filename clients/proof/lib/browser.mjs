// What browsers have in common here: a program in a folder of its own, and people who open tabs in it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A browser whose program is driven from outside, by an address that it says once it runs. */
export class Browser {
  /** Starts the program, which says its address after `saying`. `args` is given the folder to work in. */
  async launch({ program, saying, args, env = process.env }) {
    const folder = mkdtempSync(join(tmpdir(), `sprag-proof-${this.name}-`));
    this.child = spawn(program, await args(folder), { env: { ...env, HOME: folder }, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.undo = () => {
      this.#endAll();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    process.on('exit', this.undo);
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    return new Promise((resolve, reject) => {
      let said = '';
      this.child.stderr.on('data', (text) => {
        said = (said + text).slice(-5_000);
        const found = new RegExp(`${saying} (ws:\\S+)`).exec(said);
        if (found) resolve(found[1]);
      });
      this.child.once('exit', () => reject(new Error(`${program} does not start; it said:\n${said}`)));
      this.child.once('error', reject);
    });
  }

  /** Stops what drives it; each browser has its own way. */
  async release() {}

  async close() {
    await this.release();
    this.#endAll();
    await this.ended;
    process.off('exit', this.undo);
    this.undo();
  }

  /** Ends the program and all that it started; a script may stand before it. */
  #endAll() {
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/** One person. Each kind of browser says how a tab is made (`newTab`), and what is left to do once all are closed (`leave`). */
export class Visitor {
  tabs = [];

  async open(url) {
    const tab = await this.newTab();
    this.tabs.push(tab);
    await tab.visit(url);
    return tab;
  }

  async close() {
    await Promise.all(this.tabs.map((tab) => tab.close()));
    await this.leave();
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
