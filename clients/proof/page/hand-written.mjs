// A front end as such systems write it by hand: an interceptor that refreshes on 401, tokens in localStorage, and a refresh that
// fails leads to the log-in page.

import axios from 'axios';

export async function make({ origin, mode, facts }) {
  const api = axios.create({ baseURL: origin, withCredentials: true });
  const keep = (data) => {
    localStorage.setItem('access_token', data[facts.access]);
    if (mode === 'body') localStorage.setItem('refresh_token', data[facts.field]);
  };

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
          const sent = mode === 'body' ? { [facts.field]: localStorage.getItem('refresh_token') } : {};
          const { data } = await axios.post(`${origin}${facts.refresh}`, sent, { withCredentials: true });
          keep(data);
          originalRequest.headers.Authorization = `Bearer ${data[facts.access]}`;
          return api(originalRequest);
        } catch (refreshError) {
          localStorage.removeItem('access_token');
          localStorage.removeItem('refresh_token');
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
      const sent = mode === 'body' ? { [facts.field]: localStorage.getItem('refresh_token') } : {};
      const headers = { Authorization: `Bearer ${localStorage.getItem('access_token')}` };
      localStorage.removeItem('access_token');
      localStorage.removeItem('refresh_token');
      await axios.post(`${origin}${facts.logout}`, sent, { headers });
    },
    call: async () => (await api.get('/api/notes')).status,
    state: () => (localStorage.getItem('access_token') ? 'signed-in' : 'signed-out'),
  };
}
