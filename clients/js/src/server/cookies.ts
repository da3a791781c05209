/** How a cookie is written; the names that Next.js, SvelteKit and others have for it too. */
export interface CookieAttributes {
  path: string;
  httpOnly: boolean;
  secure: boolean;
  sameSite: 'strict' | 'lax';
  /** Seconds; 0 removes the cookie. */
  maxAge: number;
}

/** The cookies of one incoming request. */
export interface CookieJar {
  get(name: string): string | undefined;
  /** Writes one into the answer. Absent where the framework cannot: there nothing is refreshed. */
  set?: ((name: string, value: string, attributes: CookieAttributes) => void) | undefined;
  /** Whether there is time still: once headers were sent there is not. */
  canWrite?: (() => boolean) | undefined;
}

/** The cookies of a header, by name; of two with one name the first, as the browser sends the more precise one first. */
export function parseCookies(header: string | null | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    if (at > 0 && !cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim());
  }
  return cookies;
}

/** One cookie as the value of a `Set-Cookie` header. */
export function serialize(name: string, value: string, attributes: CookieAttributes): string {
  const { path, httpOnly, secure, sameSite, maxAge } = attributes;
  const words = [
    `${name}=${value}`,
    `Path=${path}`,
    `Max-Age=${maxAge}`,
    `SameSite=${sameSite === 'lax' ? 'Lax' : 'Strict'}`,
  ];
  if (secure) words.push('Secure');
  if (httpOnly) words.push('HttpOnly');
  return words.join('; ');
}

/** The retry id that a page's client left in a cookie, if it is one: whatever else may stand there is not sent on. */
export const retryIdIn = (value: string | undefined): string | undefined =>
  value !== undefined && /^[\w-]{16,128}$/.test(value) ? value : undefined;

/** What an answer of the server's sets, but for its lifetime and place only by name and value. */
export function readSetCookies(headers: Headers): { name: string; value: string; maxAge: number | undefined }[] {
  return headers.getSetCookie().map((line) => {
    const [pair = '', ...attributes] = line.split(';');
    const at = pair.indexOf('=');
    const maxAge = attributes
      .map((text) => /^\s*max-age=(-?\d+)\s*$/i.exec(text)?.[1])
      .find((text) => text !== undefined);
    const seconds = maxAge === undefined ? undefined : Number(maxAge);
    return { name: pair.slice(0, at).trim(), value: pair.slice(at + 1).trim(), maxAge: seconds };
  });
}
