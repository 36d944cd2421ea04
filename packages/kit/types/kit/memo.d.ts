/**
 * Return what tells one file from another without reading it.
 * @param {string} baseUrl @param {string} name @param {Blob} file
 */
export function fingerprintOf(baseUrl: string, name: string, file: Blob): string;
export class UploadMemo {
    /** @param {Storage | null} [storage] by default the browser's `localStorage`; null remembers nothing */
    constructor(storage?: Storage | null);
    _storage: Storage | null;
    /** @param {string} fingerprint @returns {UnfinishedUpload | null} */
    get(fingerprint: string): UnfinishedUpload | null;
    /** @param {string} fingerprint @param {UnfinishedUpload} upload */
    set(fingerprint: string, upload: UnfinishedUpload): void;
    /** @param {string} fingerprint */
    forget(fingerprint: string): void;
    /** @returns {(UnfinishedUpload & {fingerprint: string})[]} newest first */
    list(): (UnfinishedUpload & {
        fingerprint: string;
    })[];
}
export type UnfinishedUpload = {
    path: string;
    name: string;
    sizeBytes: number;
    at: string;
};
