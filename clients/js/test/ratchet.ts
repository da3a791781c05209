// A session server in a few lines, for the hard moments: it judges as docs/guide says, on the clock of the test, and lets the
// test lose, delay and replace answers. What the real one does is seen in stories/profiles.test.ts.

const WINDOW = 30_000;

interface Row {
  generation: number;
  turnedAt: number;
  retry: string;
  instance: string;
  ended?: string;
}

/** What happens to one request. */
export type Fate =
  | { readonly lose: 'request' | 'answer' }
  | { readonly hang: true }
  /** It arrives so many milliseconds later, with the cookie of now, and nobody hears of it: the connection breaks before. */
  | { readonly late: number; readonly until?: number }
  | { readonly after: number }
  | { readonly answer: () => Response };

export interface Asked {
  readonly path: string;
  readonly body: Record<string, string> | undefined;
  readonly headers: Headers;
  readonly init: RequestInit;
  readonly at: number;
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** A refresh token as docs/reference/token-format.md has it, its tag and secret left empty. */
export function opaque(session: string, generation: number): string {
  const bytes = new Uint8Array(92);
  bytes.set([1, 1, 0, 1]);
  bytes.set(Buffer.from(session.replaceAll('-', ''), 'hex'), 20);
  new DataView(bytes.buffer).setBigUint64(36, BigInt(generation));
  return `spr_${base64url(bytes)}`;
}

export const jwt = (claims: object): string =>
  ['{"alg":"none"}', JSON.stringify(claims), 'sig'].map((part) => Buffer.from(part).toString('base64url')).join('.');

const read = (token: string): { session: string; generation: number } | undefined => {
  const bytes = Buffer.from(token.replace(/^spr_/, ''), 'base64url');
  if (bytes.length !== 92) return undefined;
  const hex = bytes.subarray(20, 36).toString('hex');
  return {
    session: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    generation: Number(bytes.readBigUInt64BE(36)),
  };
};

export class Ratchet {
  readonly rows = new Map<string, Row>();
  readonly asked: Asked[] = [];
  /** The browser's cookie, where a test is in cookie mode. */
  cookie: string | undefined;
  life = 900;
  refreshIn: number | undefined;
  /** Who logs in. */
  person = 'ann';
  retry: 'answer' | 'refuse' = 'answer';
  /** What happens to the next requests to a path's end, first to last. */
  readonly fates = new Map<string, Fate[]>();
  private made = 0;

  constructor(readonly mode: 'body' | 'cookie' = 'body') {}

  next(path: string, ...fates: Fate[]): void {
    this.fates.set(path, [...(this.fates.get(path) ?? []), ...fates]);
  }

  refreshes = (): Asked[] => this.asked.filter(({ path }) => path.endsWith('/refresh'));

  open(): { session: string; token: string } {
    const session = `00000000-0000-7000-8000-${String((this.made += 1)).padStart(12, '0')}`;
    this.rows.set(session, { generation: 0, turnedAt: -Infinity, retry: '', instance: '' });
    return { session, token: opaque(session, 0) };
  }

  fetch: typeof fetch = async (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const path = new URL(request?.url ?? String(input), 'http://auth.test').pathname;
    const headers = new Headers(request?.headers ?? init?.headers);
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
    const asked: Asked = { path, body, headers, init: init ?? {}, at: performance.now() };
    this.asked.push(asked);
    const end = path.slice(path.lastIndexOf('/'));
    const fate = this.fates.get(end)?.shift();
    const signal = init?.signal ?? request?.signal;
    // Browsers let a request with `keepalive` go on to its end, its cookie included, though the page stops it.
    const stops = init?.keepalive ? undefined : signal;
    const aborted = new Promise<never>((_, reject) => stops?.addEventListener('abort', () => reject(stops.reason)));
    aborted.catch(() => {}); // It may come when nobody waits any more.
    if (fate && 'hang' in fate) return aborted;
    if (fate && 'lose' in fate && fate.lose === 'request') throw new TypeError('fetch failed');
    if (fate && 'answer' in fate) return fate.answer();
    const { cookie } = this;
    if (fate && 'late' in fate) {
      setTimeout(() => this.judge(asked, cookie), fate.late);
      await new Promise((resolve) => setTimeout(resolve, fate.until ?? 0));
      throw new TypeError('fetch failed');
    }
    const answer = this.judge(asked, cookie);
    if (fate && 'lose' in fate) throw new TypeError('fetch failed');
    if (fate && 'after' in fate) await Promise.race([new Promise((resolve) => setTimeout(resolve, fate.after)), aborted]);
    await Promise.resolve();
    if (answer.cookie !== undefined && init?.credentials !== 'omit') this.cookie = answer.cookie;
    return answer.response;
  };

