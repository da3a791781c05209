// Passkeys in Chromium with its virtual authenticator, against the real server: the guide's code, in a page of its own.

import { createHmac } from 'node:crypto';
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { build } from 'vite';
import { createPasskeys, needed } from '../../src/passkeys.js';
import { SpragError } from '../../src/index.js';
import { fakeClient } from './fake.js';
import { type Front, startFront } from './front.js';
import { PASSWORD, type Sprag, startSprag } from './sprag.js';

const here = (path: string) => new URL(path, import.meta.url).pathname;
const QUIET =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const PAGE = `<!doctype html><title>A page</title><link rel="icon" href="data:,">
<input name="username" autocomplete="username webauthn">
<script type="module">window.app = await import("/page.js")</script>`;

type App = typeof import('./snippets/passkeys-page.js');
type Shown = Window & { app: App };
/** What a call of the page's came to. */
type Outcome = { done: unknown } | { code: string; name: string };

let [sprag, front, browser] = [
  undefined as Sprag | undefined,
  undefined as Front | undefined,
  undefined as Browser | undefined,
];
let context: BrowserContext | undefined;

/** A server, and a page of its origin: passkeys are bound to that, so the server is told of it when it starts. */
async function begin(env: Record<string, string>): Promise<{ sprag: Sprag; front: Front }> {
  const later = {} as Sprag;
  const files = new Map([
    ['/', PAGE],
    ['/page.js', await bundled()],
  ]);
  const front = await startFront(later, (path) => path.startsWith('/api/v1/auth/'), files);
  const sprag = await startSprag({ env: { SPRAG_PUBLIC_URL: front.url, ...env } });
  return { sprag: Object.assign(later, sprag), front };
}

beforeAll(async () => {
  ({ sprag, front } = await begin({}));
  const executablePath = process.env['SPRAG_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: QUIET.split(' ') });
});
afterEach(async () => {
  await context?.close();
  context = undefined;
});
afterAll(async () => {
  await browser?.close();
  front?.close();
  await sprag?.stop();
});

async function bundled(): Promise<string> {
  const alias = [
    { find: /^sprag-client$/, replacement: here('../../src/index.ts') },
    { find: /^sprag-client\/passkeys$/, replacement: here('../../src/passkeys.ts') },
  ];
  const lib = { entry: here('snippets/passkeys-page.js'), formats: ['es' as const] };
  const made = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: { write: false, minify: false, target: 'es2022', lib },
  });
  const [{ output }] = made as unknown as [{ output: [{ code: string }] }];
  return output[0].code;
}

/** A page, and a device that has passkeys and asks its holder, who is there and says yes. */
async function open(url = (front as Front).url): Promise<{ page: Page; device: CDPSession; authenticatorId: string }> {
  context = await (browser as Browser).newContext();
  const page = await context.newPage();
  const device = await context.newCDPSession(page);
  await device.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await load(page, url);
  return { page, device, authenticatorId };
}

async function load(page: Page, url = (front as Front).url): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => (window as unknown as Shown).app !== undefined);
  await page.evaluate(() => (window as unknown as Shown).app.client.ready);
}

const state = (page: Page) => page.evaluate(() => (window as unknown as Shown).app.client.session.state);
const claims = (page: Page) => page.evaluate(() => (window as unknown as Shown).app.client.session.current.claims);

/** Has the page call a function of the guide's code. */
function does(page: Page, name: keyof App, ...args: unknown[]): Promise<Outcome> {
  return page.evaluate(
    async ([name, args]) => {
      const call = (window as unknown as Shown).app[name as 'logIn'] as (...args: unknown[]) => Promise<unknown>;
      try {
        return { done: (await call(...(args as unknown[]))) ?? null };
      } catch (error) {
        const { code, name } = error as { code: string; name: string };
        return { code: String(code), name };
      }
    },
    [name, args] as const,
  );
}

/** Asks again only where the server has too much to do. */
async function patiently(page: Page, name: keyof App, ...args: unknown[]): Promise<Outcome> {
  for (let times = 0; ; times++) {
    const outcome = await does(page, name, ...args);
    if (times >= 20 || !('code' in outcome) || !['busy', 'unavailable', 'unreachable'].includes(outcome.code))
      return outcome;
  }
}

const logOut = (page: Page) => page.evaluate(() => (window as unknown as Shown).app.client.logout());

