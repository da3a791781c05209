// A front end with axios-auth-refresh, set up as its page shows it: one refresh at a time in each tab, the tokens in localStorage,
// and a refresh that fails leads to the log-in page.

import axios from 'axios';
import { createAuthRefresh } from 'axios-auth-refresh';

export async function make({ origin, mode, facts }) {
  const api = axios.create({ baseURL: origin });
  const keep = (data) => {
    localStorage.setItem('access_token', data[facts.access]);
    if (mode === 'body') localStorage.setItem('refresh_token', data[facts.field]);
  };
  const forget = () => {
    localStorage.removeItem('access_token');
    localStorage.removeItem('refresh_token');
  };
  const refreshToken = () => (mode === 'body' ? { [facts.field]: localStorage.getItem('refresh_token') } : {});

  api.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${localStorage.getItem('access_token')}`;
    return config;
  });

  createAuthRefresh(api, async (failed) => {
    try {
      const { data } = await axios.post(`${origin}${facts.refresh}`, refreshToken());
      keep(data);
      failed.response.config.headers.Authorization = `Bearer ${data[facts.access]}`;
    } catch (error) {
      forget();
      window.location.href = '/login';
      throw error;
    }
  });

  return {
    async logIn(name, password) {
      const more = mode === 'cookie' ? facts.cookieLogin : {};
      keep((await axios.post(`${origin}${facts.login}`, { [facts.name]: name, password, ...more })).data);
    },
    async logOut() {
      const headers = { Authorization: `Bearer ${localStorage.getItem('access_token')}` };
      const sent = refreshToken();
      forget();
      await axios.post(`${origin}${facts.logout}`, sent, { headers });
    },
    async logOutEverywhere() {
      await api.post(facts.everywhere, {});
      forget();
    },
    async changePassword(current, next) {
      const [before, after] = facts.passwordFields;
      keep((await api.post(facts.password, { [before]: current, [after]: next, ...refreshToken() })).data);
    },
    async stepUp(password) {
      keep((await api.post(facts.stepUp, { password, ...refreshToken() })).data);
    },
    call: async () => (await api.get('/api/notes')).status,
    state: () => (localStorage.getItem('access_token') ? 'signed-in' : 'signed-out'),
  };
}