  private pair(session: string, generation: number, isNew = true): { response: Response; cookie?: string } {
    const token = opaque(session, generation);
    const now = Math.floor(Date.now() / 1000);
    const access = jwt({ sub: this.person, sid: session, iat: now, exp: now + this.life, jti: (this.made += 1) });
    const body = {
      access_token: access,
      ...(this.mode === 'body' && { refresh_token: token }),
      expires_in: this.life,
      ...(this.refreshIn !== undefined && { refresh_in: this.refreshIn }),
      session_id: session,
    };
    return { response: json(200, body), ...(this.mode === 'cookie' && isNew && { cookie: token }) };
  }

  private refused(code: string, cause?: string, status = 401): { response: Response; cookie?: string } {
    return { response: json(status, { status, code, detail: `refused: ${code}`, ...(cause && { cause }) }) };
  }

  private judge({ path, body, headers, init }: Asked, cookie: string | undefined): { response: Response; cookie?: string } {
    const shown = this.mode === 'cookie' && init.credentials === 'include' ? cookie : body?.['refresh_token'];
    const token = shown ? read(shown) : undefined;
    const row = token && this.rows.get(token.session);
    if (path.endsWith('/login')) {
      const { session } = this.open();
      return this.pair(session, 0);
    }
    if (path.endsWith('/refresh')) return this.refresh(token, row, headers);
    const bearer = headers.get('Authorization')?.slice(7);
    const sid = bearer && JSON.parse(Buffer.from(bearer.split('.')[1]!, 'base64url').toString()).sid;
    if (path.endsWith('/logout')) {
      if (row && token) row.ended ??= this.isReuse(token.generation, row, headers) ? 'reuse' : 'logout';
      return { response: new Response(null, { status: 204 }), ...(this.mode === 'cookie' && { cookie: '' }) };
    }
    const mine = this.rows.get(sid);
    if (!mine || mine.ended) return this.refused(bearer ? 'session_ended' : 'token_missing', mine?.ended);
    if (path.endsWith('/logout-all')) {
      for (const each of this.rows.values()) each.ended ??= 'logout_all';
      return { response: new Response(null, { status: 204 }) };
    }
    if (path.endsWith('/password') || path.endsWith('/step-up')) {
      for (const each of this.rows.values()) each.ended ??= path.endsWith('/password') ? 'password_changed' : 'replaced';
      return this.pair(this.open().session, 0);
    }
    return { response: json(200, { path, bearer }) };
  }

  /** Whether a token was spent too long ago for anybody but a thief; its own retry id says otherwise. */
  private isReuse(generation: number, row: Row, headers: Headers): boolean {
    const behind = row.generation - generation;
    const isLate = performance.now() - row.turnedAt > WINDOW;
    const isSame = headers.get('Idempotency-Key') === row.retry && headers.get('Sprag-Instance') === row.instance;
    return behind > 1 || (behind === 1 && isLate && !isSame);
  }

  private refresh(
    token: ReturnType<typeof read>,
    row: Row | undefined,
    headers: Headers,
  ): { response: Response; cookie?: string } {
    if (!token) return this.refused('token_missing');
    if (!row) return this.refused('token_invalid');
    if (row.ended) return this.refused('session_ended', row.ended);
    const [retry, instance] = [headers.get('Idempotency-Key') ?? '', headers.get('Sprag-Instance') ?? ''];
    const age = performance.now() - row.turnedAt;
    const behind = row.generation - token.generation;
    if (behind === 0) {
      if (token.generation > 0 && this.retry === 'answer' && age <= WINDOW) return this.pair(token.session, row.generation, false);
      Object.assign(row, { generation: row.generation + 1, turnedAt: performance.now(), retry, instance });
      return this.pair(token.session, row.generation);
    }
    const isRetry = behind === 1 && retry === row.retry && (age <= WINDOW || instance === row.instance);
    if (isRetry || (behind === 1 && this.retry === 'answer' && age <= WINDOW)) return this.pair(token.session, row.generation);
    if (behind === 1 && age <= WINDOW) return this.refused('token_spent');
    row.ended = 'reuse';
    return this.refused('session_ended', 'reuse');
  }
}
