// The document's client pattern around one session, its lines as they stand but for where the newest pair is kept: it
// names the constants of the log-in, which would be spent after the first refresh.
import * as client from './client.js';

const { authenticatedRequest, login, logout, logoutAllDevices } = client;

let tokens;
const keep = (pair) => (tokens = pair);
const refreshTokens = (refresh_token) => client.refreshTokens(refresh_token).then(keep);

export async function start(username, password) {
  // Login and store tokens
  const { access_token, refresh_token } = await login(username, password);
  client.authorize(access_token);
  keep({ access_token, refresh_token });
}

export async function request(path) {
  const { refresh_token } = tokens;
  // API request with automatic refresh
  const response = await authenticatedRequest(path, {
    onTokenExpired: () => refreshTokens(refresh_token)
  });
  return response.json();
}

export async function leave() {
  const { refresh_token } = tokens;
  // Logout from current device
  await logout(refresh_token);
}

export async function leaveAll() {
  const { access_token } = tokens;
  // Logout from all devices
  await logoutAllDevices(access_token);
}

export const current = () => tokens;
