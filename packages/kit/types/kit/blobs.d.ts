/** Blob URLs that are all known, so that none of them is left behind. */
/**
 * A registry of blob URLs. Each has a key; a new one under the same key revokes the old one first.
 */
export class BlobUrls {
    /**
     * @param {{
     *   createObjectURL?: (blob: Blob) => string,
     *   revokeObjectURL?: (url: string) => void,
     *   log?: (message: string, error?: unknown) => void,
     * }} [options] what makes and revokes URLs, and where troubles are told; by default the browser's own
     */
    constructor(options?: {
        createObjectURL?: (blob: Blob) => string;
        revokeObjectURL?: (url: string) => void;
        log?: (message: string, error?: unknown) => void;
    });
    _createObjectURL: (blob: Blob) => string;
    _revokeObjectURL: (url: string) => void;
    _log: (message: string, error?: unknown) => void;
    /** @type {Map<string, {url: string, bytes: number}>} */
    _entries: Map<string, {
        url: string;
        bytes: number;
    }>;
    /** How many URLs are alive. */
    get count(): number;
    /** How many bytes they hold. */
    get bytes(): number;
    /** @param {string} key @returns {string | null} */
    get(key: string): string | null;
    /**
     * Make a URL for `blob`; what was there under this key is revoked.
     * @param {string} key
     * @param {Blob} blob
     * @returns {string}
     */
    set(key: string, blob: Blob): string;
    /**
     * Revoke one. A failing revoke is logged and never thrown: cleaning up must not stop what goes on.
     * @param {string} key
     * @returns {boolean} whether there was one
     */
    revoke(key: string): boolean;
    /**
     * Revoke all of them.
     * @returns {{count: number, bytes: number}} what was cleaned
     */
    dispose(): {
        count: number;
        bytes: number;
    };
}
