// Node as a browser without pages: each tab is a thread with an event loop of its own, and all of them share one file as storage.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Visitor, within } from './browser.mjs';

const ANSWER_MS = 60_000;

export class NodeTabs {
  name = 'node';
  can = ['crash', 'freeze'];

  async start() {
    this.version = `Node ${process.versions.node}`;
    return this;
  }

  visitor = async () => new Person();
  close = async () => undefined;
}

class Person extends Visitor {
  folder = mkdtempSync(join(tmpdir(), 'sprag-proof-node-'));

  newTab = () => new Tab(this.folder);

  async leave() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class Tab {
  isGone = false;
  #asked = new Map();
  #last = 0;

  constructor(folder) {
    this.folder = folder;
  }

  /** Starts the program anew; what it had in memory is gone. */
  async visit(url) {
    this.url = url;
    await this.#stop();
    // One number, at which the thread stands still while it is 1.
    this.gate = new Int32Array(new SharedArrayBuffer(4));
    const workerData = { url, folder: this.folder, gate: this.gate };
    this.worker = new Worker(new URL('node-tab.mjs', import.meta.url), { workerData });
    this.worker.on('error', () => undefined);
    this.worker.on('message', ({ id, result, error }) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(error));
    });
  }

  evaluate(expression, millis = ANSWER_MS) {
    const id = (this.#last += 1);
    const answered = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    answered.catch(() => undefined);
    this.worker.postMessage({ id, expression });
    return within(millis, answered, 'the thread does not answer');
  }

  reload = () => this.visit(this.url);
  crash = () => this.close();

  async freeze() {
    Atomics.store(this.gate, 0, 1);
    this.worker.postMessage({ freeze: true });
  }

  async thaw() {
    Atomics.store(this.gate, 0, 0);
    Atomics.notify(this.gate, 0);
  }

  async close() {
    this.isGone = true;
    await this.#stop();
  }

  async #stop() {
    if (!this.worker) return;
    await this.thaw();
    await this.worker.terminate();
    for (const { reject } of this.#asked.values()) reject(new Error('the program ended'));
    this.#asked.clear();
  }
}
