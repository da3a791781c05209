// The document's interceptor, bound to the buttons of the tests' page. It shows no log-in, no first call and no log-out.
import axios from 'axios';
import { store } from './interceptor.js';

const bearer = () => ({ headers: { Authorization: `Bearer ${localStorage.getItem('access_token')}` } });

export const app = {
  async logIn(username, password) {
    store((await axios.post('/auth/login', { username, password })).data);
  },
  load: async (path) => (await axios.get(`/api/${path}`, bearer())).data,
  async logOut() {
    await axios.post('/auth/logout', { refresh_token: localStorage.getItem('refresh_token') });
    localStorage.clear();
    window.location.href = '/login';
  },
  accessToken: () => localStorage.getItem('access_token'),
};
