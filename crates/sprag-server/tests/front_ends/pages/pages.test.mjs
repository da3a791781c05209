// The server's own pages and letters, in a browser: links followed from real letters, forms used without script, looked at by axe-core
// in both schemes and several widths. With SPRAG_LOOK=FOLDER their pictures are put there.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBrowser } from '../lib/browser.mjs';
import { PASSWORD, startSprag } from '../lib/sprag.mjs';

const SCENE_MS = 240_000;
const WAIT_MS = 20_000;
const NEW = 'another good password';
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const AUTH = '/api/v1/auth';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

/** A profile whose letters log in with whatever browser opens them, which gets a cookie. */
const ANYWHERE = `extends = "sprag"
id = 1000
about = "Letters log in on any device"
offers = ["send_code", "login_by_code"]
login_link = "anywhere"
`;

// Whoever started this holds our standard input; when they are gone we go too, and what we started with us.
if (process.env.SPRAG_TEST_IS_TIED) process.stdin.on('end', () => process.exit(1)).resume().unref();

const written = [];

function scene(name, act) {
  written.push({ name, act });
}

/** A part of a letter as it was written, whatever its transfer encoding. */
function decoded(part) {
  const [head, ...rest] = part.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  if (/transfer-encoding: base64/i.test(head)) return Buffer.from(body, 'base64').toString('utf8');
  if (!/transfer-encoding: quoted-printable/i.test(head)) return body;
  const bytes = body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Somebody with an account, what they ask of the server, and the letters that come of it. */
class Person {
  constructor({ sprag, letters }, name) {
    Object.assign(this, { sprag, folder: letters, name, address: `${name}@example.com` });
  }

  static async new(stage, name, ...flags) {
    await stage.sprag.createUser(name, ...flags);
    return new Person(stage, name);
  }

  /** The letter of an invitation that an administrator sends to an address. */
  async invites(address) {
    const { access_token: token } = await this.logIn();
    const response = await this.post('/invites', { email: address }, { authorization: `Bearer ${token}` });
    assert.equal(response.status, 201, await response.text());
    return this.letter(address);
  }

  post(path, body, headers = {}) {
    const all = { 'content-type': 'application/json', ...headers };
    return fetch(`${this.sprag.url}${AUTH}${path}`, { method: 'POST', headers: all, body: JSON.stringify(body) });
  }

  async logIn({ password = PASSWORD, agent = FIREFOX } = {}) {
    const response = await this.post('/login', { username: this.name, password }, { 'user-agent': agent });
    return { status: response.status, ...(await response.json()) };
  }

  async asks(path, body, token) {
    const response = await this.post(path, body, token && { authorization: `Bearer ${token}` });
    assert.equal(response.status, 202, await response.text());
  }

  /** Adds an app as a second factor, and gives its recovery codes. */
  async addsApp() {
    const { access_token: token } = await this.logIn();
    const bearer = { authorization: `Bearer ${token}` };
    const app = await (await this.post('/factors/totp', { label: 'phone' }, bearer)).json();
    const confirmed = await this.post(`/factors/totp/${app.id}/confirm`, { code: totp(app.secret) }, bearer);
    const told = await confirmed.json();
    assert.equal(confirmed.status, 200, JSON.stringify(told));
    return told.recovery_codes;
  }

  /** The next letter to that address: its link, its code, its text and HTML. */
  async letter(to = this.address, wait = WAIT_MS) {
    for (let waited = 0; waited < wait; waited += 100) {
      for (const name of readdirSync(this.folder).filter((name) => name.endsWith('.eml'))) {
        const raw = readFileSync(join(this.folder, name), 'utf8');
        if (!raw.includes(`To: ${to}`)) continue;
        rmSync(join(this.folder, name));
        const [, boundary] = /boundary="?([^"\r\n]+)"?/.exec(raw);
        const [text, html] = raw.split(`--${boundary}`).slice(1, 3).map((part) => decoded(part.trimStart()));
        return { raw, text, html, link: /https?:\S+/.exec(text)?.[0] };
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no letter came to ${to}`);
  }
}

/** What an app shows now (RFC 6238), for a secret in base32. */
function totp(secret) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac('sha1', key).update(step).digest();
  const number = hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

/** A page of a browser that runs no script. */
async function plainly(browser, url, options = {}) {
  const context = await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB', ...options });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

const heading = (page) => page.locator('h1').innerText();

scene('a forgotten password is set anew by the link of a letter, without script', async (stage) => {
  const ann = await Person.new(stage, 'ann');
  await ann.asks('/password/forgot', { email: ann.address });
  const { link } = await ann.letter();
  const page = await plainly(stage.browser, link);
  assert.equal(await heading(page), 'Choose a new password');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Set the password' }).click();
  assert.equal(await heading(page), 'Your password is changed');
  assert.equal((await ann.logIn({ password: NEW })).status, 200);
  await page.goto(link);
  assert.equal(await heading(page), 'This link is no longer good');
  await page.context().close();
});

scene('an address is changed by one letter and the change undone by the other', async (stage) => {
  const bea = await Person.new(stage, 'bea');
  const { access_token: token } = await bea.logIn();
  await bea.asks('/email', { email: 'bea@new.example' }, token);
  const page = await plainly(stage.browser, (await bea.letter('bea@new.example')).link);
  await page.getByRole('button', { name: 'Confirm the address' }).click();
  assert.equal(await heading(page), 'Your address is changed');
  await page.goto((await bea.letter()).link);
  await page.getByRole('button', { name: 'Undo the change' }).click();
  assert.equal(await heading(page), 'Choose a new password');
  assert.equal((await bea.logIn()).status, 401, 'the old password works no more');
  await page.getByLabel('New password').fill(NEW);
  await page.getByRole('button', { name: 'Set the password' }).click();
  assert.equal(await heading(page), 'Your password is changed');
  assert.equal((await bea.logIn({ password: NEW })).status, 200);
  await page.context().close();
});

scene('a code is shown to whoever opens the link, and logs in where it was asked for', async (stage) => {
  const cleo = await Person.new(stage, 'cleo');
  const asked = await (await cleo.post('/code', { email: cleo.address })).json();
  const { link } = await cleo.letter();
  const page = await plainly(stage.browser, link);
  const [code] = /\d{6}/.exec(await heading(page));
  const opened = await cleo.post('/code/login', { login_id: asked.login_id, code });
  assert.equal(opened.status, 200);
  await page.context().close();
});

scene('whoever is invited makes their account at the page of the letter, without script, and is told what is wrong', async (stage) => {
  const greta = await Person.new(stage, 'greta', '--admin');
  const { link } = await greta.invites('gus@example.com');
  const page = await plainly(stage.browser, link);
  assert.equal(await heading(page), 'Make your account');
  assert.equal(await page.getByLabel('E-mail address').inputValue(), 'gus@example.com');
  assert.equal(await page.getByLabel('E-mail address').isEditable(), false);
  const sends = async (name, password) => {
    await page.getByLabel('User name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Make the account' }).click();
  };
  const told = [];
  for (const [name, password, field] of [
    ['greta', NEW, 'User name'],
    ['gus', 'short', 'Password'],
    ['gus', 'gus-2026-11-30-gus', 'Password'],
  ]) {
    await sends(name, password);
    const wrong = page.getByLabel(field);
    assert.equal(await wrong.getAttribute('aria-invalid'), 'true');
    assert.equal(await wrong.evaluate((element) => element === document.activeElement), true, 'one begins where it is wrong');
    assert.equal(await page.getByLabel('User name').inputValue(), name, 'nothing is typed twice');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    told.push(await page.locator('.wrong').innerText());
  }
  assert.match(told[0], /this user name or this address/);
  assert.match(told[1], /at least 15 characters/);
  assert.match(told[2], /your name or address/);
  await sends('gus', NEW);
  assert.equal(await heading(page), 'Your account is made');
  const gus = new Person(stage, 'gus');
  assert.equal((await gus.logIn({ password: NEW })).status, 200);
  await page.goto(link);
  assert.equal(await heading(page), 'This invitation is no longer good');
  await page.context().close();
});

/** Looks at a page or letter as axe does, and for what is cut off. */
async function isInOrder(page, what) {
  await page.addScriptTag({ path: AXE });
  const found = await page.evaluate(() => window.axe.run());
  const faults = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  assert.deepEqual(faults, [], what);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(overflow <= 0, `${what}: ${overflow} pixels too wide`);
}

async function pictured(page, name) {
  const folder = process.env.SPRAG_LOOK;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** Does it in every width, and in the dark in the smallest and the largest: colours depend on no width. */
async function everyWay(browser, widths, act) {
  const inScheme = async (colorScheme, widths) => {
    for (const width of widths) {
      const context = await browser.newContext({ colorScheme, locale: 'en-GB', bypassCSP: true, viewport: { width, height: 700 } });
      await act(await context.newPage(), `${width}-${colorScheme}`);
      await context.close();
    }
  };
  await Promise.all([inScheme('light', widths), inScheme('dark', [...new Set([widths[0], widths.at(-1)])])]);
}

scene('axe finds nothing wrong with any page or letter, light or dark, small or large, and nothing is cut off', async (stage) => {
  const dora = await Person.new(stage, 'dora');
  const { access_token: token } = await dora.logIn();
  const letters = {};
  const vera = await Person.new(stage, 'vera');
  const { access_token: theirs } = await vera.logIn();
  await vera.asks('/email/verification', {}, theirs);
  letters.verify = await vera.letter();
  await vera.asks('/email', { email: 'vera@new.example' }, theirs);
  letters.email = await vera.letter('vera@new.example');
  await dora.asks('/password/forgot', { email: dora.address });
  letters.reset = await dora.letter();
  await dora.asks('/email', { email: 'dora@new.example' }, token);
  const { link: confirms } = await dora.letter('dora@new.example');
  await dora.asks('/code', { email: dora.address });
  letters.code = await dora.letter();
  const changed = await dora.post('/email/confirm', { token: new URL(confirms).searchParams.get('token') });
  assert.equal(changed.status, 204);
  letters.undo = await dora.letter();
  await dora.logIn({ agent: 'curl/8.0' });
  letters['not-me'] = await dora.letter('dora@new.example', 90_000);
  // The address is another one by now, so these two are looked at with tokens of today.
  await dora.asks('/password/forgot', { email: 'dora@new.example' });
  letters.reset = await dora.letter('dora@new.example');
  await dora.asks('/code', { email: 'dora@new.example' });
  letters.code = await dora.letter('dora@new.example');
  letters.invite = await (await Person.new(stage, 'rita', '--admin')).invites('hugo@example.com');
  await everyWay(stage.browser, [360, 768, 1280, 1600], async (page, way) => {
    for (const [name, { link }] of Object.entries(letters)) {
      await page.goto(link);
      assert.notEqual(await heading(page), 'This link is no longer good', name);
      await isInOrder(page, `${name} ${way}`);
      await pictured(page, `page-${name}-${way}`);
    }
    await page.goto(`${stage.sprag.url}/verify?token=x`);
    await isInOrder(page, `invalid ${way}`);
    await page.goto(letters.reset.link);
    await page.getByLabel('New password').fill('short');
    await page.getByRole('button').click();
    await isInOrder(page, `rejected ${way}`);
    await pictured(page, `page-rejected-${way}`);
    await page.goto(letters.invite.link);
    await page.getByLabel('User name').fill('hugo');
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button').click();
    await isInOrder(page, `invite rejected ${way}`);
    await pictured(page, `page-invite-rejected-${way}`);
  });
  await everyWay(stage.browser, [320, 360], async (page, way) => {
    for (const [name, { html }] of Object.entries(letters)) {
      await page.setContent(html);
      await isInOrder(page, `letter ${name} ${way}`);
      await pictured(page, `letter-${name}-${way}`);
    }
  });
  const everything = Object.values(letters).map(({ html }) => html).join('');
  assert.ok(!/src=|<script|<img|@import|url\(/.test(everything), 'letters fetch nothing');
  const context = await stage.browser.newContext({ locale: 'en-GB', bypassCSP: true, viewport: { width: 360, height: 700 } });
  const page = await context.newPage();
  await page.goto(letters.undo.link);
  await page.getByRole('button').click();
  await isInOrder(page, 'undone');
  await pictured(page, 'page-undone');
  await context.close();
});

scene('whoever asked for the end of their account keeps it by the link of the letter', async (stage) => {
  const ida = await Person.new(stage, 'ida');
  const { access_token: token } = await ida.logIn();
  await ida.asks('/me/delete', {}, token);
  const { link, html } = await ida.letter();
  await everyWay(stage.browser, [320, 1280], async (page, way) => {
    await page.goto(link);
    await isInOrder(page, `delete ${way}`);
    await pictured(page, `page-delete-${way}`);
    await page.setContent(html);
    await isInOrder(page, `letter delete ${way}`);
    await pictured(page, `letter-delete-${way}`);
  });
  const page = await plainly(stage.browser, link);
  assert.equal(await heading(page), 'Keep your account');
  await page.getByRole('button', { name: 'Keep the account' }).click();
  assert.equal(await heading(page), 'Your account is kept');
  await page.goto(link);
  assert.equal(await heading(page), 'This link is no longer good');
  await page.context().close();
  assert.equal((await ida.logIn()).status, 200);
});

scene('an address is confirmed, and sessions are ended by whoever was not there, by the links of letters', async (stage) => {
  const jan = await Person.new(stage, 'jan');
  const { access_token: token } = await jan.logIn();
  await jan.asks('/email/verification', {}, token);
  const page = await plainly(stage.browser, (await jan.letter()).link);
  await page.getByRole('button', { name: 'Confirm the address' }).click();
  assert.equal(await heading(page), 'Your address is confirmed');
  await jan.addsApp();
  const { link } = await jan.letter();
  await page.goto(link);
  assert.equal(await heading(page), 'This was not me');
  await page.getByRole('button', { name: 'End all sessions' }).click();
  assert.equal(await heading(page), 'Choose a new password');
  assert.deepEqual(await jan.sprag.sessions('jan'), []);
  await page.context().close();
});

scene('a letter logs in with the browser that opens it, once its code was shown too, and every page of that is in order', async (stage) => {
  const kim = await Person.new({ ...stage, sprag: stage.anywhere, letters: stage.lettersAnywhere }, 'kim');
  const [first, second] = await kim.addsApp();
  await kim.letter();
  await kim.asks('/code', { email: kim.address });
  const { link } = await kim.letter();
  await everyWay(stage.browser, [360, 1600], async (page, way) => {
    await page.goto(link);
    await isInOrder(page, `code ${way}`);
    await pictured(page, `page-code-${way}`);
  });
  const page = await plainly(stage.browser, link, { bypassCSP: true, javaScriptEnabled: true });
  const goesOn = () => page.getByRole('button', { name: 'Log in' }).click();
  await goesOn();
  assert.equal(await heading(page), 'One more step');
  await isInOrder(page, 'factor');
  await pictured(page, 'page-code-factor');
  await page.getByRole('textbox').fill('000000');
  await goesOn();
  assert.equal(await heading(page), 'This code is wrong');
  await isInOrder(page, 'wrong code');
  await pictured(page, 'page-code-wrong');
  await page.getByRole('textbox').fill(first);
  await goesOn();
  assert.equal(await heading(page), 'You are logged in');
  await isInOrder(page, 'logged in');
  await pictured(page, 'page-code-done');
  const cookies = await page.context().cookies();
  assert.ok(cookies.some(({ httpOnly, value }) => httpOnly && value.startsWith('spr_')), JSON.stringify(cookies));
  await page.context().close();
  assert.notEqual(first, second);
});

scene('a page is in the language that its reader reads', async (stage) => {
  const eve = await Person.new(stage, 'eve');
  await eve.asks('/password/forgot', { email: eve.address });
  const { link } = await eve.letter();
  const titles = new Set();
  for (const locale of ['en-GB', 'de-AT', 'es-MX', 'fr-CA', 'pt-BR', 'zh-CN', 'ja-JP']) {
    const page = await plainly(stage.browser, link, { locale, viewport: { width: 360, height: 700 } });
    assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
    titles.add(await heading(page));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${locale}: ${overflow} pixels too wide`);
    await pictured(page, `language-${locale}`);
    await page.context().close();
  }
  assert.equal(titles.size, 7, [...titles].join());
});