/** Somebody who has added a passkey, and is logged out again. */
async function withPasskey(name: string) {
  await (sprag as Sprag).createUser(name);
  const opened = await open();
  const { page, device, authenticatorId } = opened;
  expect(await patiently(page, 'logIn', name, PASSWORD)).toEqual({ done: null });
  const added = (await patiently(page, 'addPasskey', 'her laptop')) as { done: { recovery_codes: string[] } };
  expect(added.done?.recovery_codes, JSON.stringify(added)).toHaveLength(10);
  const { credentials } = await device.send('WebAuthn.getCredentials', { authenticatorId });
  expect(credentials.map((each) => [each.isResidentCredential, each.rpId])).toEqual([[true, 'localhost']]);
  await logOut(page);
  expect(await state(page)).toBe('signed-out');
  return { ...opened, recoveryCodes: added.done.recovery_codes };
}

test('a passkey is made, is the second factor of a log-in, and steps up', async () => {
  const { page } = await withPasskey('ada');
  expect(await patiently(page, 'logIn', 'ada', PASSWORD)).toEqual({ done: null });
  expect(await claims(page)).toMatchObject({ amr: ['pwd', 'hwk', 'mfa'], acr: 'aal2' });
  const before = await page.evaluate(() => (window as unknown as Shown).app.client.session.current.id);
  const stepped = await page.evaluate(async () => Object.keys(await (window as unknown as Shown).app.passkeys.stepUp()));
  expect(stepped).toContain('access_token');
  expect(await page.evaluate(() => (window as unknown as Shown).app.client.session.current.id)).not.toBe(before);
});

test('a passkey opens a session without a name or a password', async () => {
  const { page } = await withPasskey('bea');
  expect(await patiently(page, 'logInWithPasskey')).toMatchObject({ done: { token_type: 'bearer' } });
  expect([await state(page), await claims(page)]).toMatchObject(['signed-in', { amr: ['hwk', 'mfa'], acr: 'aal2' }]);
});

/** Has a person type their password, and then a code in place of a passkey; what that came to. */
const withCode = (page: Page, name: string, code: string): Promise<string> =>
  page.evaluate(
    async ([username, password, code]) => {
      const { app } = window as unknown as Shown;
      const error: unknown = await app.client.login({ username, password }).catch((error: unknown) => error);
      const next = app.needed(error);
      if (!next) return String(error);
      return app.withCode(next, code).then(
        () => next.factors.join(' '),
        (error) => String(error.code),
      );
    },
    [name, PASSWORD, code] as const,
  );

/** The code of an app of this secret in so many steps of half a minute (RFC 6238). */
function codeOf(secret: string, steps = 0): string {
  const digits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'));
  const bytes = digits.join('').match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac('sha1', Buffer.from(bytes)).update(counter).digest();
  const code = hash.readUInt32BE((hash.at(-1) as number) & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, '0');
}

test('a recovery code stands in for a passkey, and the code of an app for it too', async () => {
  const { page, recoveryCodes } = await withPasskey('gil');
  await vi.waitFor(async () => expect(await withCode(page, 'gil', recoveryCodes[0] as string)).toBe('passkey recovery_code'), 60_000);
  expect([await state(page), await claims(page)]).toMatchObject(['signed-in', { acr: 'aal2' }]);
  const asks = (path: string, body: object) =>
    page.evaluate(
      async ([path, body]) => {
        const headers = { 'content-type': 'application/json' };
        const init = { method: 'POST', headers, body: JSON.stringify(body) };
        return (await (window as unknown as Shown).app.client.fetch(`/api/v1/auth/factors/totp${path}`, init)).json();
      },
      [path, body] as const,
    );
  const { id, secret } = await asks('', { label: 'her phone' });
  await asks(`/${id}/confirm`, { code: codeOf(secret) });
  await logOut(page);
  expect(await withCode(page, 'gil', '000000')).toBe('code_wrong');
  // The code of now was shown already.
  await vi.waitFor(async () => expect(await withCode(page, 'gil', codeOf(secret, 1))).toBe('passkey totp recovery_code'), 60_000);
  expect(await claims(page)).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
});

