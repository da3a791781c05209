// The document's store, bound to the buttons of the tests' page. Whoever has no token is shown the log-in page.
import { configureStore } from '@reduxjs/toolkit';
import auth, { logout, setCredentials } from './auth.slice.js';
import { baseApi, connect } from './base-api.js';

export { connect };

const store = configureStore({
  reducer: { auth, [baseApi.reducerPath]: baseApi.reducer },
  middleware: (defaults) => defaults().concat(baseApi.middleware),
});
const state = () => store.getState().auth;
const { endpoints } = baseApi;

let wasIn = false;
store.subscribe(() => {
  const isIn = state().token !== null;
  if (wasIn && !isIn) window.location.href = '/login';
  wasIn = isIn;
});

export const app = {
  async logIn(email, password) {
    const answer = await store.dispatch(endpoints.login.initiate({ email, password })).unwrap();
    store.dispatch(setCredentials(answer));
    return answer.user;
  },
  async register(body) {
    const answer = await store.dispatch(endpoints.register.initiate(body)).unwrap();
    store.dispatch(setCredentials(answer));
    return answer.user;
  },
  load: (path) => store.dispatch(endpoints.load.initiate(path, { forceRefetch: true })).unwrap(),
  async logOut() {
    await store.dispatch(endpoints.logout.initiate({ refreshToken: state().refreshToken })).unwrap();
    store.dispatch(logout());
  },
  accessToken: () => state().token,
  state,
};
