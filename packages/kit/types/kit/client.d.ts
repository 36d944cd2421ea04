/** Media and vision; health and memory are in `ServiceClient`. */
export class BallastClient extends ServiceClient {
    /** Blob URLs that `mediaUrl` has made. */
    blobs: BlobUrls;
    /** Pictures as they are wanted. */
    images: Images;
    /** Work that takes long. */
    jobs: Jobs;
    /** Revoke every blob URL. @returns {{count: number, bytes: number}} */
    dispose(): {
        count: number;
        bytes: number;
    };
    /**
     * Send a file of any size; it begins at once. `await upload.done` gives the item; see `Upload` for progress and pauses.
     * @param {Blob & {name?: string}} file
     * @param {import('./upload.js').UploadOptions} [options]
     */
    upload(file: Blob & {
        name?: string;
    }, options?: import("./upload.js").UploadOptions): Upload;
    /**
     * The same, not begun yet: listen first, then `start()`.
     * @param {Blob & {name?: string}} file
     * @param {import('./upload.js').UploadOptions} [options]
     */
    prepareUpload(file: Blob & {
        name?: string;
    }, options?: import("./upload.js").UploadOptions): Upload;
    /**
     * Send a small file in one request; with `inline: 'auto'` the answer carries it back in `buffer`.
     * @param {Blob & {name?: string}} file
     * @param {{name?: string, inline?: 'auto' | 'never', signal?: AbortSignal}} [options]
     * @returns {Promise<MediaItem>}
     */
    createMedia(file: Blob & {
        name?: string;
    }, { name, inline, signal }?: {
        name?: string;
        inline?: "auto" | "never";
        signal?: AbortSignal;
    }): Promise<MediaItem>;
    /**
     * Items, newest first; give `nextCursor` as `cursor` for the next page.
     * @param {{limit?: number, cursor?: string | null, kind?: string | null, signal?: AbortSignal}} [options]
     * @returns {Promise<{items: MediaItem[], nextCursor: string | null}>}
     */
    listMedia({ limit, cursor, kind, signal }?: {
        limit?: number;
        cursor?: string | null;
        kind?: string | null;
        signal?: AbortSignal;
    }): Promise<{
        items: MediaItem[];
        nextCursor: string | null;
    }>;
    /**
     * @param {string} id
     * @param {{inline?: 'auto' | 'never', signal?: AbortSignal}} [options]
     * @returns {Promise<MediaItem>}
     */
    getMedia(id: string, { inline, signal }?: {
        inline?: "auto" | "never";
        signal?: AbortSignal;
    }): Promise<MediaItem>;
    /** @param {string} id */
    deleteMedia(id: string): Promise<void>;
    /**
     * The bytes of an item, whole or from `start` to `end` (both included).
     * @param {{url: string}} item
     * @param {{start?: number, end?: number, signal?: AbortSignal}} [options]
     * @returns {Promise<Blob>}
     */
    content(item: {
        url: string;
    }, { start, end, signal }?: {
        start?: number;
        end?: number;
        signal?: AbortSignal;
    }): Promise<Blob>;
    /**
     * Return an address for `<img>`, `<video>` and `<audio>`. Bytes in `buffer` become a blob URL (`releaseMediaUrl` gives
     * its memory back); else it is the item's own address, in which a video can seek. Where keys are set and that address
     * is not signed, small items are fetched with the key.
     * @param {MediaItem} item
     * @param {Waiting} [options]
     * @returns {Promise<string>}
     * @throws {Error} the address needs a signature, and the item is too large to be fetched whole
     */
    mediaUrl(item: MediaItem, { signal }?: Waiting): Promise<string>;
    /**
     * An address for `<img>` of a small picture of an item (of a video, the frame near its beginning). Where keys are set it is
     * fetched with the key, and becomes a blob URL.
     * @param {MediaItem} item @param {import('./images.js').ImageParams} params @param {Waiting} [options]
     * @returns {Promise<string>}
     */
    pictureUrl(item: MediaItem, params: import("./images.js").ImageParams, { signal }?: Waiting): Promise<string>;
    /**
     * The item with an address that is still good for so long: signed ones expire.
     * @param {MediaItem} item @param {number} [seconds] @returns {Promise<MediaItem>}
     */
    freshMedia(item: MediaItem, seconds?: number): Promise<MediaItem>;
    /** Revoke the blob URL of an item, if there is one. @param {{id: string}} item */
    releaseMediaUrl(item: {
        id: string;
    }): void;
    /** The tasks and the state of their models. @returns {Promise<Task[]>} */
    tasks(): Promise<Task[]>;
    /**
     * Analyse one picture. (`segmentation` gives its mask in `detections` with `inlineMask: true`.)
     * @param {string} task
     * @param {Blob} picture
     * @param {Record<string, any>} [params]
     * @param {Waiting} [options]
     * @returns {Promise<Analysis>}
     */
    analyze(task: string, picture: Blob, params?: Record<string, any>, { signal }?: Waiting): Promise<Analysis>;
    /**
     * Analyse one picture and return a picture: the drawing on it (`annotate: true`), or the mask of `segmentation`.
     * @param {string} task
     * @param {Blob} picture
     * @param {Record<string, any>} [params]
     * @param {Waiting} [options]
     * @returns {Promise<Blob>}
     */
    analyzeToPicture(task: string, picture: Blob, params?: Record<string, any>, { signal }?: Waiting): Promise<Blob>;
    /** @param {string} task @param {Blob} picture @param {Record<string, any>} query @param {AbortSignal | undefined} signal */
    _analyze(task: string, picture: Blob, query: Record<string, any>, signal: AbortSignal | undefined): Promise<Response>;
    /**
     * Analyse many pictures in one request; answers come in the order of completion, each with the `index` of its picture
     * (null: the request could not be read to its end) and either the analysis or a problem.
     * @param {string} task
     * @param {(Blob | string)[]} pictures files, or ids of media items
     * @param {Record<string, any>} [params]
     * @param {Waiting} [options]
     * @returns {AsyncGenerator<BatchLine, void, undefined>}
     */
    batch(task: string, pictures: (Blob | string)[], params?: Record<string, any>, { signal }?: Waiting): AsyncGenerator<BatchLine, void, undefined>;
    /**
     * Send the newest frame of a camera, video or canvas again and again. Call `start()` on what is returned, and `stop()`.
     * @param {string} task
     * @param {import('./frames.js').FrameSource | MediaStreamTrack | null} source
     * @param {import('./stream.js').StreamOptions} [options]
     */
    stream(task: string, source: import("./frames.js").FrameSource | MediaStreamTrack | null, options?: import("./stream.js").StreamOptions): FrameStream;
}
export type MediaItem = import("./types.js").MediaItem;
export type Analysis = import("./types.js").Analysis;
export type Task = import("./types.js").Task;
export type Waiting = import("./service.js").Waiting;
export type BatchLine = {
    index: number | null;
    analysis: Analysis | null;
    problem: import("./problem.js").BallastProblem | null;
};
import { ServiceClient } from './service.js';
import { BlobUrls } from './blobs.js';
import { Images } from './images.js';
import { Jobs } from './jobs.js';
import { Upload } from './upload.js';
import { FrameStream } from './stream.js';
