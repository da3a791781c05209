import { createApi } from '@reduxjs/toolkit/query';
import { createClient, nodeSequelize } from 'sprag-client';
import { baseQueryWithReauth } from 'sprag-client/rtk-query';

export const client = createClient({ url: '', profile: nodeSequelize, mode: 'body', importFrom: 'refreshToken' });
client.onSignedOut(() => location.assign('/login'));

export const baseApi = createApi({
  baseQuery: baseQueryWithReauth(client, { baseUrl: `${location.origin}/api` }),
  endpoints: (build) => ({
    note: build.query<{ path: string }, string>({ query: (name) => `/${name}` }),
  }),
});
