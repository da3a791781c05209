/**
 * Redux Toolkit's RTK Query: a base query whose requests carry the access token, refreshed and repeated where need be.
 *
 * @module
 */
import {
  type BaseQueryFn,
  type FetchArgs,
  type FetchBaseQueryArgs,
  type FetchBaseQueryError,
  type FetchBaseQueryMeta,
  fetchBaseQuery,
} from '@reduxjs/toolkit/query';
import type { Client } from './types.js';

export type ReauthQuery = BaseQueryFn<string | FetchArgs, unknown, FetchBaseQueryError, object, FetchBaseQueryMeta>;

/**
 * Takes the place of `fetchBaseQuery`: the same arguments and the same outcomes. Queries at one moment share one refresh; where
 * the server cannot be reached a query fails with `FETCH_ERROR` and the session stays.
 */
export function baseQueryWithReauth(client: Client, args: Omit<FetchBaseQueryArgs, 'fetchFn'> = {}): ReauthQuery {
  return fetchBaseQuery({ ...args, fetchFn: (input, init) => client.fetch(input, init) }) as ReauthQuery;
}

/**
 * Forgets what was fetched for somebody once their session is over, so that whoever logs in next does not see it:
 * `resetOnSignedOut(client, store.dispatch, api)`. Returns what stops it.
 */
export function resetOnSignedOut<Action>(
  client: Client,
  dispatch: (action: Action) => unknown,
  ...apis: readonly { util: { resetApiState(): Action } }[]
): () => void {
  return client.onSignedOut(() => {
    for (const api of apis) dispatch(api.util.resetApiState());
  });
}
