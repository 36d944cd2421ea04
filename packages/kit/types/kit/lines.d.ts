/** Text that comes in pieces, as lines. */
/**
 * Give the lines of a stream of bytes, without their ends; the last one needs none.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string, void, undefined>}
 */
export function linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined>;