test('pages', { concurrency: 3 }, async (whole) => {
  const letters = await mkdtemp(join(tmpdir(), 'sprag-letters-'));
  const env = {
    SPRAG_MAIL_URL: `folder:${letters}`,
    SPRAG_OFFERS: 'send_code,login_by_code',
    SPRAG_REGISTRATION: 'invite',
    SPRAG_SERVICE_NAME: 'Example',
  };
  const lettersAnywhere = await mkdtemp(join(tmpdir(), 'sprag-letters-'));
  const own = { profile: './own.toml', files: { 'own.toml': ANYWHERE }, env: { SPRAG_MAIL_URL: `folder:${lettersAnywhere}` } };
  // First, so that where there is none no server is left behind.
  const browser = await startBrowser();
  const servers = [];
  try {
    for (const which of [{ profile: 'sprag', env }, own]) servers.push(await startSprag(which));
    const [sprag, anywhere] = servers;
    const stage = { sprag, anywhere, browser, letters, lettersAnywhere };
    const limits = { timeout: SCENE_MS };
    await Promise.all(written.map(({ name, act }) => whole.test(name, limits, () => act(stage))));
  } finally {
    await browser.close();
    await Promise.all(servers.map((server) => server.stop()));
    for (const folder of [letters, lettersAnywhere]) rmSync(folder, { recursive: true, force: true });
  }
});
