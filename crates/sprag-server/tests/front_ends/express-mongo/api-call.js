export const apiCall = async (url, options = {}) => {
  let token = localStorage.getItem('accessToken');
  
  // Add token to request
  options.headers = {
    ...options.headers,
    'Authorization': `Bearer ${token}`
  };
  options.credentials = 'include'; // For refresh token cookie
  
  let response = await fetch(url, options);
  
  // If access token expired, refresh it
  if (response.status === 401) {
    // Refresh token
    const refreshResponse = await fetch('/api/auth/refresh-token', {
      method: 'POST',
      credentials: 'include'
    });
    
    if (refreshResponse.ok) {
      const { token: newToken } = await refreshResponse.json();
      localStorage.setItem('accessToken', newToken);
      
      // Retry original request with new token
      options.headers.Authorization = `Bearer ${newToken}`;
      response = await fetch(url, options);
    } else {
      // Refresh token expired, redirect to login
      window.location.href = '/login';
      return;
    }
  }
  
  return response;
};
