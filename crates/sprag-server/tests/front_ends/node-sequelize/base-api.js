// baseApi.ts: the document's mutex as it stands, types aside, with the refresh logic it describes: on a 401 the stored
// refresh token is presented, the request is tried again, and a refresh that fails logs out.
import { createApi, fetchBaseQuery } from '@reduxjs/toolkit/query';
import { logout, setCredentials } from './auth.slice.js';

/** Where the back end is; a page's own origin unless told otherwise. */
let url = globalThis.location?.origin;
let extra = {};
export function connect(backEnd, userAgent) {
  url = backEnd;
  extra = { 'User-Agent': userAgent };
}

const baseQuery = (args, api, extraOptions) =>
  fetchBaseQuery({
    baseUrl: url,
    prepareHeaders: (headers, { getState }) => {
      const { token } = getState().auth;
      if (token) headers.set('Authorization', `Bearer ${token}`);
      Object.entries(extra).forEach(([name, value]) => headers.set(name, value));
      return headers;
    },
  })(args, api, extraOptions);

// Add refresh token mutex to prevent concurrent refreshes
let refreshPromise = null;

const baseQueryWithReauth = async (args, api, extraOptions) => {
  // Check if refresh is already in progress
  if (refreshPromise) {
    await refreshPromise;
    // Retry original request after refresh completes
    return await baseQuery(args, api, extraOptions);
  }
  // Implement refresh logic with mutex
  const result = await baseQuery(args, api, extraOptions);
  const { refreshToken } = api.getState().auth;
  if (result.error?.status !== 401 || !refreshToken) return result;
  refreshPromise ??= refresh(refreshToken, api, extraOptions).finally(() => (refreshPromise = null));
  return (await refreshPromise) ? await baseQuery(args, api, extraOptions) : result;
};

async function refresh(refreshToken, api, extraOptions) {
  const { data } = await baseQuery({ url: '/auth/refresh', method: 'POST', body: { refreshToken } }, api, extraOptions);
  api.dispatch(data ? setCredentials(data) : logout());
  return data !== undefined;
}

export const baseApi = createApi({
  reducerPath: 'api',
  baseQuery: baseQueryWithReauth,
  endpoints: (build) => ({
    login: build.mutation({ query: (body) => ({ url: '/auth/login', method: 'POST', body }) }),
    register: build.mutation({ query: (body) => ({ url: '/auth/register', method: 'POST', body }) }),
    logout: build.mutation({ query: (body) => ({ url: '/auth/logout', method: 'POST', body }) }),
    load: build.query({ query: (path) => `/api/${path}` }),
  }),
});
