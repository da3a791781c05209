// The document's fetch code, bound to the buttons of the tests' page.
import { apiCall } from './api-call.js';
import { login } from './login.js';
import { logout } from './logout.js';

export const app = {
  logIn: login,
  load: async (path) => (await apiCall(`/api/${path}`))?.json(),
  logOut: logout,
  accessToken: () => localStorage.getItem('accessToken'),
};
