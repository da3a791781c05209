// What lies between: it loses answers when it is told to, and keeps the cookies of a browser.

export class Network {
  readonly jar = new Map<string, string>();
  /** How many of the next answers to a refresh never arrive; the server has given them. */
  lost = 0;
  /** Whether no request arrives at all. */
  isDown = false;
  refreshes = 0;

  constructor(
    private readonly url: string,
    private readonly isRefresh: (path: string) => boolean,
  ) {}

  fetch: typeof fetch = async (input, init) => {
    if (this.isDown) throw new TypeError('fetch failed');
    const request = new Request(input, init);
    if (init?.credentials === 'include') {
      // As a browser does on a page of the server's origin.
      request.headers.set('Origin', this.url);
      if (this.jar.size) request.headers.set('Cookie', [...this.jar].map((pair) => pair.join('=')).join('; '));
    }
    const isRefresh = this.isRefresh(new URL(request.url).pathname);
    if (isRefresh) this.refreshes += 1;
    const answer = await fetch(request);
    if (isRefresh && this.lost > 0) {
      this.lost -= 1;
      await answer.arrayBuffer();
      throw new TypeError('fetch failed');
    }
    if (init?.credentials === 'include') for (const line of answer.headers.getSetCookie()) this.set(line);
    return answer;
  };

  private set(line: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
    if (/max-age=0/i.test(line) || !value) this.jar.delete(name!);
    else this.jar.set(name!, value);
  }
}
