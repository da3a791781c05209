// One JSON line for each scene that ended: what the Rust side reads.

export default async function* report(events) {
  for await (const { type, data } of events) {
    const hasEnded = type === 'test:pass' || type === 'test:fail';
    if (!hasEnded) continue;
    const error = data.details?.error;
    const cause = error?.cause ?? error;
    const why = type === 'test:pass' ? null : (cause?.stack ?? String(cause));
    yield `${JSON.stringify({ scene: data.nesting === 0 ? null : data.name, why })}\n`;
  }
}
