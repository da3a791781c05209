import { afterEach, describe, expect, it, vi } from 'vitest';

import { sprag } from '../src/index.js';
import { sender } from '../src/wire.js';
import { json } from './ratchet.js';
import { pass, URL_OF_SERVER } from './tabs.js';

afterEach(() => void vi.useRealTimers());

/** A server that never answers, and what it was asked. */
const silent = () => {
  const asked: RequestInit[] = [];
  const ask = (_: RequestInfo | URL, init?: RequestInit): Promise<Response> => (asked.push(init!), new Promise(() => {}));
  return { asked, send: sender({ url: URL_OF_SERVER, mode: 'cookie' }, sprag.refusal, ask) };
};

describe('a request to the server', () => {
  it('does not leave once it is stopped', async () => {
    const { asked, send } = silent();
    await expect(send('/refresh', undefined, 'i', 'r', undefined, AbortSignal.abort())).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked).toHaveLength(0);
  });

  it('that is stopped on its way is aborted in the same turn', async () => {
    const { asked, send } = silent();
    const gate = new AbortController();
    const sent = send('/refresh', undefined, 'i', 'r', undefined, gate.signal).catch((error: unknown) => error);
    gate.abort();
    expect(await sent).toMatchObject({ code: 'unreachable' });
    expect(asked.map(({ signal }) => signal!.aborted)).toEqual([true]);
  });

  it('that gets no answer is aborted after eight seconds', async () => {
    vi.useFakeTimers();
    const { asked, send } = silent();
    const sent = send('/refresh', undefined, 'i').catch((error: unknown) => error);
    await pass(7_999);
    expect(asked[0]!.signal!.aborted).toBe(false);
    await pass(1);
    expect(asked[0]!.signal!.aborted).toBe(true);
    expect(await sent).toMatchObject({ code: 'unreachable', status: 0 });
  });

  it('carries the headers that it has something for, and no others', async () => {
    const heads: Headers[] = [];
    const send = sender({ url: URL_OF_SERVER, mode: 'body' }, sprag.refusal, async (_, init) => {
      heads.push(new Headers(init!.headers));
      return json(200, {});
    });
    await send('/login', { username: 'ann' }, 'i');
    await send('/logout', undefined, 'i', 'r', 'a');
    expect(heads.map((each) => Object.fromEntries(each))).toEqual([
      { 'content-type': 'application/json', 'sprag-instance': 'i' },
      { authorization: 'Bearer a', 'idempotency-key': 'r', 'sprag-instance': 'i' },
    ]);
  });
});
