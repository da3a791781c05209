// The six shipped profiles by the facts that this rig needs of them.

const FASTAPI = { access: 'access_token', field: 'refresh_token', name: 'username', modes: ['body'] };

export const PROFILES = {
  sprag: {
    ...FASTAPI,
    at: '/api/v1/auth',
    refresh: '/api/v1/auth/refresh',
    modes: ['cookie', 'body'],
    cookie: '__Host-sprag_refresh',
    cookieLogin: { transport: 'cookie' },
  },
  'fastapi-events': { ...FASTAPI, at: '/api/v1/auth', refresh: '/api/v1/auth/refresh' },
  'fastapi-monorepo': { ...FASTAPI, at: '/auth', refresh: '/auth/token/refresh' },
  'fastapi-template': { ...FASTAPI, at: '/api/v1/auth', refresh: '/api/v1/auth/refresh' },
  'express-mongo': {
    access: 'token',
    field: 'refreshToken',
    name: 'email',
    at: '/api/auth',
    refresh: '/api/auth/refresh-token',
    modes: ['cookie', 'body'],
    cookie: 'refreshToken',
  },
  'node-sequelize': {
    access: 'token',
    field: 'refreshToken',
    name: 'email',
    at: '/auth',
    refresh: '/auth/refresh',
    modes: ['body'],
  },
};

for (const [name, profile] of Object.entries(PROFILES)) {
  Object.assign(profile, { profile: name, login: `${profile.at}/login`, logout: `${profile.at}/logout` });
}
