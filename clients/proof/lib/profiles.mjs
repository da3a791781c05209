// The six shipped profiles by the facts that this rig needs of them.

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

/** What the systems before kept of a person and of a live session, by the columns that their profile reads. */
const SQL = {
  user: ({ id, name, email, hash }) => ({ id, username: name, email, hashed_password: hash, is_active: true }),
  session: ({ id, token }) => ({ user_id: id, token, expires_at: inAnHour(), is_revoked: false }),
};
const MONOREPO = { ...SQL, session: ({ id, token }) => ({ user_id: id, token, expires_at: inAnHour(), is_active: true }) };
const BY_HASH = {
  ...SQL,
  session: ({ id, sha256 }) => ({ user_id: id, token_hash: sha256, expires_at: inAnHour(), is_revoked: false }),
};
const MONGO = {
  user: ({ id, email, hash }) => ({ _id: id, email, password: hash }),
  session: ({ id, token }) => ({ user: id, token, expiresAt: inAnHour(), revoked: false }),
};
const SEQUELIZE = {
  user: ({ id, name, email, hash }) => ({ id, email, username: name, password: hash }),
  session: ({ id, token }) => ({ userId: id, token, expiresAt: inAnHour(), isRevoked: false }),
};

const FASTAPI = { access: 'access_token', field: 'refresh_token', name: 'username', modes: ['body'] };

export const PROFILES = {
  sprag: {
    ...FASTAPI,
    at: '/api/v1/auth',
    refresh: '/api/v1/auth/refresh',
    modes: ['cookie', 'body'],
    cookie: '__Host-sprag_refresh',
    cookieLogin: { transport: 'cookie' },
    everywhere: '/api/v1/auth/logout-all',
    password: '/api/v1/auth/password',
    stepUp: '/api/v1/auth/step-up',
  },
  'fastapi-events': { ...FASTAPI, at: '/api/v1/auth', refresh: '/api/v1/auth/refresh', everywhere: '/api/v1/auth/logout-all', before: BY_HASH },
  'fastapi-monorepo': { ...FASTAPI, at: '/auth', refresh: '/auth/token/refresh', before: MONOREPO },
  'fastapi-template': { ...FASTAPI, at: '/api/v1/auth', refresh: '/api/v1/auth/refresh', everywhere: '/api/v1/auth/logout/all', before: SQL },
  'express-mongo': {
    access: 'token',
    field: 'refreshToken',
    name: 'email',
    at: '/api/auth',
    refresh: '/api/auth/refresh-token',
    modes: ['cookie', 'body'],
    cookie: 'refreshToken',
    everywhere: '/api/auth/logout',
    passwordFields: ['currentPassword', 'newPassword'],
    before: MONGO,
  },
  'node-sequelize': {
    access: 'token',
    field: 'refreshToken',
    name: 'email',
    at: '/auth',
    refresh: '/auth/refresh',
    modes: ['body'],
    passwordFields: ['currentPassword', 'newPassword'],
    before: SEQUELIZE,
  },
};

for (const [name, profile] of Object.entries(PROFILES)) {
  Object.assign(profile, { profile: name, login: `${profile.at}/login`, logout: `${profile.at}/logout` });
  profile.password ??= `${profile.at}/change-password`;
  profile.passwordFields ??= ['current_password', 'new_password'];
}
