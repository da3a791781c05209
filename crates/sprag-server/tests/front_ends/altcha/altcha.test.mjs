// ALTCHA's own library and its widget, in Node and in a browser, against challenges of this server: they solve them unchanged, and
// what they find buys one log-in each where the network is out of its budget.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import { startBrowser } from '../lib/browser.mjs';
import { Calls, handOn, listen } from '../lib/site.mjs';
import { PASSWORD, startSprag } from '../lib/sprag.mjs';

const WIDGET = fileURLToPath(new URL('../node_modules/altcha/dist/main/altcha.js', import.meta.url));

/** A log-in as a site has it that uses the widget: a form, and no script of its own. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Log in</title>
<script type="module" src="/altcha.js"></script>
<form method="post" action="/api/v1/auth/login">
  <input name="username" value="ann"><input name="password" type="password">
  <altcha-widget challenge="/api/v1/auth/challenge"></altcha-widget>
  <button>Log in</button>
</form>`;

const SCENE_MS = 60_000;

const written = [];

function scene(name, act) {
  written.push({ name, act });
}

/** What a client behind the proxy asks, from a network of its own. */
function client(url, network) {
  const from = { 'x-forwarded-for': `203.0.${network}.7`, 'content-type': 'application/json' };
  return {
    challenge: async () => (await fetch(`${url}/api/v1/auth/challenge`, { headers: from })).json(),
    logIn: (altcha, password = PASSWORD) => {
      const body = JSON.stringify({ username: 'ann', password, altcha });
      return fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers: from, body });
    },
  };
}

/** The text that the widget puts into the field `altcha`. */
async function solved(challenge) {
  const solution = await solveChallenge({ challenge, deriveKey });
  assert.ok(solution, 'it has a solution');
  return btoa(JSON.stringify({ challenge, solution }));
}

scene('the library solves a challenge, and its solution buys one log-in', async (url) => {
  const ann = client(url, 1);
  assert.equal((await ann.logIn()).status, 200);
  const out = await ann.logIn();
  assert.equal(out.status, 429);
  assert.equal((await out.json()).code, 'rate_limited');
  const challenge = await ann.challenge();
  assert.equal(challenge.parameters.algorithm, 'SHA-256');
  const altcha = await solved(challenge);
  assert.equal((await ann.logIn(altcha)).status, 200);
  assert.equal((await ann.logIn(altcha)).status, 429, 'it buys one');
  assert.equal((await ann.logIn(await solved(await ann.challenge()))).status, 200, 'and the next one another');
});

scene('what is not solved, or is changed, buys nothing', async (url) => {
  const ann = client(url, 2);
  assert.equal((await ann.logIn()).status, 200);
  const challenge = await ann.challenge();
  const { parameters, signature } = challenge;
  const unsolved = { challenge, solution: { counter: 0, derivedKey: '0'.repeat(64) } };
  const easy = { parameters: { ...parameters, keyPrefix: '' }, signature };
  const solution = await solveChallenge({ challenge, deriveKey });
  for (const payload of [unsolved, { challenge: easy, solution }, { solution }, {}]) {
    assert.equal((await ann.logIn(btoa(JSON.stringify(payload)))).status, 429);
  }
});

/** A site in front of Sprag, whose visitors come from a network of their own. */
function site(url, network) {
  const calls = new Calls();
  return listen(async (request, response) => {
    if (request.url.startsWith('/api/')) {
      request.headers['x-forwarded-for'] = `203.0.${network}.7`;
      return handOn(request, response, {}, { calls, upstream: () => url });
    }
    const [type, text] =
      request.url === '/altcha.js' ? ['text/javascript', await readFile(WIDGET)] : ['text/html', PAGE];
    response.writeHead(200, { 'content-type': type }).end(text);
  });
}

scene('the widget solves a challenge in a browser, and its form logs in', async (url) => {
  const ann = client(url, 3);
  assert.equal((await ann.logIn()).status, 200);
  const front = await site(url, 3);
  const browser = await startBrowser();
  try {
    const page = await browser.newPage();
    const submits = async (isSolved) => {
      await page.goto(front.url);
      await page.fill('[name=password]', PASSWORD);
      if (isSolved) {
        await page.press('altcha-widget input[type=checkbox]', 'Space');
        await page.waitForFunction(() => document.querySelector('[name=altcha]')?.value);
      }
      const answered = page.waitForNavigation();
      await page.evaluate(() => document.querySelector('form').submit());
      return (await answered).status();
    };
    assert.equal(await submits(false), 429, 'the network is out of its budget');
    assert.equal(await submits(true), 200, 'what the widget found buys one');
    assert.equal(await submits(true), 200, 'and the next one another');
    assert.equal(await submits(false), 429);
  } finally {
    await browser.close();
    await front.close();
  }
});

test('altcha', async (whole) => {
  const env = {
    SPRAG_PROOF_OF_WORK: '2',
    SPRAG_LIMIT_LOGIN_PREFIX: '1,1/1h',
    SPRAG_TRUSTED_PROXIES: '127.0.0.1',
    SPRAG_KNOWN_DEVICES: 'off',
  };
  const sprag = await startSprag({ profile: 'sprag', env, limits: 'on' });
  try {
    await sprag.createUser('ann');
    for (const { name, act } of written) await whole.test(name, { timeout: SCENE_MS }, () => act(sprag.url));
  } finally {
    await sprag.stop();
  }
});
