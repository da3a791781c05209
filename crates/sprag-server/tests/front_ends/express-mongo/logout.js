export const logout = async () => {
  try {
    await fetch('/api/auth/logout', {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${localStorage.getItem('accessToken')}`
      },
      credentials: 'include'
    });
  } finally {
    localStorage.removeItem('accessToken');
    window.location.href = '/login';
  }
};
