import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createVerifier, expressGuard, fastifyGuard, guardRequest, VerifySetupError } from '../../src/verify.js';
import { logIn, type Sprag, SECRET, startSprag } from './sprag.js';

const VECTORS = JSON.parse(readFileSync(new URL('../../../../vectors/access.json', import.meta.url), 'utf8'));

interface Vector {
  name: string;
  token: string;
  keys: string;
  now: number;
  issuer: string;
  audience: string;
  expect: { refused?: string; subject?: string };
}

/** The key set that a ring publishes at one moment, and the algorithm of the key that signs. */
async function published(ring: string, now: number) {
  const all = VECTORS.keys[ring].access.filter(
    (key: { retired_at: number | null }) => (key.retired_at ?? Infinity) > now,
  );
  const signing = all.filter((key: { signs_from: number }) => key.signs_from <= now).at(-1);
  const keys = [];
  for (const { kid, algorithm, secret, shared } of all) {
    if (shared || algorithm === 'HS256') continue;
    const der = Buffer.from(secret, 'base64url');
    const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    keys.push({ ...(await exportJWK(key)), kid, alg: algorithm, use: 'sig' });
  }
  return { body: { keys }, algorithm: signing.algorithm, secret: Buffer.from(signing.secret, 'base64url') };
}

const answering = (body: unknown, headers: Record<string, string> = {}) => {
  const asked = { times: 0, status: 200, body, headers };
  const fetch = async () => {
    asked.times += 1;
    return new Response(JSON.stringify(asked.body), { status: asked.status, headers: asked.headers });
  };
  return { asked, fetch: fetch as unknown as typeof globalThis.fetch };
};

describe('every token vector is judged as the server judges it', () => {
  const vectors: Vector[] = VECTORS.vectors;
  // A ring's own HS256 key is nobody else's, and a name's own form is the server's business: an API takes the subject as it is.
  const usable = vectors.filter(({ keys, name }) => keys !== 'hs256' && name !== 'r24-sub-name');
  test.each(usable)('$name', async ({ token, keys, now, issuer, audience, expect: outcome }) => {
    const { body, algorithm, secret } = await published(keys, now);
    const header = token.split('.')[0] ?? '';
    const said = /"alg":"(\w+)"/.exec(Buffer.from(header, 'base64url').toString())?.[1];
    // One algorithm for one verifier: while the server changes its own, an API has two.
    const isEither = body.keys.some(({ alg }) => alg === said);
    const options = { issuer, audience, leeway: 0, now: () => new Date(now), fetch: answering(body).fetch };
    const verifier = createVerifier(
      algorithm === 'HS256'
        ? { ...options, algorithm, secret }
        : { ...options, algorithm: isEither ? (said as 'ES256') : algorithm },
    );
    if (outcome.refused === undefined) {
      const leeway = token === vectors.find(({ name }) => name === 'nbf-leeway')?.token;
      const judge = leeway ? createVerifier({ ...options, algorithm, leeway: 60 }) : verifier;
      expect((await judge.verify(token)).sub).toBe(outcome.subject);
    } else {
      const reason = await verifier.verify(token).then(
        () => 'none',
        (error) => error.reason,
      );
      expect(reason).not.toBe('none');
      expect(['keys', undefined]).not.toContain(reason);
    }
  });
});

