import { NextResponse } from 'next/server';
import { auth } from './lib/auth.js';

// Before every page: the one place on its way where cookies can be written.
export async function proxy(request) {
  const { session, cookieHeader, applyTo } = auth.fromRequest(request);
  // A server that cannot be reached costs nobody their session; the page says what it can.
  await session.accessToken().catch(() => undefined);

  const headers = new Headers(request.headers);
  headers.set('cookie', cookieHeader());
  const response = NextResponse.next({ request: { headers } });
  applyTo(response.headers);
  return response;
}

export const config = { matcher: ['/((?!_next/|favicon.ico).*)'] };
