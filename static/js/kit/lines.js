/** Text that comes in pieces, as lines. */

/**
 * Give the lines of a stream of bytes, without their ends; the last one needs none.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string, void, undefined>}
 */
export async function* linesOf(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = done ? '' : /** @type {string} */ (lines.pop());
      for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