describe("the real server's tokens", () => {
  let sprag: Sprag;
  let token: string;
  beforeAll(async () => {
    sprag = await startSprag();
    await sprag.createUser('ada');
    token = (await logIn(sprag, 'ada')).access_token;
  });
  afterAll(() => sprag.stop());

  test('an Express API lets them in, and refuses others with what a client acts by', async () => {
    const app = express();
    const refused: string[] = [];
    const verifier = createVerifier({ issuer: sprag.url });
    app.get(
      '/me',
      expressGuard(verifier, { onRefused: (error) => refused.push(error.reason) }),
      (request, response) => {
        response.json({ account: (request as { auth?: { sub: string } }).auth?.sub });
      },
    );
    app.get('/open', expressGuard(verifier, { optional: true }), (request, response) => {
      response.json({ known: (request as { auth?: unknown }).auth !== undefined });
    });
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      await speaksHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, token);
      expect(refused).toEqual(['missing', 'segments', 'signature', 'credentials', 'credentials']);
    } finally {
      server.close();
    }
  });

  test('a Fastify API does the same', async () => {
    const app = fastify();
    const verifier = createVerifier({ issuer: sprag.url });
    app.get('/me', { onRequest: fastifyGuard(verifier) }, async (request) => ({
      account: (request as { auth?: { sub: string } }).auth?.sub,
    }));
    app.get('/open', { preHandler: fastifyGuard(verifier, { optional: true }) }, async (request) => ({
      known: (request as { auth?: unknown }).auth !== undefined,
    }));
    try {
      await speaksHttp(await app.listen({ port: 0, host: '127.0.0.1' }), token);
    } finally {
      await app.close();
    }
  });

  test("handlers of the web's Request do the same", async () => {
    const verifier = createVerifier({ issuer: sprag.url });
    const request = (authorization?: string) =>
      new Request('http://api.example/me', authorization ? { headers: { authorization } } : {});
    expect((await guardRequest(verifier, request(`Bearer ${token}`))).claims?.client_id).toBe('sprag');
    const { refusal } = await guardRequest(verifier, request());
    expect(refusal?.status).toBe(401);
    expect(refusal?.headers.get('www-authenticate')).toBe('Bearer');
    // Two headers of one name arrive in one, with a comma between.
    expect((await guardRequest(verifier, request(`Bearer ${token}, Bearer ${token}`))).refusal?.status).toBe(400);
  });

  test('a key that takes over is known at once, and a key that is retired after a leak is refused', async () => {
    let time = 0;
    const verifier = createVerifier({ issuer: sprag.url, unknownKeyInterval: 0 });
    await verifier.verify(token);
    await sprag.command(['key', 'rotate', '--access', '--now']);
    const next = await newlySigned(sprag, token);
    expect((await verifier.verify(next)).sub).toBe((await verifier.verify(token)).sub);

    const kid = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
    await sprag.command(['key', 'retire', kid, '--now']);
    const isGone = async () => !(await (await fetch(`${sprag.url}/.well-known/jwks.json`)).text()).includes(kid);
    await until('the server publishes it no more', isGone);
    const hours = createVerifier({ issuer: sprag.url, now: () => new Date(Date.now() + time) });
    await expect(hours.verify(token)).rejects.toMatchObject({ reason: 'unknown_key', status: 401 });
    time = 3_600_000;
    await expect(hours.verify(next)).rejects.toMatchObject({ code: 'token_expired' });
  });

  test('an ID of another API is refused, and so is a server of another name', async () => {
    const now = (await logIn(sprag, 'ada')).access_token;
    const jwksUrl = `${sprag.url}/.well-known/jwks.json`;
    const other = createVerifier({ issuer: sprag.url, audience: 'https://other.example' });
    await expect(other.verify(now)).rejects.toMatchObject({ reason: 'audience' });
    const stranger = createVerifier({ issuer: 'https://id.example', jwksUrl, audience: sprag.url });
    await expect(stranger.verify(now)).rejects.toMatchObject({ reason: 'issuer' });
    const profile = createVerifier({ issuer: sprag.url, clientId: 'fastapi-events' });
    await expect(profile.verify(now)).rejects.toMatchObject({ reason: 'claim' });
    await expect(createVerifier({ issuer: sprag.url, algorithm: 'RS256' }).verify(now)).rejects.toMatchObject({
      reason: 'algorithm',
    });
  });

  test('while the server is away, the keys that were had are used on', async () => {
    const verifier = createVerifier({ issuer: sprag.url, timeout: 1_000 });
    const alive = (await logIn(sprag, 'ada')).access_token;
    await verifier.load();
    await sprag.kill();
    expect((await verifier.verify(alive)).client_id).toBe('sprag');
    const late = createVerifier({ issuer: sprag.url, timeout: 1_000 });
    await expect(late.verify(alive)).rejects.toMatchObject({ code: 'unavailable', status: 503 });
    await expect(late.load()).rejects.toMatchObject({ code: 'unavailable' });
    expect(late.lastFailure).toBeDefined();
    await sprag.start();
  });
});

