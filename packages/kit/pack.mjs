/** Before `npm pack`: the sources stand where the service serves them from, and are copied next to package.json. */
import { cp, rm } from 'node:fs/promises';

const source = new URL('../../static/js/', import.meta.url);
for (const name of ['ballast.js', 'kit']) {
  const target = new URL(name, import.meta.url);
  await rm(target, { recursive: true, force: true });
  await cp(new URL(name, source), target, { recursive: true });
}
