/** What a client decides by. The same words as the server's, so that one interceptor serves both. */
export type VerifyCode = 'token_missing' | 'token_expired' | 'token_invalid' | 'request_invalid' | 'unavailable';

/** Every reason apart, for counters. */
export type VerifyReason =
  | 'missing'
  | 'credentials'
  | 'too_long'
  | 'segments'
  | 'encoding'
  | 'json'
  | 'header'
  | 'type'
  | 'unknown_key'
  | 'algorithm'
  | 'signature'
  | 'claim'
  | 'issuer'
  | 'audience'
  | 'not_yet'
  | 'expired'
  | 'keys';

const SENTENCES: Record<VerifyReason, string> = {
  missing: 'no access token came with the request; send it as `Authorization: Bearer`',
  credentials: 'the request must carry one Authorization header with one bearer token; send each once',
  too_long: 'the access token is too long to be one of ours; send the token as it was issued',
  segments: 'the access token is not three segments with two dots between; send the token as it was issued',
  encoding: 'the access token is not base64url; send the token as it was issued',
  json: 'header or claims of the access token are not one unambiguous JSON object; log in again',
  header: 'the access token has a header that ours never have; log in again',
  type: 'this is another kind of token; send the access token',
  unknown_key: 'the access token names no key that the issuer publishes; log in again',
  algorithm: 'the access token is signed in another way than this API takes; log in again',
  signature: "the signature of the access token is not its key's; log in again",
  claim: 'a claim of the access token is missing or has the wrong form; log in again',
  issuer: 'the access token is of another issuer; log in again',
  audience: 'the access token is for another API; log in again',
  not_yet: 'the access token is of the future; set the clocks right',
  expired: 'the access token has expired; refresh, and send the new one',
  keys: 'the keys that verify access tokens cannot be had right now; come back later with the same token',
};

/** Why a request is not let in, with the answer that it should get. Holds nothing of the token. */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code: VerifyCode;
  readonly status: 400 | 401 | 503;
  readonly reason: VerifyReason;

  constructor(reason: VerifyReason, options?: { cause?: unknown; claim?: string }) {
    const claim = options?.claim === undefined ? '' : ` (${options.claim})`;
    super(SENTENCES[reason] + claim, options?.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.code = codeOf(reason);
    this.status = this.code === 'unavailable' ? 503 : this.code === 'request_invalid' ? 400 : 401;
  }

  /** The header `WWW-Authenticate` of the answer (RFC 6750 section 3), where it has one. */
  get wwwAuthenticate(): string | undefined {
    if (this.reason === 'missing') return 'Bearer';
    if (this.status === 503) return undefined;
    const error = this.status === 400 ? 'invalid_request' : 'invalid_token';
    // Section 3: neither quotes nor backslash, ASCII only.
    const description = this.message.replace(/[^ !#-[\]-~]/g, '');
    return `Bearer error="${error}", error_description="${description}"`;
  }

  /** The body of the answer: a problem document (RFC 9457). */
  problem(): { type: string; title: string; status: number; code: VerifyCode; detail: string } {
    const title = this.status === 503 ? 'Service Unavailable' : this.status === 400 ? 'Bad Request' : 'Unauthorized';
    return { type: 'about:blank', title, status: this.status, code: this.code, detail: this.message };
  }

  /** The headers of the answer. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
    if (this.wwwAuthenticate) headers['www-authenticate'] = this.wwwAuthenticate;
    if (this.status === 503) headers['retry-after'] = '10';
    return headers;
  }
}

function codeOf(reason: VerifyReason): VerifyCode {
  switch (reason) {
    case 'missing':
      return 'token_missing';
    case 'expired':
      return 'token_expired';
    case 'credentials':
      return 'request_invalid';
    case 'keys':
      return 'unavailable';
    default:
      return 'token_invalid';
  }
}

/** A verifier that cannot be made: a defect of the set-up, told at the start. */
export class VerifySetupError extends Error {
  override readonly name = 'VerifySetupError';
  readonly code = 'setup_invalid';
}
