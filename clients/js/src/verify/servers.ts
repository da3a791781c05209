import type { AnyRequest } from './bearer.js';
import { VerifyError } from './errors.js';
import type { Claims } from './token.js';
import type { Verifier } from './verifier.js';

export interface GuardOptions {
  /** Lets requests without a token pass too, with no claims. A wrong token is refused all the same. */
  optional?: boolean;
  /** Told of every request that is refused, for logs and counters. */
  onRefused?: (error: VerifyError, request: unknown) => void;
}

/** What a guard leaves in the request: `request.auth`. */
export interface Authenticated {
  auth?: Claims;
}

interface ExpressResponse {
  status(code: number): unknown;
  set(headers: Record<string, string>): unknown;
  send(body: string): unknown;
}

/**
 * Express middleware: only requests with a good access token pass, and `request.auth` has its claims.
 *
 * Others get the answer themselves: 401 or 400 with `WWW-Authenticate`, 503 where the keys cannot be had.
 */
export function expressGuard(verifier: Verifier, options: GuardOptions = {}) {
  return async (
    request: AnyRequest & Authenticated,
    response: ExpressResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    try {
      const claims = await letIn(verifier, request, options);
      if (claims) request.auth = claims;
    } catch (error) {
      if (!(error instanceof VerifyError)) return next(error);
      response.status(error.status);
      response.set(error.headers());
      response.send(JSON.stringify(error.problem()));
      return;
    }
    next();
  };
}

interface FastifyReplyLike {
  code(status: number): unknown;
  headers(headers: Record<string, string>): unknown;
  send(body: string): unknown;
}

/** A hook for Fastify's `onRequest` or `preHandler`, of a route or of all: the same as {@link expressGuard}. */
export function fastifyGuard(verifier: Verifier, options: GuardOptions = {}) {
  // biome-ignore lint: Fastify's own types differ by version; what is used of them stands above.
  return async (request: any, reply: any): Promise<unknown> => {
    try {
      const raw = request.raw as AnyRequest;
      const claims = await letIn(verifier, raw, options);
      if (claims) (request as Authenticated).auth = claims;
      return undefined;
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const answer = reply as FastifyReplyLike;
      answer.code(error.status);
      answer.headers(error.headers());
      answer.send(JSON.stringify(error.problem()));
      return reply;
    }
  };
}

/** The claims of one request of the web (`Request` of Next.js, SvelteKit, Hono, Deno, …), or the answer that refuses it. */
export async function guardRequest(
  verifier: Verifier,
  request: Request,
  options: GuardOptions = {},
): Promise<{ claims: Claims | undefined; refusal?: undefined } | { claims?: undefined; refusal: Response }> {
  try {
    return { claims: await letIn(verifier, request, options) };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    const init = { status: error.status, headers: error.headers() };
    return { refusal: new Response(JSON.stringify(error.problem()), init) };
  }
}

async function letIn(verifier: Verifier, request: AnyRequest, options: GuardOptions): Promise<Claims | undefined> {
  try {
    return await verifier.request(request);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    if (options.optional && error.reason === 'missing') return undefined;
    options.onRefused?.(error, request);
    throw error;
  }
}
