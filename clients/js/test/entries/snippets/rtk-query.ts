import { configureStore } from '@reduxjs/toolkit';
import { createApi } from '@reduxjs/toolkit/query';
import { createClient } from 'sprag-client';
import { baseQueryWithReauth, resetOnSignedOut } from 'sprag-client/rtk-query';

export const client = createClient({ url: '', mode: 'cookie' });

export const api = createApi({
  baseQuery: baseQueryWithReauth(client, { baseUrl: `${location.origin}/api` }),
  endpoints: (build) => ({
    notes: build.query<{ path: string }, void>({ query: () => '/notes' }),
  }),
});

export const store = configureStore({
  reducer: { [api.reducerPath]: api.reducer },
  middleware: (defaults) => defaults().concat(api.middleware),
});

// Whoever logs in next sees nothing of what was fetched before.
resetOnSignedOut(client, store.dispatch, api);
