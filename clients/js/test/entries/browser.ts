// A browser as far as cookies go: it keeps what it is given, and shows it again.

/** A jar of cookies, with requests that carry them. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** What each cookie was set with. */
  readonly attributes = new Map<string, string>();

  constructor(public userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0') {}

  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** Sends a request and takes the cookies of the answer; `loses` is a browser that was gone when it came. */
  async send(url: string, init: RequestInit = {}, loses = false): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('user-agent', this.userAgent);
    if (this.cookies.size > 0) headers.set('cookie', this.header);
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' });
    if (!loses) this.take(answer.headers);
    return answer;
  }

  take(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ');
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      this.attributes.set(name, attributes.join('; '));
      if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}
