// Written from what the document says of static/js/auth.js: both tokens in localStorage, apiRequest() with a refresh on
// 401 and the request tried again, log-out with the refresh token revoked.

const AUTH = '/api/v1/auth';

function saveTokens(tokens) {
  localStorage.setItem('access_token', tokens.access_token);
  localStorage.setItem('refresh_token', tokens.refresh_token);
}

function clearTokens() {
  localStorage.removeItem('access_token');
  localStorage.removeItem('refresh_token');
}

export async function login(username, password) {
  const response = await fetch(`${AUTH}/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ username, password }),
  });
  const data = await response.json();
  if (!response.ok) throw new Error(data.detail);
  saveTokens(data);
}

async function refreshToken() {
  const refresh_token = localStorage.getItem('refresh_token');
  if (!refresh_token) return false;
  const response = await fetch(`${AUTH}/refresh`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ refresh_token }),
  });
  if (!response.ok) return false;
  saveTokens(await response.json());
  return true;
}

export async function apiRequest(url, options = {}) {
  const send = () => {
    const headers = { ...options.headers, Authorization: `Bearer ${localStorage.getItem('access_token')}` };
    return fetch(url, { ...options, headers });
  };
  const response = await send();
  if (response.status !== 401) return response;
  if (await refreshToken()) return send();
  clearTokens();
  window.location.href = '/login';
  throw new Error('Session expired');
}

async function revoke(path) {
  try {
    await apiRequest(`${AUTH}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token: localStorage.getItem('refresh_token') }),
    });
  } finally {
    clearTokens();
    window.location.href = '/login';
  }
}

export const logout = () => revoke('/logout');
export const logoutAll = () => revoke('/logout/all');