test('a profile whose tokens are signed with a shared secret is verified with it', async () => {
  const sprag = await startSprag({ profile: 'node-sequelize', env: { JWT_SECRET: SECRET } });
  try {
    await sprag.createUser('ada');
    const answer = await fetch(`${sprag.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', password: 'a long password for tests' }),
    });
    const { token } = (await answer.json()) as { token: string };
    const options = { issuer: sprag.url, audience: false, algorithm: 'HS256' } as const;
    expect((await createVerifier({ ...options, secret: SECRET }).verify(token)).client_id).toBe('node-sequelize');
    const wrong = createVerifier({ ...options, secret: `${SECRET}!` });
    await expect(wrong.verify(token)).rejects.toMatchObject({ reason: 'signature' });
  } finally {
    await sprag.stop();
  }
});

describe('the keys are fetched seldom', () => {
  const issuer = 'https://id.example';
  const signed = async (kid: string) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwt = new SignJWT({ sid: 's', client_id: 'sprag' }).setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt' });
    jwt
      .setIssuer(issuer)
      .setAudience(issuer)
      .setSubject('a')
      .setIssuedAt()
      .setExpirationTime('15m')
      .setJti('c2l4dGVlbiBieXRlcyBpZA');
    return { key: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }, token: await jwt.sign(privateKey) };
  };

  test('a flood of tokens with unknown keys leads to one fetch in the interval, whoever sends them', async () => {
    const [known, unknown] = [await signed('known'), await signed('unknown')];
    const { asked, fetch } = answering({ keys: [known.key] });
    const verifier = createVerifier({ issuer, fetch });
    await verifier.verify(known.token);
    expect(asked.times).toBe(1);
    const flood = Array.from({ length: 2_000 }, () => verifier.verify(unknown.token).catch((error) => error.reason));
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['unknown_key']));
    for (let times = 0; times < 200; times++) await verifier.verify(unknown.token).catch(() => undefined);
    expect(asked.times).toBe(2);
    // Whoever has a good token notices nothing of it.
    expect((await verifier.verify(known.token)).sub).toBe('a');
  });

  test('requests at one moment share one fetch, and a server that fails is not asked by each of them', async () => {
    const { key, token } = await signed('known');
    const { asked, fetch } = answering({ keys: [key] });
    asked.status = 500;
    const verifier = createVerifier({ issuer, fetch });
    const codes = await Promise.all(
      Array.from({ length: 500 }, () => verifier.verify(token).catch((error) => error.code)),
    );
    expect(new Set(codes)).toEqual(new Set(['unavailable']));
    await verifier.verify(token).catch(() => undefined);
    expect(asked.times).toBe(1);

    const patient = createVerifier({ issuer, fetch, retryInterval: 0 });
    await patient.verify(token).catch(() => undefined);
    asked.status = 200;
    expect((await patient.verify(token)).sub).toBe('a');
  });

  test('a server that hangs stalls nobody while there are keys, and one that answers again is believed', async () => {
    const [old, next] = [await signed('old'), await signed('next')];
    const { asked, fetch } = answering({ keys: [old.key] });
    let isHanging = false;
    const hanging = (async (_: unknown, { signal }: RequestInit) => {
      if (!isHanging) return fetch('');
      asked.times += 1;
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    }) as typeof globalThis.fetch;
    const start = performance.now();
    let time = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => start + time);
    const waits = vi.spyOn(globalThis, 'setTimeout');
    try {
      const verifier = createVerifier({ issuer, fetch: hanging, timeout: 30_000 });
      await verifier.verify(old.token);
      [isHanging, time] = [true, 2 * 3_600_000];
      // The first ones wait a moment, and nobody the thirty seconds of the fetch.
      expect((await verifier.verify(old.token)).sub).toBe('a');
      expect(waits.mock.calls.map(([, milliseconds]) => milliseconds)).toEqual([500]);
      time += 1_000;
      for (let times = 0; times < 20; times++) expect((await verifier.verify(old.token)).sub).toBe('a');
      expect(waits).toHaveBeenCalledTimes(1);
      expect(asked.times).toBe(2);
    } finally {
      vi.restoreAllMocks();
    }
    // Who was away for hours asks before it believes a key that may be retired by now.
    const idle = answering({ keys: [old.key] });
    const api = createVerifier({ issuer, fetch: idle.fetch });
    await api.verify(old.token);
    idle.asked.body = { keys: [next.key] };
    vi.spyOn(performance, 'now').mockImplementation(() => start + 2 * 3_600_000);
    try {
      await expect(api.verify(old.token)).rejects.toMatchObject({ reason: 'unknown_key' });
      expect((await api.verify(next.token)).sub).toBe('a');
    } finally {
      vi.restoreAllMocks();
    }
  });

  test('what cannot be a token of ours leads to no fetch at all', async () => {
    const { asked, fetch } = answering({ keys: [] });
    const verifier = createVerifier({ issuer, fetch });
    for (const text of ['', 'a', 'a.b.c', 'spr_abc', 'x'.repeat(9_000)]) {
      await expect(verifier.verify(text)).rejects.toMatchObject({ code: 'token_invalid' });
    }
    expect(asked.times).toBe(0);
  });

  test('a server that publishes a secret is not believed', async () => {
    const { key, token } = await signed('known');
    const verifier = createVerifier({ issuer, fetch: answering({ keys: [key, { kty: 'oct', k: 'AAAA' }] }).fetch });
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'unavailable' });
    expect(String(verifier.lastFailure)).toContain('secret');
  });
});

test('a verifier that would be unsafe is not made', () => {
  const unsafe = [
    { issuer: 'id.example' },
    { issuer: 'http://id.example' },
    { issuer: 'https://id.example', jwksUrl: 'http://id.example/keys' },
    { issuer: 'https://id.example', algorithm: 'none' as 'ES256' },
    { issuer: 'https://id.example', secret: SECRET },
    { issuer: 'https://id.example', algorithm: 'HS256' as const },
    { issuer: 'https://id.example', algorithm: 'HS256' as const, secret: 'short' },
    { issuer: 'https://id.example', leeway: 301 },
  ];
  for (const options of unsafe) expect(() => createVerifier(options)).toThrow(VerifySetupError);
});

/** The same questions for every kind of API. */
async function speaksHttp(url: string, token: string) {
  const get = (path: string, authorization?: string) =>
    fetch(url + path, authorization === undefined ? {} : { headers: { authorization } });
  const me = await get('/me', `Bearer ${token}`);
  expect(me.status).toBe(200);
  expect(((await me.json()) as { account: string }).account).toMatch(/^[0-9a-f-]{36}$/);

  const without = await get('/me');
  expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(without.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(await without.json()).toMatchObject({ code: 'token_missing', status: 401 });
  expect((await get('/me', 'Bearer spr_abc')).status).toBe(401);

  const forged = `${token.slice(0, -8)}AAAAAAAA`;
  const wrong = await get('/me', `bearer ${forged}`);
  expect(wrong.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", /);
  expect(await wrong.json()).toMatchObject({ code: 'token_invalid' });
  expect((await get('/me', `Bearer ${token} ${token}`)).status).toBe(400);
  expect(await twice(`${url}/me`, `Bearer ${token}`)).toBe(400);

  expect(await (await get('/open')).json()).toEqual({ known: false });
  expect(await (await get('/open', `Bearer ${token}`)).json()).toEqual({ known: true });
  expect((await get('/open', 'Bearer x')).status).toBe(401);
}

/** The header twice, as `fetch` cannot send it. */
async function twice(url: string, authorization: string): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: { authorization: [authorization, authorization] as unknown as string } });
    sent.once('response', (answer) => resolve(answer.resume().statusCode ?? 0));
    sent.once('error', reject);
    sent.end();
  });
}

/** A token signed by another key than this one. */
async function newlySigned(sprag: Sprag, token: string): Promise<string> {
  let next = token;
  await until('the new key signs', async () => {
    next = (await logIn(sprag, 'ada')).access_token;
    return next.split('.')[0] !== token.split('.')[0];
  });
  return next;
}

async function until(what: string, isSo: () => Promise<boolean>) {
  for (let times = 0; times < 200; times++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ten seconds`);
}
