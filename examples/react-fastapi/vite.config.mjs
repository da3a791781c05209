import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// One origin for the page, Sprag and the API, as a proxy makes it in production: so the cookie is the page's own.
export default defineConfig({
  plugins: [react()],
  server: {
    host: 'localhost',
    proxy: { '/api/v1/auth': process.env.AUTH, '/api': process.env.API },
  },
});
