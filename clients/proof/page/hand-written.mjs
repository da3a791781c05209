// A front end as such systems write it by hand: an interceptor that refreshes on 401, tokens in localStorage, and a refresh that
// fails leads to the log-in page.

import axios from 'axios';

export async function make({ origin, mode, facts }) {
  const api = axios.create({ baseURL: origin, withCredentials: true });
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
    const token = localStorage.getItem('access_token');
    if (token) config.headers.Authorization = `Bearer ${token}`;
    return config;
  });

  api.interceptors.response.use(
    (response) => response,
    async (error) => {
      const originalRequest = error.config;
      if (error.response?.status === 401 && !originalRequest._retry) {
        originalRequest._retry = true;
        try {
          const { data } = await axios.post(`${origin}${facts.refresh}`, refreshToken(), { withCredentials: true });
          keep(data);
          originalRequest.headers.Authorization = `Bearer ${data[facts.access]}`;
          return api(originalRequest);
        } catch (refreshError) {
          forget();
          window.location.href = '/login';
          return Promise.reject(refreshError);
        }
      }
      return Promise.reject(error);
    },
  );

  return {
    async logIn(name, password) {
      const more = mode === 'cookie' ? facts.cookieLogin : {};
      keep((await axios.post(`${origin}${facts.login}`, { [facts.name]: name, password, ...more })).data);
    },
    async logOut() {
      const sent = refreshToken();
      const headers = { Authorization: `Bearer ${localStorage.getItem('access_token')}` };
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
