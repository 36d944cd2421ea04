// The only thing that the page learns from the main process: where the service is.
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('editor', { service: () => ipcRenderer.invoke('service') });
