/**
 * @typedef {Record<string, string | number | boolean | null | undefined>} Query
 * @typedef {{query?: Query, headers?: Record<string, string>, body?: BodyInit | null, signal?: AbortSignal}} RequestOptions
 */
export class Http {
    /**
     * @param {string} baseUrl '' for the page's own origin
     * @param {string | null} key
     * @param {typeof fetch} fetchFunction
     */
    constructor(baseUrl: string, key: string | null, fetchFunction: typeof fetch);
    baseUrl: string;
    key: string | null;
    _fetch: typeof fetch;
    /**
     * Return the absolute address of a path of the service (or of a URL that the service gave).
     * @param {string} path
     * @param {Query} [query] what is null or undefined is left out
     */
    url(path: string, query?: Query): string;
    /**
     * Return the address of a WebSocket, with the key in it where there is one: browsers send no headers there.
     * @param {string} path
     * @param {Query} [query]
     */
    socketUrl(path: string, query?: Query): string;
    /** The headers that say who asks. @returns {Record<string, string>} */
    get credentials(): Record<string, string>;
    /**
     * Ask, and return the answer, which is good.
     * @param {string} method
     * @param {string} path
     * @param {RequestOptions} [options]
     * @returns {Promise<Response>}
     * @throws {BallastProblem} the service refused
     * @throws {ConnectionProblem} it was not reached
     */
    request(method: string, path: string, { query, headers, body, signal }?: RequestOptions): Promise<Response>;
    /**
     * @param {string} method
     * @param {string} path
     * @param {RequestOptions} [options]
     * @returns {Promise<any>}
     */
    json(method: string, path: string, options?: RequestOptions): Promise<any>;
}
export type Query = Record<string, string | number | boolean | null | undefined>;
export type RequestOptions = {
    query?: Query;
    headers?: Record<string, string>;
    body?: BodyInit | null;
    signal?: AbortSignal;
};
