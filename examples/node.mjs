/**
 * A video from a file, converted by the service, in Node 20 or later:
 *
 *     node examples/node.mjs clip.mov http://127.0.0.1:8000
 */
import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { BallastClient, BallastProblem } from '../static/js/ballast.js';

const [path, baseUrl = 'http://127.0.0.1:8000'] = process.argv.slice(2);
const client = new BallastClient({ baseUrl, key: process.env.BALLAST_KEY ?? null });

try {
  // openAsBlob does not read the file: it is sent from the disk, piece by piece.
  const file = Object.assign(await openAsBlob(path), { name: basename(path) });
  const item = await client.upload(file).done;
  console.log(`stored ${item.name}: ${item.width}x${item.height}, ${item.durationSeconds} s`);

  const job = await client.jobs.submit({ kind: 'transcode', input: item.id, params: { container: 'mp4', maxHeight: 240 } });
  const done = await client.jobs.wait(job.id, {
    onProgress: ({ state, progress, step }) => console.log(`${state} ${Math.round(progress * 100)} %: ${step}`),
  });

  const [result] = done.result.media;
  await writeFile('result.mp4', Buffer.from(await (await client.content(result)).arrayBuffer()));
  console.log(`result.mp4: ${result.width}x${result.height}, ${result.sizeBytes} bytes; memory at most ${done.memory.peakBytes} bytes`);
} catch (error) {
  if (!(error instanceof BallastProblem)) throw error;
  console.error(`${error.code} (${error.status}): ${error.message}`);
  process.exitCode = 1;
}
