import type { Profile, RefusalFacts } from './types.js';

const ENDED = 'this session has ended';

/** Sprag's own. */
export const sprag: Profile = {
  routes: {
    login: '/api/v1/auth/login',
    refresh: '/api/v1/auth/refresh',
    logout: '/api/v1/auth/logout',
    logoutEverywhere: '/api/v1/auth/logout-all',
    register: '/api/v1/auth/register',
    password: '/api/v1/auth/password',
    stepUp: '/api/v1/auth/step-up',
  },
  answer: {
    access: 'access_token',
    refresh: 'refresh_token',
    expiresIn: 'expires_in',
    refreshIn: 'refresh_in',
    session: 'session_id',
  },
  refusal: {
    code: 'code',
    cause: 'cause',
    message: 'detail',
    ended: ['session_ended', 'token_expired', 'account_disabled'],
    unknown: ['token_invalid', 'token_missing'],
  },
  cookie: { transport: 'cookie' },
  loginTakesToken: true,
};

const fastapi: RefusalFacts = {
  message: 'detail',
  ended: [ENDED, 'Token expired', 'Inactive user'],
  unknown: ['Could not validate credentials', 'Not authenticated'],
};

const oauth = { access: 'access_token', refresh: 'refresh_token', expiresIn: 'expires_in' };

/** FastAPI under `/api/v1/auth`, with opaque refresh tokens. */
export const fastapiEvents: Profile = {
  routes: {
    login: '/api/v1/auth/login',
    refresh: '/api/v1/auth/refresh',
    logout: '/api/v1/auth/logout',
    logoutEverywhere: '/api/v1/auth/logout-all',
    register: '/api/v1/auth/register',
    password: '/api/v1/auth/change-password',
  },
  answer: oauth,
  refusal: fastapi,
};

/** FastAPI under `/auth`, refreshed at `/auth/token/refresh`. */
export const fastapiMonorepo: Profile = {
  routes: {
    login: '/auth/login',
    refresh: '/auth/token/refresh',
    logout: '/auth/logout',
    register: '/auth/register',
    password: '/auth/change-password',
  },
  answer: oauth,
  refusal: fastapi,
};

/** FastAPI under `/api/v1/auth`, with JWTs for both tokens. */
export const fastapiTemplate: Profile = {
  routes: {
    login: '/api/v1/auth/login',
    refresh: '/api/v1/auth/refresh',
    logout: '/api/v1/auth/logout',
    logoutEverywhere: '/api/v1/auth/logout/all',
    register: '/api/v1/auth/register',
    password: '/api/v1/auth/change-password',
  },
  answer: { access: 'access_token', refresh: 'refresh_token' },
  refusal: fastapi,
};

/** Express under `/api/auth`: a cookie beside the body, and a log-out that ends every session. */
export const expressMongo: Profile = {
  routes: {
    login: '/api/auth/login',
    refresh: '/api/auth/refresh-token',
    logout: '/api/auth/logout',
    logoutEverywhere: '/api/auth/logout',
    register: '/api/auth/register',
    password: '/api/auth/change-password',
  },
  answer: { access: 'token', refresh: 'refreshToken' },
  refusal: {
    message: 'message',
    ended: [ENDED, 'this token has expired', 'this account is disabled'],
    unknown: ['this token is not valid here', 'Not authorized, no token'],
  },
  cookie: {},
  logoutByAccessToken: true,
  registerSignsIn: true,
  passwordFields: ['currentPassword', 'newPassword'],
};

/** Node under `/auth`: camelCase, user and tokens in one answer. */
export const nodeSequelize: Profile = {
  routes: {
    login: '/auth/login',
    refresh: '/auth/refresh',
    logout: '/auth/logout',
    register: '/auth/register',
    password: '/auth/change-password',
  },
  answer: { access: 'token', refresh: 'refreshToken' },
  refusal: {
    code: 'code',
    message: 'message',
    ended: ['session_ended', 'token_expired', 'account_disabled'],
    unknown: ['token_invalid', 'token_missing'],
  },
  registerSignsIn: true,
  passwordFields: ['currentPassword', 'newPassword'],
};
