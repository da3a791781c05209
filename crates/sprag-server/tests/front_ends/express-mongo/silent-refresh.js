// Check and refresh token before it expires
const setupSilentRefresh = () => {
  // Refresh every 14 minutes (access token expires in 15)
  setInterval(async () => {
    try {
      const response = await fetch('/api/auth/refresh-token', {
        method: 'POST',
        credentials: 'include'
      });
      
      if (response.ok) {
        const { token } = await response.json();
        localStorage.setItem('accessToken', token);
      }
    } catch (error) {
      console.error('Silent refresh failed:', error);
    }
  }, 14 * 60 * 1000); // 14 minutes
};

// Call on app initialization
setupSilentRefresh();
