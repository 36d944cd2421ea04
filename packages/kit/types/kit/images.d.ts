/**
 * Parameters of an image, such as `{width: 400, fit: 'cover', format: 'auto'}`: see `GET /v1/images/operations`.
 * @typedef {Record<string, string | number | boolean | null | undefined>} ImageParams
 * @typedef {{
 *   blob: Blob, url: string, seconds: number,
 *   timing: Record<string, number>, cache: string,
 *   predictedBytes: number | null, peakBytes: number | null, mode: string, faces: number | null,
 * }} MadePicture `seconds`: from here to the last byte; `timing`: milliseconds in the service by step; `faces`: found, where they were looked for
 */
export class Images {
    /** @param {import('./http.js').Http} http */
    constructor(http: import("./http.js").Http);
    _http: import("./http.js").Http;
    /**
     * The address of a derived picture of a stored picture, or of a video with `at` (seconds). Where keys are set an `<img>`
     * cannot load it: use `derive` there, or a preset, whose addresses are signed (`item.presets`).
     * @param {{id: string} | string} item @param {ImageParams} [params]
     * @returns {string}
     */
    url(item: {
        id: string;
    } | string, params?: ImageParams): string;
    /**
     * `srcset` for the widths of an `<img>`.
     * @param {{id: string} | string} item @param {number[]} widths @param {ImageParams} [params]
     */
    srcset(item: {
        id: string;
    } | string, widths: number[], params?: ImageParams): string;
    /**
     * Make a derived picture of a stored item, and say what it took.
     * @param {{id: string} | string} item @param {ImageParams} [params] @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<MadePicture>}
     */
    derive(item: {
        id: string;
    } | string, params?: ImageParams, { signal }?: {
        signal?: AbortSignal;
    }): Promise<MadePicture>;
    /**
     * Transform a picture that is not stored, and say what it took.
     * @param {Blob} picture @param {ImageParams} [params] @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<MadePicture>}
     */
    transform(picture: Blob, params?: ImageParams, { signal }?: {
        signal?: AbortSignal;
    }): Promise<MadePicture>;
    /**
     * Transform a picture and keep the result in the library.
     * @param {Blob | {id: string}} picture a file, or a stored item @param {ImageParams} [params] @param {{name?: string, signal?: AbortSignal}} [options]
     * @returns {Promise<import('./types.js').MediaItem>}
     */
    store(picture: Blob | {
        id: string;
    }, params?: ImageParams, { name, signal }?: {
        name?: string;
        signal?: AbortSignal;
    }): Promise<import("./types.js").MediaItem>;
    /** What can be done to a picture, with the JSON schema of each parameter. @returns {Promise<any>} */
    operations(): Promise<any>;
    /**
     * Format, size, colours, and with `exif: true` what the camera wrote.
     * @param {Blob | {id: string}} picture @param {{exif?: boolean, location?: boolean}} [options] @returns {Promise<any>}
     */
    info(picture: Blob | {
        id: string;
    }, options?: {
        exif?: boolean;
        location?: boolean;
    }): Promise<any>;
    /** @param {string} url @param {() => Promise<Response>} ask @returns {Promise<MadePicture>} */
    _made(url: string, ask: () => Promise<Response>): Promise<MadePicture>;
}
/**
 * Parameters of an image, such as `{width: 400, fit: 'cover', format: 'auto'}`: see `GET /v1/images/operations`.
 */
export type ImageParams = Record<string, string | number | boolean | null | undefined>;
/**
 * `seconds`: from here to the last byte; `timing`: milliseconds in the service by step; `faces`: found, where they were looked for
 */
export type MadePicture = {
    blob: Blob;
    url: string;
    seconds: number;
    timing: Record<string, number>;
    cache: string;
    predictedBytes: number | null;
    peakBytes: number | null;
    mode: string;
    faces: number | null;
};
