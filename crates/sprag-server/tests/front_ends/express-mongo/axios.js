// The document's axios instance, which calls its back end on an origin of its own.
import api from './api.js';

export const app = {
  async logIn(email, password) {
    const { data } = await api.post('/auth/login', { email, password });
    localStorage.setItem('accessToken', data.token);
    return data.user;
  },
  load: async (path) => (await api.get(`/${path}`)).data,
  accessToken: () => localStorage.getItem('accessToken'),
};
