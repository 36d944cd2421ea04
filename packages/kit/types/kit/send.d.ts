/**
 * @typedef {{method: string, url: string, headers: Record<string, string>, body: Blob | null, signal: AbortSignal,
 *   onProgress: (sentBytes: number) => void}} SendRequest
 * @typedef {{status: number, text: string, header: (name: string) => string | null}} SendAnswer
 */
/**
 * Send; every answer is returned, good or not.
 * @param {SendRequest} request
 * @returns {Promise<SendAnswer>}
 * @throws {ConnectionProblem} there was no answer (also after an abort: look at the signal)
 */
export function send(request: SendRequest): Promise<SendAnswer>;
export type SendRequest = {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: Blob | null;
    signal: AbortSignal;
    onProgress: (sentBytes: number) => void;
};
export type SendAnswer = {
    status: number;
    text: string;
    header: (name: string) => string | null;
};
