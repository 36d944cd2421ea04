/**
 * The kit for web and Electron front ends of Ballast. It needs this file and the folder `kit/`, and nothing else: no build
 * step, no package, nothing of Node. Types are in the comments (JSDoc), where an editor and `tsc --checkJs` find them.
 *
 * ```js
 * import { BallastClient } from './ballast.js';
 *
 * const client = new BallastClient({ baseUrl: 'http://127.0.0.1:8000' });
 * const item = await client.upload(file).done;
 * video.src = await client.mediaUrl(item);
 * ```
 */

export { Backoff } from './kit/backoff.js';
export { StreamClosed } from './kit/channels.js';
export { blobOfBase64 } from './kit/base64.js';
export { BlobUrls } from './kit/blobs.js';
export { BallastClient } from './kit/client.js';
export { CONNECTIONS, containedIn, describe, drawDetections, spoken } from './kit/drawing.js';
export { EventStream } from './kit/events.js';
export { ForeignPictures, FrameGrabber, encodePicture, fitInside, shrunkPicture } from './kit/frames.js';
export { Images } from './kit/images.js';
export { isOver, JobEvents, JobFailed, Jobs } from './kit/jobs.js';
export { LevelEvents } from './kit/levels.js';
export { drawMask, tintedMask } from './kit/mask.js';
export { BallastProblem, ConnectionProblem } from './kit/problem.js';
export { FrameStream } from './kit/stream.js';
export { PlayedTrackGrabber, TrackGrabber, grabberOf } from './kit/tracks.js';
export { Upload } from './kit/upload.js';
