/**
 * axios: an instance's requests carry the access token, and what is answered 401 is refreshed and repeated once.
 *
 * @module
 */
import type { AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { readClaims } from './token.js';
import type { Client } from './types.js';

/** What a request of ours bears: the access token that it showed, and whether it is a repetition. */
interface Shown {
  spragToken?: string;
  spragRepeated?: boolean;
}

type Config = InternalAxiosRequestConfig & Shown;

/**
 * Puts the client into an axios instance. Requests to origins that the client allows carry the access token; a request that
 * brings an `Authorization` of its own is left alone. Returns what takes the interceptors out again.
 */
export function attach(axios: AxiosInstance, client: Client): () => void {
  const request = axios.interceptors.request.use(async (config: Config) => {
    if (config.headers.has('Authorization') && !config.spragRepeated) return config;
    if (!client.allows(addressOf(axios, config))) return config;
    const token = await client.accessToken();
    if (token !== undefined) {
      config.spragToken = token;
      config.headers.set('Authorization', `Bearer ${token}`);
      config.beforeRedirect = guarded(client, config.beforeRedirect);
    }
    return config;
  });
  const response = axios.interceptors.response.use(
    async (answer) => (await repeated(axios, client, answer)) ?? answer,
    async (error: { response?: AxiosResponse; config?: Config }) => {
      // One repetition, whose outcome counts; where there is none, what was answered.
      const again = error?.response && (await repeated(axios, client, error.response));
      if (again) return again;
      throw error;
    },
  );
  return () => {
    axios.interceptors.request.eject(request);
    axios.interceptors.response.eject(response);
  };
}

/** The outcome of the repetition, where there is one to make. */
async function repeated(
  axios: AxiosInstance,
  client: Client,
  answer: AxiosResponse,
): Promise<AxiosResponse | undefined> {
  const config = answer.config as Config | undefined;
  if (answer.status !== 401 || !config?.spragToken || config.spragRepeated || isSpent(config.data)) return undefined;
  const token = await client.refresh(config.spragToken);
  // Another person may have logged in meanwhile, whose request it is not.
  if (token === undefined || personOf(token) !== personOf(config.spragToken)) return undefined;
  if (config.signal?.aborted) return undefined;
  return axios.request({ ...config, spragRepeated: true } as Config);
}

type BeforeRedirect = NonNullable<Config['beforeRedirect']>;

/**
 * In Node axios follows redirects by itself, and to where it takes a header along depends on its version: the token is shown to no
 * origin that the client does not allow.
 */
function guarded(client: Client, own: BeforeRedirect | undefined): BeforeRedirect {
  return (options, ...more) => {
    const to = options['href'] as unknown;
    if (typeof to !== 'string' || !client.allows(to)) {
      const headers = (options['headers'] ?? {}) as Record<string, unknown>;
      for (const name of Object.keys(headers)) if (name.toLowerCase() === 'authorization') delete headers[name];
    }
    own?.(options, ...more);
  };
}

const personOf = (token: string): unknown => readClaims(token)?.['sub'];

/** Whether the body was a stream, which nobody can send a second time. */
function isSpent(data: unknown): boolean {
  if (typeof data !== 'object' || data === null) return false;
  return 'pipe' in data || (typeof ReadableStream !== 'undefined' && data instanceof ReadableStream);
}

/** Where a request goes. */
function addressOf(axios: AxiosInstance, config: Config): string {
  const here = (globalThis as { location?: { href: string } }).location?.href;
  const address = axios.getUri({ ...config, params: undefined } as Config);
  return here && URL.canParse(address, here) ? new URL(address, here).href : address;
}
