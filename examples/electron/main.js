// Main process: shows the page below its own scheme, with no Node in it. The service is started as docs/electron.md says,
// with BALLAST_SERVER__ORIGINS=app://editor.
const { app, BrowserWindow, ipcMain, net, protocol } = require('electron');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const SERVICE = process.env.BALLAST_URL ?? 'http://127.0.0.1:8000';
const POLICY = [
  "default-src 'self'", `connect-src ${SERVICE} ${SERVICE.replace('http', 'ws')}`, `img-src 'self' blob: ${SERVICE}`,
  `media-src blob: ${SERVICE}`, `script-src 'self' ${SERVICE}`,
].join('; ');

protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } }]);

app.whenReady().then(() => {
  protocol.handle('app', async (request) => {
    const name = path.basename(new URL(request.url).pathname) || 'renderer.html';
    const answer = await net.fetch(pathToFileURL(path.join(__dirname, name)).href);
    const headers = new Headers(answer.headers);
    headers.set('Content-Security-Policy', POLICY);
    return new Response(answer.body, { status: answer.status, headers });
  });
  ipcMain.handle('service', () => SERVICE);
  const window = new BrowserWindow({
    show: !process.env.BALLAST_HIDDEN,
    webPreferences: { preload: path.join(__dirname, 'preload.js'), contextIsolation: true, sandbox: true, nodeIntegration: false },
  });
  window.loadURL('app://editor/renderer.html');
});

app.on('window-all-closed', () => app.quit());
