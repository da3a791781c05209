import type { Profile } from '../types.js';

/** What a path is to the worker: one that is asked for tokens, another of the session server's own, or none of these. */
export type Kind = 'tokens' | 'auth' | undefined;

/** The session server's paths, recognised in whatever way an address writes them. */
export function authRoutes({ routes }: Profile, base: URL): { kindOf(url: string): Kind } {
  const root = base.pathname.replace(/\/+$/, '');
  const { login, refresh, register, password, stepUp } = routes;
  const tokens = new Set([login, refresh, register, password, stepUp].flatMap((path) => (path ? [plain(root + path)] : [])));
  // Second factors, passkeys and whatever else logs in lie beside the log-in.
  const folders = [login, refresh].map((path) => plain(root + path).replace(/[^/]*$/, '')).filter((path) => path !== '/');
  return {
    kindOf(url) {
      const { origin, pathname } = new URL(url);
      if (origin !== base.origin) return undefined;
      const path = plain(pathname);
      if (tokens.has(path)) return 'tokens';
      return folders.some((folder) => path.startsWith(folder)) ? 'auth' : undefined;
    },
  };
}

/** A path as the laxest server on the way may read it: decoded, in lower case, without empty and dotted parts. */
function plain(pathname: string): string {
  let path = pathname;
  for (let before = ''; before !== path; ) {
    before = path;
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const parts: string[] = [];
  for (const part of path.toLowerCase().split(/[/\\]+/)) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
