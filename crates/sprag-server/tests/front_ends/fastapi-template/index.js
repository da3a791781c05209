// auth.js, bound to the buttons of the tests' page.
import { apiRequest, login, logout, logoutAll } from './auth.js';

export const app = {
  logIn: login,
  load: async (path) => (await apiRequest(`/api/${path}`)).json(),
  logOut: logout,
  logOutAll: logoutAll,
  accessToken: () => localStorage.getItem('access_token'),
};
