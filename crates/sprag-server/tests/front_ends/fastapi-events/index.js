// The client pattern, bound to the buttons of the tests' page.
import { connect } from './client.js';
import { current, leave, leaveAll, request, start } from './session.js';

export { connect };

async function orLogin(action) {
  try {
    return await action();
  } catch (error) {
    window.location.href = '/login';
    throw error;
  }
}

const toLogin = () => (window.location.href = '/login');

export const app = {
  logIn: start,
  load: (path) => orLogin(() => request(`/api/v1/${path}`)),
  logOut: () => leave().finally(toLogin),
  logOutAll: () => leaveAll().finally(toLogin),
  accessToken: () => current().access_token,
  refreshToken: () => current().refresh_token,
};
