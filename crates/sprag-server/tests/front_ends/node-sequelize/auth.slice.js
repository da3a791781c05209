// auth.slice.ts as the document describes it: both tokens in the state and in localStorage, always the same.
import { createSlice } from '@reduxjs/toolkit';

const initialState = {
  user: JSON.parse(localStorage.getItem('user') ?? 'null'),
  token: localStorage.getItem('token'),
  refreshToken: localStorage.getItem('refreshToken'),
};

const authSlice = createSlice({
  name: 'auth',
  initialState,
  reducers: {
    setCredentials(state, { payload }) {
      const { user = state.user, token, refreshToken } = payload;
      Object.assign(state, { user, token, refreshToken });
      localStorage.setItem('user', JSON.stringify(user));
      localStorage.setItem('token', token);
      localStorage.setItem('refreshToken', refreshToken);
    },
    logout(state) {
      Object.assign(state, { user: null, token: null, refreshToken: null });
      ['user', 'token', 'refreshToken'].forEach((key) => localStorage.removeItem(key));
    },
  },
});

export const { setCredentials, logout } = authSlice.actions;
export default authSlice.reducer;
