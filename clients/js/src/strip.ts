import type { Answer, Profile } from './types.js';

/** An answer as it may be shown to a page: without its tokens. */
export function withoutTokens({ answer }: Profile, body: Answer): Answer {
  const kept: Record<string, unknown> = { ...body };
  for (const path of [answer.access, answer.refresh]) {
    const names = path.split('.');
    let at: Record<string, unknown> | undefined = kept;
    for (const name of names.slice(0, -1)) {
      const inner: unknown = at?.[name];
      if (at && typeof inner === 'object' && inner !== null) at[name] = { ...inner };
      at = at?.[name] as Record<string, unknown> | undefined;
    }
    if (at) delete at[names.at(-1) as string];
  }
  return kept;
}
