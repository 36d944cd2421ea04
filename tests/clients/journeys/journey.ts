// Uploads, lists, analyses and deletes, with the types that openapi-typescript made: `journey.js URL KEY PHOTO`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import createClient from 'openapi-fetch';

import type { components, paths } from './ballast.js';

const [url, key, path] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });
const photo = new Blob([await readFile(path)], { type: 'image/jpeg' });

/** Bytes are `string` in the types (`format: binary`): a form, or the bytes themselves, are sent in their place. */
const file = '';
function asForm(): FormData {
  const form = new FormData();
  form.append('file', photo, basename(path));
  return form;
}

type Item = components['schemas']['MediaAnswer'];
const stored = await client.POST('/v1/media', { params: { query: { inline: 'never' } }, body: { file }, bodySerializer: asForm });
assert.equal(stored.response.status, 201);
const item = stored.data as Item;
assert.equal(item.name, basename(path));

const raw = await client.POST('/v1/media', {
  params: { query: { name: 'bytes.jpg' } },
  headers: { 'Content-Type': 'application/octet-stream' },
  body: file,
  bodySerializer: () => photo,
});
assert.equal((raw.data as Item).name, 'bytes.jpg');

const listed = await client.GET('/v1/media', { params: { query: { kind: 'image', limit: 10 } } });
assert.deepEqual(listed.data?.items.map((one) => one.id), [(raw.data as Item).id, item.id]);
const content = await client.GET('/v1/media/{media_id}/content', { params: { path: { media_id: item.id } }, parseAs: 'blob' });
assert.equal((content.data as unknown as Blob).size, photo.size);

const found = await client.POST('/v1/vision/hands', { params: { query: { maxHands: 1 } }, body: { file }, bodySerializer: asForm });
assert.equal((found.data as components['schemas']['Analysis']).detections.length, 1);

for (const media_id of [item.id, (raw.data as Item).id]) {
  const gone = await client.DELETE('/v1/media/{media_id}', { params: { path: { media_id } } });
  assert.equal(gone.response.status, 204);
}
const missing = await client.GET('/v1/media/{media_id}', { params: { path: { media_id: item.id } } });
assert.equal(missing.error?.code, 'not_found');
