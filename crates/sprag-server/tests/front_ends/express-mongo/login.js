export async function login(email, password) {
// Login
const response = await fetch('/api/auth/login', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  credentials: 'include', // Important for cookies!
  body: JSON.stringify({ email, password })
});

const { token, refreshToken, user } = await response.json();

// Store access token
localStorage.setItem('accessToken', token);
// Refresh token is in httpOnly cookie automatically

return user;
}
