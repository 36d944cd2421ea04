// A small service on loopback for the kit's tests: enough of HTTP, tus and server-sent events, with faults on request.

import { createServer } from 'node:http';

/** @param {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => void} answer */
export async function serve(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answer JSON. */
export function json(response, status, document, headers = {}) {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'Content-Type': type, ...headers });
  response.end(JSON.stringify(document));
}

/** Read a body whole. */
export async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** tus 1.0.0 in memory. `faults` is a list of functions that may answer a request in another way, each used once. */
export class TusServer {
  constructor() {
    this.uploads = new Map();
    this.requests = [];
    this.faults = [];
  }

  async handle(request, response) {
    this.requests.push(`${request.method} ${request.url}`);
    const fault = this.faults[0];
    if (fault?.(request, response)) {
      this.faults.shift();
      return;
    }
    if (request.method === 'POST' && request.url === '/v1/uploads') this.create(request, response);
    else if (request.url.startsWith('/v1/uploads/')) await this.handleUpload(request, response);
    else if (request.url.startsWith('/v1/media/')) json(response, 200, { id: request.url.split('/').pop(), name: 'stored' });
    else json(response, 404, { code: 'not_found', detail: 'There is nothing here.' });
  }

  create(request, response) {
    const id = `u${this.uploads.size + 1}`;
    this.uploads.set(id, { length: Number(request.headers['upload-length']), metadata: request.headers['upload-metadata'], data: Buffer.alloc(0) });
    response.writeHead(201, { Location: `/v1/uploads/${id}`, 'Tus-Resumable': '1.0.0' });
    response.end();
  }

  async handleUpload(request, response) {
    const id = request.url.split('/').pop();
    const upload = this.uploads.get(id);
    if (!upload) {
      json(response, 404, { code: 'not_found', detail: 'There is no such upload.' });
      return;
    }
    if (request.method === 'PATCH') {
      if (Number(request.headers['upload-offset']) !== upload.data.length) {
        json(response, 409, { code: 'conflict', detail: 'The offset is another.' });
        return;
      }
      upload.data = Buffer.concat([upload.data, await bodyOf(request)]);
    }
    if (request.method === 'DELETE') this.uploads.delete(id);
    const headers = { 'Upload-Offset': String(upload.data.length), 'Upload-Length': String(upload.length), 'Tus-Resumable': '1.0.0' };
    if (upload.data.length === upload.length) headers['Ballast-Media-Id'] = `m-${id}`;
    response.writeHead(request.method === 'HEAD' ? 200 : 204, headers);
    response.end();
  }
}
