import { VerifyError } from './errors.js';

/** What Node's requests, Express' and Fastify's have in common with those of the web. */
export interface AnyRequest {
  headers: Headers | Record<string, string | string[] | undefined>;
  /** Node's: names and values in turn, also those that came twice. */
  rawHeaders?: string[];
}

/** The bearer token of a request, if it has one. */
export function bearerOf(request: AnyRequest): string | undefined {
  const all = authorizations(request);
  if (all.length > 1) throw new VerifyError('credentials');
  const [scheme, token, ...more] = all[0]?.trim().split(/ +/) ?? [];
  if (scheme?.toLowerCase() !== 'bearer') return undefined;
  if (!token || more.length > 0 || !/^[!-~]+$/.test(token)) throw new VerifyError('credentials');
  return token;
}

function authorizations({ headers, rawHeaders }: AnyRequest): string[] {
  if (rawHeaders && rawHeaders.length > 0) {
    return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization');
  }
  const value = headers instanceof Headers ? headers.get('authorization') : headers['authorization'];
  return value === undefined || value === null ? [] : [value].flat();
}
