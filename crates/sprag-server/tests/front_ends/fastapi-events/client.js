// The functions that the document's client pattern calls, as it describes them. They hold nothing but what they are given.

/** Where the back end is; a page's own origin unless told otherwise. */
let base = '';
export function connect(url) {
  base = url;
}

async function post(path, body, headers = {}) {
  const response = await fetch(`${base}/api/v1/auth${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const data = await response.json();
  if (!response.ok) throw new Error(data.detail);
  return data;
}

export const login = (username, password) => post('/login', { username, password });

let access_token;

/** Gives a new pair, and the requests to come the new access token. */
export async function refreshTokens(refresh_token) {
  const pair = await post('/refresh', { refresh_token });
  access_token = pair.access_token;
  return pair;
}

export function authorize(token) {
  access_token = token;
}

export async function authenticatedRequest(path, { onTokenExpired }) {
  const send = () => fetch(`${base}${path}`, { headers: { Authorization: `Bearer ${access_token}` } });
  const response = await send();
  if (response.status !== 401) return response;
  await onTokenExpired();
  return send();
}

export const logout = (refresh_token) => post('/logout', { refresh_token });

export const logoutAllDevices = (access_token) => post('/logout-all', {}, { Authorization: `Bearer ${access_token}` });