test('whoever must have a second factor makes a passkey, and is logged in by it', async () => {
  const strict = await begin({ SPRAG_SECOND_FACTOR: 'required' });
  try {
    await strict.sprag.createUser('fay');
    const { page } = await open(strict.front.url);
    expect(await patiently(page, 'logIn', 'fay', PASSWORD)).toMatchObject({ code: 'enrolment_required' });
    const added = await page.evaluate(async (password) => {
      const { app } = window as unknown as Shown;
      const error: unknown = await app.client.login({ username: 'fay', password }).catch((error: unknown) => error);
      const next = app.needed(error);
      return next && app.enrol(next);
    }, PASSWORD);
    expect(added?.['recovery_codes']).toHaveLength(10);
    expect([await state(page), await claims(page)]).toMatchObject(['signed-in', { amr: ['pwd', 'hwk', 'mfa'] }]);
    await logOut(page);
    expect(await patiently(page, 'logIn', 'fay', PASSWORD)).toEqual({ done: null });
    expect(await claims(page)).toMatchObject({ amr: ['pwd', 'hwk', 'mfa'], acr: 'aal2' });
  } finally {
    await context?.close();
    strict.front.close();
    await strict.sprag.stop();
  }
});

test('a browser offers passkeys where a name is typed, until somebody chooses one', async () => {
  const { page, device, authenticatorId } = await withPasskey('cleo');
  await load(page);
  expect(await page.evaluate(() => (window as unknown as Shown).app.passkeys.canOffer())).toBe(true);
  // Nobody is there to choose one yet.
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
  const offered = does(page, 'offerPasskeys').catch(() => 'the page was left');
  expect(await Promise.race([offered, new Promise((resolve) => setTimeout(resolve, 1_000, 'waits'))])).toBe('waits');
  expect(await state(page)).toBe('signed-out');
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
  await load(page);
  expect(await does(page, 'offerPasskeys')).toEqual({ done: true });
  expect([await state(page), await claims(page)]).toMatchObject(['signed-in', { amr: ['hwk', 'mfa'] }]);
});

test('a page that is open for long offers passkeys for another challenge, before the first one is too old', async () => {
  const { page, device, authenticatorId } = await withPasskey('fay');
  await page.clock.install();
  await load(page);
  const asked: string[] = [];
  page.on('request', (request) => void asked.push(new URL(request.url()).pathname));
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
  const offered = does(page, 'offerPasskeys');
  await page.waitForTimeout(500);
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
  await page.clock.fastForward(241_000);
  expect(await offered).toEqual({ done: true });
  expect(asked.filter((path) => path.endsWith('/login/passkey/options'))).toHaveLength(2);
});

test('another call takes the place of what is offered', async () => {
  const { page, device, authenticatorId } = await withPasskey('dora');
  await load(page);
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
  const offered = does(page, 'offerPasskeys');
  await page.waitForTimeout(500);
  await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
  expect(await patiently(page, 'logInWithPasskey')).toMatchObject({ done: { token_type: 'bearer' } });
  expect(await offered).toEqual({ done: false });
});

test('whoever the device does not recognise is let in nowhere', async () => {
  const { page, device, authenticatorId } = await withPasskey('eve');
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  expect(await does(page, 'logInWithPasskey')).toMatchObject({ name: 'NotAllowedError' });
  expect(await state(page)).toBe('signed-out');
});

test('what a log-in needs next is read from its refusal, and from no other', () => {
  const body = { mfa_token: 'spo_x', factors: ['passkey', 'totp'], expires_in: 300 };
  const waits = new SpragError('second_factor_required', 'a second factor is asked for', 401, body);
  expect(needed(waits)).toEqual({ token: 'spo_x', factors: ['passkey', 'totp'], expiresIn: 300, isEnrolment: false });
  const enrols = new SpragError('enrolment_required', 'a second factor must be added', 401, { mfa_token: 'spo_y', factors: [] });
  expect(needed(enrols)).toEqual({ token: 'spo_y', factors: [], expiresIn: 0, isEnrolment: true });
  expect(needed(new SpragError('credentials_invalid', 'wrong', 401, body))).toBeUndefined();
  // As by a profile whose refusals have no code otherwise.
  const worded = new SpragError('credentials_invalid', 'a second factor is asked for', 401, { ...body, code: waits.code });
  expect(needed(worded)).toEqual(needed(waits));
  expect(needed(new TypeError('broken'))).toBeUndefined();
});

test('where there is no browser nothing is offered, and the server is not asked', async () => {
  const asked = vi.fn();
  const passkeys = createPasskeys(fakeClient().client, { url: 'https://auth.example', fetch: asked });
  expect([passkeys.isSupported, await passkeys.canOffer(), await passkeys.offer()]).toEqual([false, false, undefined]);
  expect(asked).not.toHaveBeenCalled();
});
